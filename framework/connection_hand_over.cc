#include "framework/connection_hand_over.h"

#include <cstddef>

#include "alloc/frame_pool.h"
#include "framework/mail.h"
#include "framework/shard.h"
#include "framework/shard_group.h"

namespace pelton {
namespace {

struct TravellingConnection : MailNode {
  TravellingConnection(io::Acceptor& to, int fd) : acceptor(to), descriptor(fd) {
    deliver = [](MailNode* node) {
      auto* const self = static_cast<TravellingConnection*>(node);
      self->acceptor.Arrive(self->descriptor);
      delete self;
      Shard::Current()->group().PostDelivered();
    };
  }

  static void* operator new(std::size_t bytes) { return FramePool::Allocate(bytes); }
  static void operator delete(void* node, std::size_t bytes) { FramePool::Free(node, bytes); }

  io::Acceptor& acceptor;
  const int descriptor;
};

}  // namespace

void HandOverConnection(ShardId to, io::Acceptor& acceptor, int descriptor) {
  Shard& shard = *Shard::Current();
  shard.group().PostSent();
  shard.mail().Send(to, *new TravellingConnection(acceptor, descriptor));
}

}  // namespace pelton
