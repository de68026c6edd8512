// The epoll driver: the fallback where io_uring is missing or forbidden. It emulates completions.
//
// Submit() tries each operation's system call at once. What is not ready is parked on its
// descriptor until epoll(7) reports an edge, and then tried again. A descriptor is registered once,
// for both directions, when an operation on it has to wait for the first time.
//
// Shard affinity: created, used and destroyed on the shard's thread; Wake() and WakePeer() from any
// thread.
// Ownership: borrows the operations between Submit() and their final completion, like every driver.
//
// Invariants
//  1. Between calls, an operation in flight is parked: in the slot of its descriptor and direction,
//     in waiting_ when another one holds that slot, or among its descriptor's polls; or it is with
//     the blocking calls.
//  2. `ready` is false only if an edge is still to come: the last attempt found nothing, or a TCP
//     transfer came out short, which says the same (epoll(7)) as long as no hang-up, error or
//     urgent data has been reported.
//  3. A slot whose operation could go on without an edge is listed in unfinished_, and the next
//     Reap() goes on with it.
//  4. A descriptor on which an operation was started is closed by kClose, so that the state here
//     dies with it. An event of its former life may still come: it costs its successor an attempt.
//     One that was only polled may be closed by anybody: `registered` stays false, and each poll
//     that has to wait registers it anew.
//
// Cost: a system call for each operation and for each Reap(); no allocation once the table has
// grown to the highest descriptor.

#ifndef PELTON_IO_EPOLL_EPOLL_DRIVER_H_
#define PELTON_IO_EPOLL_EPOLL_DRIVER_H_

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "io/blocking_calls.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/socket_busy_poll.h"

namespace pelton::io {

class EpollDriver {
 public:
  static constexpr const char* kName = "epoll";
  // Connections that one multishot accept delivers in a turn at most.
  static constexpr int kAcceptsPerTurn = 64;

  // `reactor` must outlive the driver. ERRORS: those of epoll_create1(2) and eventfd(2): EMFILE,
  // ENFILE, ENOMEM.
  static absl::StatusOr<std::unique_ptr<EpollDriver>> Create(Reactor& reactor);
  // REQUIRES: nothing is in flight.
  ~EpollDriver();
  EpollDriver(const EpollDriver&) = delete;
  EpollDriver& operator=(const EpollDriver&) = delete;

  void Submit(Reactor& reactor);
  void Reap(Reactor& reactor);
  bool HasCompletions() const { return collected_ > 0 || !unfinished_.empty(); }
  void Wait(int64_t timeout_ns);
  void Wake();
  // Wakes another shard's driver.
  void WakePeer(EpollDriver& peer) { peer.Wake(); }

 private:
  enum Direction { kRead, kWrite };

  // One direction of a descriptor.
  struct Side {
    Operation* operation = nullptr;  // the one that is tried next
    bool ready = true;               // an attempt may succeed
    bool always_try = false;         // a short transfer says nothing
  };
  struct Descriptor {
    Side sides[2];
    std::vector<Operation*> polls;  // kPoll, which get in nobody's way
    bool registered = false;        // for an operation that is no poll
    bool is_tcp = false;
    bool unfinished = false;  // stands in unfinished_
  };

  // Events taken from the kernel at once.
  static constexpr int kEvents = 256;

  EpollDriver(Reactor& reactor, int epoll_descriptor, int event_descriptor);

  static Direction DirectionOf(const Operation& operation);
  Descriptor* Find(int fd) {
    const auto index = static_cast<size_t>(static_cast<unsigned>(fd));
    return index < descriptors_.size() ? &descriptors_[index] : nullptr;
  }
  Side& SideOf(const Operation& operation) {
    return descriptors_[static_cast<size_t>(operation.descriptor)].sides[DirectionOf(operation)];
  }

  void Start(Reactor& reactor, Operation& operation);
  void Close(Reactor& reactor, Operation& operation);
  void Cancel(Reactor& reactor, Operation& operation);
  void StartPoll(Reactor& reactor, Operation& operation);
  void AdvancePolls(Reactor& reactor, int fd);
  bool Watch(Reactor& reactor, Operation& operation);
  bool Park(Reactor& reactor, Operation& operation);
  int Register(int fd);
  void Unpark(Operation& operation);
  Operation* TakeWaiting(int fd, Direction direction);
  void MarkUnfinished(int fd);

  void Collect(int64_t timeout_ns);
  void Dispatch(Reactor& reactor, const epoll_event& event);
  void Advance(Reactor& reactor, int fd, Direction direction);
  void AdvanceMany(Reactor& reactor, Operation& operation);
  void ReceiveMany(Reactor& reactor, Operation& operation);
  void AcceptMany(Reactor& reactor, Operation& operation);
  void NoteTransfer(const Operation& operation, bool is_short);

  BlockingCalls blocking_;
  SocketBusyPoll busy_poll_;
  const int epoll_descriptor_;
  const int event_descriptor_;
  bool has_nanosecond_wait_ = false;
  std::vector<Descriptor> descriptors_;  // by number
  std::vector<Operation*>
      waiting_;  // behind another of the same descriptor and direction, in order; hardly ever any
  std::vector<int> unfinished_;
  std::vector<int> continuing_;  // those that a Reap() goes on with; kept for its memory
  int collected_ = 0;            // events of the last wait that no Reap() has seen
  std::array<epoll_event, kEvents> events_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_EPOLL_EPOLL_DRIVER_H_
