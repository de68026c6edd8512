#include "framework/shard_semaphore.h"

#include "framework/base/check.h"
#include "framework/shard.h"

namespace pelton {

ShardSemaphore::~ShardSemaphore() {
  framework_internal::CheckMayEnd("a ShardSemaphore", home_, line_);
  PELTON_CHECK(held_ == 0) << "a ShardSemaphore was destroyed while " << held_
                           << " of its permits are held, or on their way home";
}

ShardSemaphore::Permits ShardSemaphore::Permits::Split(uint64_t count) {
  PELTON_CHECK(count <= this->count()) << count << " permits split off " << this->count();
  if (count == 0) return Permits();
  Permits split(std::make_unique<Parcel>(parcel_->semaphore, count));
  parcel_->count -= count;
  return split;
}

uint64_t ShardSemaphore::available() const {
  framework_internal::CheckAtHome("a ShardSemaphore", home_);
  return available_;
}

void ShardSemaphore::SendHome(std::unique_ptr<Parcel> parcel) {
  Shard* const shard = Shard::Current();
  PELTON_CHECK(shard != nullptr) << "permits of a ShardSemaphore were destroyed outside of a shard";
  const ShardId home = parcel->semaphore->home_;
  if (shard->id() == home) return parcel->semaphore->TakeBack(parcel->count);
  parcel->deliver = [](MailNode* node) {
    const std::unique_ptr<Parcel> arrived(static_cast<Parcel*>(node));
    arrived->semaphore->TakeBack(arrived->count);
    Shard::Current()->group().PostDelivered();
  };
  shard->group().PostSent();
  shard->mail().Send(home, *parcel.release());
}

void ShardSemaphore::TakeBack(uint64_t count) {
  held_ -= count;
  available_ += count;
  GrantFromLine();
}

void ShardSemaphore::GrantFromLine() {
  while (auto* first = static_cast<AcquireAwaiter*>(line_.front())) {
    const uint64_t count = first->parcel_->count;
    if (count > available_) return;
    Take(count);
    line_.FinishFront();
  }
}

void ShardSemaphore::AcquireAwaiter::Describe(std::ostream& out) const {
  out << parcel_->count << " permits of a semaphore of shard " << home();
  if (at_home()) out << ", which has " << parcel_->semaphore->available_ << " available";
}

}  // namespace pelton
