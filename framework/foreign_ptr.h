// ForeignPtr<T>: owns an object that lives on another shard. Owned here, used there, freed there.
//
//   ForeignPtr<Index> index = co_await On(home, []() -> Task<ForeignPtr<Index>> { co_return MakeForeign<Index>(); });
//   size_t size = co_await index.Invoke([](Index& index) -> Task<size_t> { co_return index.size(); });
//
// Shard affinity: the pointer may move between shards; the object is touched on its home shard
// alone.
// Ownership: unique. Destroying the pointer sends the object home to be destroyed there; until then
// it counts as work of the service, so none is stranded when the service ends.
// Cost: creating and destroying it elsewhere: one small allocation and one message.

#ifndef PELTON_FRAMEWORK_FOREIGN_PTR_H_
#define PELTON_FRAMEWORK_FOREIGN_PTR_H_

#include <memory>
#include <utility>

#include "framework/base/check.h"
#include "framework/on.h"
#include "framework/shard.h"

namespace pelton {

template <typename T>
class ForeignPtr {
 public:
  // Owns nothing.
  ForeignPtr() = default;
  // Takes `object`, which lives on the current shard. REQUIRES: called on a shard.
  explicit ForeignPtr(std::unique_ptr<T> object)
      : home_(Shard::Current()->id()), parcel_(new Parcel{{}, std::move(object)}) {}
  ForeignPtr(ForeignPtr&& other) noexcept
      : home_(other.home_), parcel_(std::exchange(other.parcel_, nullptr)) {}
  // Sends what it owned home. REQUIRES: as for the destructor.
  ForeignPtr& operator=(ForeignPtr&& other) noexcept {
    ForeignPtr taken(std::move(other));
    std::swap(home_, taken.home_);
    std::swap(parcel_, taken.parcel_);
    return *this;
  }
  // REQUIRES: called on a shard.
  ~ForeignPtr() {
    if (parcel_ != nullptr) SendHome();
  }

  explicit operator bool() const { return parcel_ != nullptr; }
  // The shard on which the object lives.
  ShardId home() const { return home_; }

  // Runs `function(T&)`, which returns a Task<R>, on the object's home shard: awaitable, yields R.
  // The object must not be released meanwhile. REQUIRES: not empty.
  template <typename Function>
  [[nodiscard("co_await it")]] auto Invoke(Function function) {
    T* object = parcel_->object.get();
    return On(home_,
              [object, function = std::move(function)]() mutable { return function(*object); });
  }

  // The object itself. REQUIRES: called on its home shard (checked).
  T& operator*() const {
    PELTON_CHECK(Shard::Current()->id() == home_)
        << "an object of shard " << home_ << " was used on shard " << Shard::Current()->id();
    return *parcel_->object;
  }
  T* operator->() const { return &**this; }

 private:
  // The object with the message that takes it home, so that a destructor never has to allocate.
  struct Parcel : MailNode {
    Parcel(MailNode node, std::unique_ptr<T> owned) : MailNode(node), object(std::move(owned)) {}
    std::unique_ptr<T> object;
  };

  void SendHome() {
    Shard* shard = Shard::Current();
    PELTON_CHECK(shard != nullptr) << "a ForeignPtr was destroyed outside of a shard";
    if (shard->id() == home_) {
      delete parcel_;
      return;
    }
    parcel_->deliver = [](MailNode* node) {
      delete static_cast<Parcel*>(node);
      Shard::Current()->group().PostDelivered();
    };
    shard->group().PostSent();
    shard->mail().Send(home_, *parcel_);
  }

  ShardId home_ = ShardId(0);
  Parcel* parcel_ = nullptr;
};

// Makes a T on the current shard.
template <typename T, typename... Arguments>
ForeignPtr<T> MakeForeign(Arguments&&... arguments) {
  return ForeignPtr<T>(std::make_unique<T>(std::forward<Arguments>(arguments)...));
}

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_FOREIGN_PTR_H_
