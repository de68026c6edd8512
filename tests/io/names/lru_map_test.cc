#include "io/names/lru_map.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton::io {
namespace {

TEST(LruMapTest, ForgetsWhatWasUsedLeastRecently) {
  LruMap<std::string, int> map(2);
  map.Put("a", 1);
  map.Put("b", 2);
  ASSERT_NE(map.Find("a"), nullptr);
  map.Put("c", 3);
  EXPECT_EQ(map.Find("b"), nullptr);
  EXPECT_EQ(*map.Find("a"), 1);
  EXPECT_EQ(*map.Find("c"), 3);
  EXPECT_EQ(map.size(), 2u);
  EXPECT_EQ(map.evictions(), 1u);
}

TEST(LruMapTest, PutReplacesAndErases) {
  LruMap<std::string, int> map(2);
  map.Put("a", 1);
  map.Put("a", 2);
  EXPECT_EQ(*map.Find("a"), 2);
  EXPECT_EQ(map.size(), 1u);
  map.Erase("a");
  map.Erase("a");
  EXPECT_EQ(map.Find("a"), nullptr);
  map.Put("a", 3);
  map.Clear();
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.evictions(), 0u);
}

TEST(LruMapTest, AMapOfNoEntriesStaysEmpty) {
  LruMap<int, int> map(0);
  map.Put(1, 1);
  EXPECT_EQ(map.Find(1), nullptr);
}

}  // namespace
}  // namespace pelton::io
