// A first-in first-out buffer of fixed capacity.
//
// Shard affinity: none; one thread at a time.
// Ownership: owns its elements; destroys those that are left.
// Cost: one allocation when it is made (none for a capacity of 0); O(1) each.

#ifndef PELTON_SCHED_SYNC_INTERNAL_BOUNDED_RING_H_
#define PELTON_SCHED_SYNC_INTERNAL_BOUNDED_RING_H_

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include "framework/base/check.h"

namespace pelton::sched_internal {

template <typename T>
class BoundedRing {
  static_assert(
      std::is_nothrow_move_constructible_v<T>,
      "values are handed on while tasks are woken, which an exception must not interrupt");

 public:
  explicit BoundedRing(size_t capacity)
      : slots_(capacity == 0 ? nullptr : std::allocator<T>().allocate(capacity)),
        capacity_(capacity) {}
  ~BoundedRing() {
    while (!empty()) PopFront();
    if (slots_ != nullptr) std::allocator<T>().deallocate(slots_, capacity_);
  }
  BoundedRing(const BoundedRing&) = delete;
  BoundedRing& operator=(const BoundedRing&) = delete;

  size_t capacity() const { return capacity_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == capacity_; }

  // REQUIRES: !full().
  void PushBack(T&& value) {
    PELTON_DCHECK(!full());
    std::construct_at(slots_ + Index(size_), std::move(value));
    ++size_;
  }
  // The element that entered `position` after the first. REQUIRES: position < size().
  T& operator[](size_t position) {
    PELTON_DCHECK(position < size_);
    return slots_[Index(position)];
  }
  T& front() { return (*this)[0]; }
  // Destroys the first element. REQUIRES: !empty().
  void PopFront() {
    std::destroy_at(&front());
    first_ = Index(1);
    --size_;
  }

 private:
  size_t Index(size_t position) const {
    const size_t index = first_ + position;
    return index >= capacity_ ? index - capacity_ : index;
  }

  T* const slots_;
  const size_t capacity_;
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_SYNC_INTERNAL_BOUNDED_RING_H_
