// A socket that is somebody else's to read and write, and this record's to watch and close.
//
// Readiness is told by poll operations: a multishot one for input, and one at a time for room.
// Whoever is told of input reads until there is none, or tells so (Rewatch()).
//
// Shard affinity: the shard that opened it.
// Ownership: its owner's until Close(); then its own: it cancels its polls, closes the descriptor
// by an operation when the kernel has let go of them, and frees itself. A descriptor that was never
// watched is closed at once.
// Invariant: after Close() the owner is not called any more.
// Cost: an allocation; no more operations than changes of what is watched.

#ifndef PELTON_IO_NAMES_WATCHED_SOCKET_H_
#define PELTON_IO_NAMES_WATCHED_SOCKET_H_

#include "io/operation.h"

namespace pelton::io {

class WatchedSocket;

// Who is told that a socket is ready. Errors and hang-ups make it ready for both.
class SocketOwner {
 public:
  virtual void OnReadable(WatchedSocket& socket) = 0;
  virtual void OnWritable(WatchedSocket& socket) = 0;

 protected:
  ~SocketOwner() = default;
};

class WatchedSocket final {
 public:
  // Takes the descriptor over, an O_NONBLOCK one.
  WatchedSocket(int descriptor, SocketOwner& owner) : owner_(&owner), input_(*this), room_(*this) {
    input_.descriptor = room_.descriptor = descriptor;
    input_.multishot = true;
  }
  WatchedSocket(const WatchedSocket&) = delete;
  WatchedSocket& operator=(const WatchedSocket&) = delete;

  int descriptor() const { return input_.descriptor; }

  // Says what the owner wants to be told of from now on.
  void Watch(bool input, bool room);
  // Tells of input again though there may have been no event since: the owner has left some.
  void Rewatch();
  // Gives the descriptor up; this record is gone for the owner.
  void Close();

 private:
  class Poll final : public Operation {
   public:
    explicit Poll(WatchedSocket& socket) : Operation(OperationKind::kPoll), socket_(socket) {}
    void OnCompletion(const Completion& completion) override {
      socket_.OnCompletion(*this, completion);
    }

   private:
    WatchedSocket& socket_;
  };

  ~WatchedSocket() = default;

  void OnCompletion(Poll& poll, const Completion& completion);
  void Start(Poll& poll);
  void CloseWhenIdle();

  SocketOwner* owner_;  // null once it was closed
  Poll input_;          // in the end the close
  Poll room_;
  bool wants_input_ = false;
  bool wants_room_ = false;
  bool was_watched_ = false;
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_WATCHED_SOCKET_H_
