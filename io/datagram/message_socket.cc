#include "io/datagram/message_socket.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "framework/base/check.h"
#include "io/descriptor_passing.h"

namespace pelton::io {

void MessageBuffer::ReleaseLarge() { std::exchange(large_, nullptr)->GiveBack(); }

LargeBuffer::LargeBuffer(MessageSocket& socket, size_t name_room, size_t control_room,
                         size_t payload_room)
    : socket_(&socket),
      name_room_(name_room),
      control_room_(control_room),
      payload_room_(payload_room),
      memory_(new char[name_room + control_room + payload_room]) {}

void LargeBuffer::Prepare(msghdr& message) {
  char* const name = memory_.get();
  piece_ = {name + name_room_ + control_room_, payload_room_};
  message = {};
  message.msg_name = name;
  message.msg_namelen = static_cast<socklen_t>(name_room_);
  message.msg_control = control_room_ > 0 ? name + name_room_ : nullptr;
  message.msg_controllen = control_room_;
  message.msg_iov = &piece_;
  message.msg_iovlen = 1;
}

MessageBuffer LargeBuffer::Take() {
  taken = true;
  char* const name = memory_.get();
  const msghdr& message = received_.msg_hdr;
  return MessageBuffer(this, {name + name_room_ + control_room_, received_.msg_len},
                       {name + name_room_, message.msg_controllen},
                       {name, std::min<size_t>(message.msg_namelen, name_room_)},
                       static_cast<uint32_t>(message.msg_flags));
}

void LargeBuffer::GiveBack() {
  if (socket_ == nullptr) {
    delete this;
  } else {
    socket_->OnLargeReturned(*this);
  }
}

MessageSocket::MessageSocket(int descriptor, const Settings& settings, const UnixSocketFile& file)
    : Operation(OperationKind::kReceiveMessageChunk), settings_(settings), removal_(*this, file) {
  PELTON_DCHECK(settings.name_room % 8 == 0 && settings.control_room % 8 == 0);
  Operation::descriptor = descriptor;
  Operation::multishot = true;
  Operation::address = &room_;
  room_.msg_namelen = static_cast<socklen_t>(settings.name_room);
  room_.msg_controllen = settings.control_room;
  if (settings.largest <= ChunkPayload(settings.name_room, settings.control_room)) return;
  Operation::kind = OperationKind::kReceiveMessages;
  Operation::multishot = false;
  large_ = std::make_unique<Large>();
  Operation::address = large_->messages.data();
  for (std::unique_ptr<LargeBuffer>& buffer : large_->buffers) {
    buffer = std::make_unique<LargeBuffer>(*this, settings.name_room, settings.control_room,
                                           settings.largest);
    buffer->next = std::exchange(large_->free, buffer.get());
  }
}

MessageSocket::~MessageSocket() {
  if (large_ == nullptr) return;
  for (std::unique_ptr<LargeBuffer>& buffer : large_->buffers) {
    if (buffer->taken) buffer.release()->Orphan();
  }
}

void MessageSocket::Abandon() {
  PELTON_CHECK(waiter_ == nullptr && sends_ == 0)
      << "a socket was destroyed during a receive or a send";
  abandoned_ = true;
  while (unread_ > 0) Drop(TakeMessage());
  if (Operation::idle()) {
    BeginClose();
  } else {
    Reactor::Current()->Cancel(*this);
  }
}

void MessageSocket::BeginClose() {
  // Before the descriptor is closed: until then nobody else's file has the same inode.
  if (removal_.needed()) return removal_.Begin();
  Close();
}

void MessageSocket::FileRemoval::Begin() {
  FileOperation::address = &file_;
  FileOperation::second_address = reinterpret_cast<const void*>(&UnixSocketFile::RemoveFile);
  Reactor::Current()->Start(*this);
}

void MessageSocket::Close() {
  Operation::kind = OperationKind::kClose;
  Reactor::Current()->Start(*this);
}

void MessageSocket::OnCompletion(const Completion& completion) {
  if (Operation::kind == OperationKind::kClose) {
    delete this;  // whatever close(2) said, the descriptor is gone
    return;
  }
  if (large_ != nullptr) {
    OnLargeBuffers(completion.result);
  } else if (completion.chunk != Completion::kNoChunk) {
    OnChunk(completion);
  }
  // EAGAIN: somebody else has taken what a poll had announced.
  const bool is_error = completion.result < 0 && completion.result != -ECANCELED &&
                        completion.result != -EINTR && completion.result != -EAGAIN;
  if (is_error) error_ = -completion.result;
  if (abandoned_) {
    while (unread_ > 0) Drop(TakeMessage());
    if (!completion.more) BeginClose();
    return;
  }
  if (!completion.more) OnReceiveEnded();
  WakeReader();
}

void MessageSocket::OnChunk(const Completion& completion) {
  PushChunk(completion.chunk, completion.result);
  // Stop receiving; taking what there is starts it again. Behind the end there is only the end.
  const bool enough = ended_ || unread_ >= settings_.unread_limit;
  if (completion.more && enough) Reactor::Current()->Cancel(*this);
}

// A multishot receive ends when a message has no payload, too.
void MessageSocket::OnReceiveEnded() {
  if (large_ == nullptr && error_ == 0 && !ended_ && unread_ > 0 &&
      unread_ < settings_.unread_limit && !Operation::cancel_requested) {
    StartReceiving();
  }
}

void MessageSocket::WakeReader() {
  if (waiter_ == nullptr) return;
  if (HasInput()) return std::exchange(waiter_, nullptr)->OnInput();
  StartReceiving();  // it had paused
}

void MessageSocket::StartReceiving() {
  if (!Operation::idle()) return;
  if (large_ != nullptr) return ReceiveLarge();
  Reactor::Current()->Start(*this);
}

// Into all buffers that are free; when there are none, the first that comes back starts it.
void MessageSocket::ReceiveLarge() {
  Large& large = *large_;
  PELTON_DCHECK(large.receiving == 0);
  for (; large.free != nullptr; large.free = large.free->next) {
    large.free->Prepare(large.messages[large.receiving].msg_hdr);
    large.receivers[large.receiving++] = large.free;
  }
  if (large.receiving == 0) return;
  Operation::length = static_cast<uint32_t>(large.receiving);
  Reactor::Current()->Start(*this);
}

void MessageSocket::AwaitInput(Waiter* waiter) {
  PELTON_DCHECK(!HasInput() && waiter_ == nullptr);
  waiter_ = waiter;
  StartReceiving();
}

void MessageSocket::OnLargeBuffers(int received) {
  Large& large = *large_;
  const size_t filled = static_cast<size_t>(std::max(received, 0));
  for (size_t i = large.receiving; i > filled; --i) {
    large.receivers[i - 1]->next = std::exchange(large.free, large.receivers[i - 1]);
  }
  for (size_t i = 0; i < filled; ++i) {
    LargeBuffer& buffer = *large.receivers[i];
    buffer.OnReceived(large.messages[i]);
    if (settings_.is_sequenced && buffer.IsEnd()) {
      ended_ = true;
      buffer.next = std::exchange(large.free, &buffer);
      continue;
    }
    buffer.next = nullptr;
    (unread_++ == 0 ? large.first_filled : large.last_filled->next) = &buffer;
    large.last_filled = &buffer;
  }
  large.receiving = 0;
}

void MessageSocket::OnLargeReturned(LargeBuffer& buffer) {
  buffer.taken = false;
  buffer.next = std::exchange(large_->free, &buffer);
  if (waiter_ != nullptr) StartReceiving();
}

MessageBuffer MessageSocket::TakeMessage() {
  PELTON_DCHECK(unread_ > 0);
  if (large_ == nullptr) return PopChunk();
  LargeBuffer& buffer = *large_->first_filled;
  large_->first_filled = buffer.next;
  --unread_;
  return buffer.Take();
}

void MessageSocket::PushChunk(uint16_t chunk, int bytes) {
  ChunkPool& chunks = Reactor::Current()->chunks();
  const auto* header = reinterpret_cast<const MessageChunkHeader*>(chunks.data(chunk));
  if (settings_.is_sequenced && header->payload_bytes == 0 && header->control_bytes == 0) {
    ended_ = true;
    return chunks.Release(chunk);
  }
  chunks.slot(chunk) = {.next = 0, .begin = 0, .end = static_cast<uint16_t>(bytes)};
  if (unread_ == 0) {
    first_chunk_ = chunk;
  } else {
    chunks.slot(last_chunk_).next = chunk;
  }
  last_chunk_ = chunk;
  ++unread_;
}

MessageBuffer MessageSocket::PopChunk() {
  ChunkPool& chunks = Reactor::Current()->chunks();
  const uint16_t chunk = first_chunk_;
  first_chunk_ = chunks.slot(chunk).next;
  --unread_;
  const std::span<char> bytes(chunks.data(chunk), chunks.slot(chunk).end);
  MessageInChunk message;
  const bool fits = message.Parse(bytes, settings_.name_room, settings_.control_room);
  PELTON_CHECK(fits) << "a message of " << bytes.size() << " bytes is shorter than its parts";
  return MessageBuffer(Chunk(chunks, chunk, bytes), message.payload(), message.control(),
                       message.name(), message.flags());
}

void MessageSocket::Drop(MessageBuffer message) {
  if (settings_.carries_descriptors) (void)TakeControl(message.control());
}

}  // namespace pelton::io
