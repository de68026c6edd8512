// What tools/gdb/pelton.py needs to say which descriptor a task waits for; see sched/debug_layout.h.

#ifndef PELTON_IO_DEBUG_LAYOUT_H_
#define PELTON_IO_DEBUG_LAYOUT_H_

#include <cstdint>

namespace pelton::io {

struct DebugLayout {
  uint32_t operation_descriptor;
  uint32_t operation_kind;        // a byte
  uint32_t operation_suspension;  // of an OperationAwaiter: its Suspension, from its Operation
  uint32_t read_connection;       // of a ReadAwaiter: the TcpConnection, from its Suspension
  uint32_t accept_acceptor;       // of an AcceptAwaiter: the TcpAcceptor, from its Suspension
};

struct DebugAccess;

extern "C" {
// NOLINTNEXTLINE(readability-identifier-naming): a C name.
extern const DebugLayout pelton_debug_io_layout;
}

}  // namespace pelton::io

#endif  // PELTON_IO_DEBUG_LAYOUT_H_
