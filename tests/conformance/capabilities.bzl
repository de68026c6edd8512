"""The capabilities of io_uring that the suite does without in turn."""

# Those of io/uring_capabilities.cc; //tests/io:uring_capabilities_test compares.
CAPABILITIES = [
    "buffer_ring",
    "busy_poll",
    "deferred_work",
    "direct_descriptors",
    "file_operations",
    "message_ring",
    "multishot_accept",
    "multishot_poll",
    "multishot_receive",
    "multishot_receive_message",
    "no_iowait",
    "path_operations",
    "registered_buffers",
    "registered_ring",
    "send_zero_copy",
    "splice",
    "truncate",
    "worker_limits",
]
