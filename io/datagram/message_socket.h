// The record behind a UdpSocket or a UnixMessageSocket: its descriptor, its receive operation, and
// the messages that have arrived and were not taken yet.
//
// Messages arrive in the shard's chunks, through one multishot operation that stays armed. A socket
// whose messages may not fit into a chunk receives into large buffers of its own instead, as many as
// are free at a time, when somebody waits.
//
// Private to io. Shard affinity: the shard that made it.
// Ownership: the public socket's, until it is abandoned; then the record's own: it cancels its
// receives, removes its socket file, closes the descriptor and frees itself when the kernel has let
// go.
// Invariants: 1. at most one reader; 2. after `unread_limit` unread messages receiving pauses (what
// the kernel has already completed still comes), and goes on when they have been taken: the rest
// waits in the socket's buffer, where the kernel drops what does not fit; 3. an error is told once,
// and reading goes on after it; 4. descriptors that came with a message are owned by somebody, or
// closed.
// Cost: no allocation but for large buffers, which are made once.

#ifndef PELTON_IO_DATAGRAM_MESSAGE_SOCKET_H_
#define PELTON_IO_DATAGRAM_MESSAGE_SOCKET_H_

#include <sys/socket.h>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <utility>

#include "io/datagram/message_buffer.h"
#include "io/datagram/send_batch.h"
#include "io/file_operation.h"
#include "io/message_chunk.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/unix_socket_file.h"
#include "sched/scheduler.h"

namespace pelton::io {

class MessageSocket;

// Memory for a message that does not fit into a chunk.
class LargeBuffer {
 public:
  LargeBuffer(MessageSocket& socket, size_t name_room, size_t control_room, size_t payload_room);

  // Lets a message arrive here.
  void Prepare(msghdr& message);
  // It has: takes down what the kernel wrote to `message`.
  void OnReceived(const mmsghdr& message) { received_ = message; }
  // Whether what has arrived is the end of a sequenced socket.
  bool IsEnd() const { return received_.msg_len == 0 && received_.msg_hdr.msg_controllen == 0; }
  MessageBuffer Take();
  // Nobody looks at the message any more.
  void GiveBack();
  // The socket is gone; whoever holds the message frees this.
  void Orphan() { socket_ = nullptr; }

  LargeBuffer* next = nullptr;  // link in the socket's list of free or of filled ones
  bool taken = false;           // somebody holds the message

 private:
  MessageSocket* socket_;
  const size_t name_room_;
  const size_t control_room_;
  const size_t payload_room_;
  std::unique_ptr<char[]> memory_;  // name, control data, payload
  iovec piece_ = {};
  mmsghdr received_ = {};
};

class MessageSocket final : private Operation {
 public:
  // The most payload of a message that arrives in a chunk, with that much beside it.
  static constexpr size_t ChunkPayload(size_t name_room, size_t control_room) {
    return ChunkPool::kChunkBytes - sizeof(MessageChunkHeader) - name_room - control_room;
  }
  // Large buffers of a socket that needs them.
  static constexpr size_t kLargeBuffers = 16;

  struct Settings {
    size_t name_room;     // bytes for the sender's address; a multiple of 8
    size_t control_room;  // bytes for control data; a multiple of 8
    size_t unread_limit;
    size_t largest;                    // bytes of payload
    bool carries_descriptors = false;  // control data may own descriptors
    bool is_sequenced = false;         // a message without payload and control data is the end
  };

  // Whoever waits for a message.
  class Waiter {
   public:
    virtual void OnInput() = 0;

   protected:
    ~Waiter() = default;
  };

  // Takes the descriptor and its file over.
  MessageSocket(int descriptor, const Settings& settings, const UnixSocketFile& file);

  // Closes the socket and frees this record, as soon as the kernel allows. REQUIRES: nobody
  // receives or sends.
  void Abandon();

  int descriptor() const { return Operation::descriptor; }

  // Whether a receive can be answered: a message, the end, or an error has arrived.
  bool HasInput() const { return unread_ > 0 || error_ != 0 || ended_; }
  bool HasMessage() const { return unread_ > 0; }
  // Whether no message comes behind those that have arrived.
  bool ended() const { return ended_; }
  // The oldest message. REQUIRES: HasMessage().
  MessageBuffer TakeMessage();
  // The error that a receive has found, which is forgotten; 0 when there is none.
  int TakeError() { return std::exchange(error_, 0); }
  // Calls waiter->OnInput() once HasInput(). REQUIRES: !HasInput().
  void AwaitInput(Waiter* waiter);
  void ForgetWaiter() { waiter_ = nullptr; }
  bool has_reader() const { return waiter_ != nullptr; }

  // A send begins, or has come to its end.
  void BeginSend() { ++sends_; }
  void EndSend() { --sends_; }
  // The same of many datagrams; one at a time.
  void BeginBatch() {
    PELTON_CHECK(!std::exchange(batch_in_use_, true)) << "two tasks send many datagrams at a time";
    BeginSend();
  }
  void EndBatch() {
    batch_in_use_ = false;
    EndSend();
  }
  // What one sender of many messages at a time prepares them in.
  SendBatch& batch() {
    if (batch_ == nullptr) batch_ = std::make_unique<SendBatch>();
    return *batch_;
  }

 private:
  friend class LargeBuffer;

  // Removes the socket file.
  class FileRemoval final : public FileOperation {
   public:
    FileRemoval(MessageSocket& socket, const UnixSocketFile& file)
        : FileOperation(OperationKind::kCall), socket_(socket), file_(file) {}
    bool needed() const { return file_.exists(); }
    void Begin();

   private:
    // Whatever came of it, the socket is closed next.
    void OnCompletion(const Completion&) override { socket_.Close(); }

    MessageSocket& socket_;
    UnixSocketFile file_;
  };

  ~MessageSocket();

  void OnCompletion(const Completion& completion) override;
  void OnChunk(const Completion& completion);
  void OnLargeBuffers(int received);
  void OnLargeReturned(LargeBuffer& buffer);
  void ReceiveLarge();
  void OnReceiveEnded();
  void WakeReader();
  void StartReceiving();
  void PushChunk(uint16_t chunk, int bytes);
  MessageBuffer PopChunk();
  void Drop(MessageBuffer message);
  void BeginClose();
  void Close();

  const Settings settings_;
  msghdr room_ = {};  // what the receive operation reads its lengths from
  Waiter* waiter_ = nullptr;
  size_t unread_ = 0;
  size_t sends_ = 0;
  int error_ = 0;
  bool ended_ = false;
  bool abandoned_ = false;
  bool batch_in_use_ = false;
  uint16_t first_chunk_ = 0;
  uint16_t last_chunk_ = 0;
  // Of a socket with large buffers; null else.
  struct Large {
    std::array<std::unique_ptr<LargeBuffer>, kLargeBuffers> buffers;
    LargeBuffer* free = nullptr;
    LargeBuffer* first_filled = nullptr;
    LargeBuffer* last_filled = nullptr;
    size_t receiving = 0;  // the first places of these two
    std::array<LargeBuffer*, kLargeBuffers> receivers;
    std::array<mmsghdr, kLargeBuffers> messages;
  };
  std::unique_ptr<Large> large_;
  std::unique_ptr<SendBatch> batch_;
  FileRemoval removal_;
};

// Awaits a message; a derived class says what the await yields.
class MessageAwaiter : private Suspension, private MessageSocket::Waiter {
 public:
  bool await_ready() const noexcept { return socket_.HasInput() && !Scheduler::Current()->Due(); }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    PELTON_CHECK(!socket_.has_reader()) << "two tasks receive from one socket";
    if (socket_.HasInput() || StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    socket_.AwaitInput(this);
  }

 protected:
  MessageAwaiter(MessageSocket& socket, StopPhase interrupted_from)
      : Suspension(interrupted_from), socket_(socket) {}
  ~MessageAwaiter() = default;

  MessageSocket& socket() const { return socket_; }

 private:
  void OnInput() override { Resume(); }
  // What arrives later waits for the next receive.
  void Interrupt() override {
    socket_.ForgetWaiter();
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << "a message on descriptor " << socket_.descriptor();
  }

  MessageSocket& socket_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_DATAGRAM_MESSAGE_SOCKET_H_
