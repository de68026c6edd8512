// Containers whose links live in the elements: they never allocate, and an element removes itself
// in O(1).
//
// Shard affinity: none; an instance belongs to whoever uses it, one thread at a time.
// Ownership: a container owns nothing; an element must leave before it dies (checked).
// Invariants: 1. an element is in at most one container per hook; 2. an unlinked hook has null
// links.
// Cost: O(1) each, no allocation.
//
//   struct Child : ListHook<Child> {};
//   IntrusiveList<Child> children;
//   children.PushBack(child);
//   child.Unlink();

#ifndef PELTON_FRAMEWORK_BASE_INTRUSIVE_LIST_H_
#define PELTON_FRAMEWORK_BASE_INTRUSIVE_LIST_H_

#include <cstddef>
#include <utility>

#include "framework/base/check.h"

namespace pelton {

template <typename T>
class IntrusiveList;

// The links of an element of a doubly linked IntrusiveList<T>; T derives from ListHook<T>.
template <typename T>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { PELTON_DCHECK(!linked()) << "an element was destroyed inside a list"; }

  // Whether this element is in a list.
  bool linked() const { return next_ != nullptr; }

  // Takes this element out of its list. REQUIRES: linked().
  void Unlink() {
    PELTON_DCHECK(linked());
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
  }

 private:
  friend class IntrusiveList<T>;
  ListHook* next_ = nullptr;
  ListHook* previous_ = nullptr;
};

// A doubly linked list. Iterating while the current element leaves is safe through ForEach.
template <typename T>
class IntrusiveList {
 public:
  IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    PELTON_DCHECK(empty()) << "a list was destroyed with elements in it";
    head_.next_ = head_.previous_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }

  // REQUIRES: the element is in no list.
  void PushBack(T& element) {
    ListHook<T>& hook = element;
    PELTON_DCHECK(!hook.linked());
    hook.previous_ = head_.previous_;
    hook.next_ = &head_;
    head_.previous_->next_ = &hook;
    head_.previous_ = &hook;
  }

  // The first element, or null.
  T* front() { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  const T* front() const { return empty() ? nullptr : static_cast<const T*>(head_.next_); }

  // Takes the first element out and returns it; null when the list is empty.
  T* PopFront() {
    T* first = front();
    if (first != nullptr) static_cast<ListHook<T>*>(first)->Unlink();
    return first;
  }

  // The element after `element`, or null.
  T* Next(T& element) {
    ListHook<T>* next = static_cast<ListHook<T>&>(element).next_;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }
  const T* Next(const T& element) const {
    const ListHook<T>* next = static_cast<const ListHook<T>&>(element).next_;
    return next == &head_ ? nullptr : static_cast<const T*>(next);
  }

  // Calls f(T&) for each element in order; f may unlink the element that it is given, no other.
  template <typename F>
  void ForEach(F&& f) {
    for (ListHook<T>* hook = head_.next_; hook != &head_;) {
      ListHook<T>* next = hook->next_;
      f(*static_cast<T*>(hook));
      hook = next;
    }
  }

 private:
  ListHook<T> head_;
};

// A singly linked first-in first-out queue through the member pointer `Next`. An element costs one
// word.
template <typename T, T* T::* Next>
class IntrusiveQueue {
 public:
  IntrusiveQueue() = default;
  IntrusiveQueue(const IntrusiveQueue&) = delete;
  IntrusiveQueue& operator=(const IntrusiveQueue&) = delete;

  bool empty() const { return head_ == nullptr; }
  T* front() const { return head_; }

  void PushBack(T& element) {
    element.*Next = nullptr;
    if (head_ == nullptr) {
      head_ = &element;
    } else {
      tail_->*Next = &element;
    }
    tail_ = &element;
  }

  // Takes the first element out and returns it; null when the queue is empty.
  T* PopFront() {
    T* first = head_;
    if (first != nullptr) head_ = first->*Next;
    return first;
  }

  // Takes the element out that stands `index` places behind the first; null when the queue is empty.
  // REQUIRES: index is below the length. COST: linear in index.
  T* PopAt(size_t index) {
    T* previous = nullptr;
    T* at = head_;
    for (; index > 0; --index) {
      previous = at;
      at = at->*Next;
    }
    if (previous == nullptr) return PopFront();
    previous->*Next = at->*Next;
    if (tail_ == at) tail_ = previous;
    return at;
  }

  // Takes `element` out, wherever it stands. Returns whether it was here. COST: linear; for rare
  // paths.
  bool Remove(T& element) {
    T* previous = nullptr;
    for (T* at = head_; at != nullptr; previous = at, at = at->*Next) {
      if (at != &element) continue;
      (previous == nullptr ? head_ : previous->*Next) = at->*Next;
      if (tail_ == at) tail_ = previous;
      return true;
    }
    return false;
  }

  // Moves everything out of `other`, in order, behind what is here.
  void Append(IntrusiveQueue& other) {
    if (other.empty()) return;
    if (empty()) {
      head_ = other.head_;
    } else {
      tail_->*Next = other.head_;
    }
    tail_ = other.tail_;
    other.head_ = nullptr;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;  // meaningful only when head_ is set
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_INTRUSIVE_LIST_H_
