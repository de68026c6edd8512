#include "io/names/watched_socket.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "io/reactor.h"

namespace pelton::io {

void WatchedSocket::Watch(bool input, bool room) {
  wants_input_ = input;
  wants_room_ = room;
  if (wants_input_ && input_.idle()) Start(input_);
  if (wants_room_ && room_.idle()) Start(room_);
  // A poll that is not wanted any more: what it tells is dropped, and it is not started again.
  if (!wants_input_ && !input_.idle()) Reactor::Current()->Cancel(input_);
  if (!wants_room_ && !room_.idle()) Reactor::Current()->Cancel(room_);
}

void WatchedSocket::Rewatch() {
  // The poll that takes its place finds at once what is there.
  if (input_.idle()) {
    if (wants_input_) Start(input_);
  } else {
    Reactor::Current()->Cancel(input_);
  }
}

void WatchedSocket::Start(Poll& poll) {
  was_watched_ = true;
  poll.length = &poll == &input_ ? POLLIN : POLLOUT;
  Reactor::Current()->Start(poll);
}

void WatchedSocket::Close() {
  owner_ = nullptr;
  if (!was_watched_) {
    ::close(descriptor());
    delete this;
    return;
  }
  if (!input_.idle()) Reactor::Current()->Cancel(input_);
  if (!room_.idle()) Reactor::Current()->Cancel(room_);
  CloseWhenIdle();
}

void WatchedSocket::CloseWhenIdle() {
  if (!input_.idle() || !room_.idle()) return;
  input_.kind = OperationKind::kClose;
  input_.multishot = false;
  Reactor::Current()->Start(input_);
}

void WatchedSocket::OnCompletion(Poll& poll, const Completion& completion) {
  if (poll.kind == OperationKind::kClose) {
    delete this;  // whatever close(2) said, the descriptor is gone
    return;
  }
  if (owner_ == nullptr) {
    if (!completion.more) CloseWhenIdle();
    return;
  }
  const bool is_input = &poll == &input_;
  bool& wanted = is_input ? wants_input_ : wants_room_;
  if (!wanted) return;
  if (completion.result >= 0 && is_input) owner_->OnReadable(*this);
  if (completion.result >= 0 && !is_input) owner_->OnWritable(*this);
  // A kernel that cannot poll (ENOMEM) is not asked again and again: whoever waits gives up in time.
  if (completion.result < 0 && completion.result != -ECANCELED) wanted = false;
  // A watched socket that the owner has closed meanwhile still lives.
  if (owner_ != nullptr && wanted && poll.idle()) Start(poll);
}

}  // namespace pelton::io
