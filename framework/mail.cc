#include "framework/mail.h"

#include "framework/base/check.h"

namespace pelton {

MailExchange::MailExchange(uint32_t shards)
    : shards_(shards), sleepers_(std::make_unique<Sleeper[]>(shards)) {
  rings_.reserve(size_t{shards} * shards);
  for (uint32_t i = 0; i < shards * shards; ++i) rings_.push_back(std::make_unique<MailboxRing>());
}

Mail::Mail(MailExchange& exchange, ShardId self)
    : exchange_(exchange), self_(self), outboxes_(exchange.shards()) {
  dirty_.reserve(exchange.shards());
}

Mail::~Mail() {
  PELTON_CHECK(dirty_.empty()) << "shard " << self_ << " ends with messages that were not sent";
}

void Mail::FillRings() {
  for (uint32_t to : dirty_) {
    Outbox& outbox = outboxes_[to];
    MailboxRing& ring = exchange_.ring(self_.index(), to);
    while (MailNode* node = outbox.waiting.front()) {
      const Message message = {.deliver =
                                   [](void* argument) {
                                     MailNode* self = static_cast<MailNode*>(argument);
                                     self->deliver(self);
                                   },
                               .argument = node};
      if (!ring.TryPush(message)) break;
      outbox.waiting.PopFront();  // before Publish(): the receiver may reuse the node's link
    }
    ring.Publish();
    outbox.dirty = !outbox.waiting.empty();
  }
}

size_t Mail::Deliver() {
  size_t delivered = 0;
  for (uint32_t from = 0; from < exchange_.shards(); ++from) {
    MailboxRing& ring = exchange_.ring(from, self_.index());
    if (ring.Empty()) continue;
    delivered += ring.Drain([](const Message& message) { message.deliver(message.argument); });
  }
  return delivered;
}

bool Mail::HasArrivals() const {
  for (uint32_t from = 0; from < exchange_.shards(); ++from) {
    if (!exchange_.ring(from, self_.index()).Empty()) return true;
  }
  return false;
}

}  // namespace pelton
