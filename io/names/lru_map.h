// A map of bounded size that forgets what was used least recently.
//
//   LruMap<std::string, int> map(/*most_entries=*/2);
//   map.Put("a", 1);
//   if (int* value = map.Find("a")) ...
//
// Shard affinity: none of its own; one thread at a time.
// Ownership: owns keys and values; a pointer to a value is good until the next Put(), Erase() or
// Clear().
// Cost: O(1) each; Put() allocates.

#ifndef PELTON_IO_NAMES_LRU_MAP_H_
#define PELTON_IO_NAMES_LRU_MAP_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "framework/base/check.h"
#include "framework/base/intrusive_list.h"

namespace pelton::io {

template <typename Key, typename Value>
class LruMap {
 public:
  explicit LruMap(size_t most_entries) : most_entries_(most_entries) {}
  ~LruMap() { Clear(); }

  // The value of `key`, which counts as used now; null when there is none.
  Value* Find(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    Entry& entry = *found->second;
    entry.Unlink();
    by_use_.PushBack(entry);
    return &entry.value;
  }

  // Sets the value of `key`; forgets another one when the map is full. A map of no entries stays
  // empty.
  void Put(const Key& key, Value value) {
    if (Value* old = Find(key)) {
      *old = std::move(value);
      return;
    }
    if (most_entries_ == 0) return;
    if (entries_.size() >= most_entries_) {
      ++evictions_;
      Erase(Key(by_use_.front()->key));
    }
    auto entry = std::make_unique<Entry>(key, std::move(value));
    by_use_.PushBack(*entry);
    entries_.emplace(key, std::move(entry));
  }

  // Forgets `key`, when it is here.
  void Erase(const Key& key) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    found->second->Unlink();
    entries_.erase(found);
  }

  void Clear() {
    while (by_use_.PopFront() != nullptr) {
    }
    entries_.clear();
  }

  size_t size() const { return entries_.size(); }
  // How many were forgotten because the map was full.
  uint64_t evictions() const { return evictions_; }

 private:
  struct Entry : ListHook<Entry> {
    Entry(const Key& the_key, Value the_value) : key(the_key), value(std::move(the_value)) {}
    const Key key;
    Value value;
  };

  const size_t most_entries_;
  uint64_t evictions_ = 0;
  absl::flat_hash_map<Key, std::unique_ptr<Entry>> entries_;
  IntrusiveList<Entry> by_use_;  // the least recently used first
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_LRU_MAP_H_
