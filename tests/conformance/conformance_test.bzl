"""One test per driver, and per capability that a kernel may lack."""

load("@rules_cc//cc:defs.bzl", "cc_test")

def conformance_test(name, driver, without = [], faults = None, shards = None):
    """Runs the conformance suite on a driver.

    Args:
      name: the test's name.
      driver: uring or epoll.
      without: capabilities of io_uring that the driver must do without.
      faults: seeds to run the suite under, as FIRST-LAST.
      shards: into how many parts to divide the tests.
    """
    cc_test(
        name = name,
        size = "small",
        args = ["--driver=" + driver] + ["--without=" + capability for capability in without] +
               (["--faults=" + faults] if faults else []),
        shard_count = shards,
        deps = [":suite"],
    )
