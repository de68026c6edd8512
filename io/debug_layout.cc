#include "io/debug_layout.h"

#include <cstddef>

#include "io/await_operation.h"
#include "io/operation.h"
#include "io/stream/acceptor.h"
#include "io/stream/stream_awaiters.h"

namespace pelton::io {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

struct DebugAccess {
  static constexpr DebugLayout Layout() {
    return {.operation_descriptor = offsetof(Operation, descriptor),
            .operation_kind = offsetof(Operation, kind),
            .operation_suspension = sizeof(Operation),  // bases follow each other
            .read_connection = offsetof(ReadAwaiter, connection_),
            .accept_acceptor = offsetof(AcceptAwaiter, acceptor_)};
  }
};

#pragma GCC diagnostic pop

static_assert(sizeof(OperationAwaiter) >= sizeof(Operation) + sizeof(Suspension));

extern "C" {
constexpr DebugLayout pelton_debug_io_layout = DebugAccess::Layout();
}

}  // namespace pelton::io
