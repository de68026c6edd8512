#include "io/chunk.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "io/reactor.h"

namespace pelton {
namespace {

using io::ChunkPool;
using io::Reactor;

std::vector<uint16_t> TakeAll(ChunkPool& pool) {
  std::vector<uint16_t> taken;
  for (uint16_t chunk; pool.TryTake(chunk);) taken.push_back(chunk);
  return taken;
}

TEST(ChunkPoolTest, HandsOutEachChunkOnce) {
  ChunkPool pool(100);
  EXPECT_EQ(pool.size(), 100u);
  EXPECT_EQ(pool.free(), 100u);
  const std::vector<uint16_t> taken = TakeAll(pool);
  EXPECT_EQ(std::set<uint16_t>(taken.begin(), taken.end()).size(), 100u);
  EXPECT_EQ(pool.free(), 0u);
  for (const uint16_t chunk : taken) pool.Release(chunk);
  EXPECT_EQ(pool.free(), 100u);
}

TEST(ChunkPoolTest, ReusesTheChunkThatWasReleasedLast) {
  ChunkPool pool(10);
  uint16_t first;
  uint16_t second;
  ASSERT_TRUE(pool.TryTake(first));
  ASSERT_TRUE(pool.TryTake(second));
  pool.Release(first);
  pool.Release(second);
  uint16_t next;
  ASSERT_TRUE(pool.TryTake(next));
  EXPECT_EQ(next, second);
  pool.Release(next);
}

TEST(ChunkPoolTest, ChunksDoNotOverlap) {
  ChunkPool pool(16);
  const std::vector<uint16_t> taken = TakeAll(pool);
  for (const uint16_t chunk : taken) {
    std::memset(pool.data(chunk), chunk, ChunkPool::kChunkBytes);
  }
  for (const uint16_t chunk : taken) {
    const std::string expected(ChunkPool::kChunkBytes, static_cast<char>(chunk));
    EXPECT_EQ(std::memcmp(pool.data(chunk), expected.data(), expected.size()), 0) << chunk;
    pool.Release(chunk);
  }
}

TEST(ChunkPoolTest, TakesTheLargestNumberThatAnIdCanName) {
  ChunkPool pool(32768);
  const std::vector<uint16_t> taken = TakeAll(pool);
  EXPECT_EQ(taken.size(), 32768u);
  pool.data(taken.back())[ChunkPool::kChunkBytes - 1] = 'x';
  for (const uint16_t chunk : taken) pool.Release(chunk);
}

TEST(ChunkPoolTest, WhatTheKernelWasProvidedWithIsAvailableAndNotFree) {
  ChunkPool pool(4);
  uint16_t chunk;
  ASSERT_TRUE(pool.TryTake(chunk));
  EXPECT_EQ(pool.available(), 3u);
  pool.CountProvided();
  EXPECT_EQ(pool.free(), 3u);
  EXPECT_EQ(pool.provided(), 1u);
  EXPECT_EQ(pool.available(), 4u);
  pool.CountReturned();
  EXPECT_EQ(pool.available(), 3u);
  pool.Release(chunk);
}

TEST(ChunkPoolDeathTest, RefusesSizesThatMakeNoSense) {
  EXPECT_DEATH(ChunkPool(0), "chunks=0");
  EXPECT_DEATH(ChunkPool(32769), "chunks=32769");
}

TEST(ChunkPoolDeathTest, OutlivesItsChunks) {
  EXPECT_DEATH(
      {
        ChunkPool pool(2);
        uint16_t chunk;
        pool.TryTake(chunk);
      },
      "1 chunks outlive the pool");
}

#ifndef NDEBUG
TEST(ChunkPoolDeathTest, NoticesAChunkTooMany) {
  ChunkPool pool(2);
  EXPECT_DEATH(pool.Release(0), "released twice");
}
#endif

class ChunkTest : public ::testing::Test {
 protected:
  ChunkTest() : previous_(Reactor::Exchange(&reactor_)) {}
  ~ChunkTest() override { Reactor::Exchange(previous_); }

  ChunkPool& pool() { return reactor_.chunks(); }
  // A chunk that holds `text`.
  Chunk Make(std::string_view text) {
    uint16_t id;
    EXPECT_TRUE(pool().TryTake(id));
    std::memcpy(pool().data(id), text.data(), text.size());
    return Chunk(pool(), id, {pool().data(id), text.size()});
  }

 private:
  Reactor reactor_{{.chunks = 8}};
  Reactor* const previous_;
};

TEST_F(ChunkTest, GivesItsBufferBackAtTheEnd) {
  {
    const Chunk chunk = Make("hello");
    EXPECT_EQ(chunk.text(), "hello");
    EXPECT_EQ(chunk.size(), 5u);
    EXPECT_FALSE(chunk.empty());
    EXPECT_EQ(pool().free(), 7u);
  }
  EXPECT_EQ(pool().free(), 8u);
}

TEST_F(ChunkTest, MovesItsBufferAlong) {
  Chunk first = Make("hello");
  Chunk second = std::move(first);
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second.text(), "hello");
  Chunk third = Make("other");
  EXPECT_EQ(pool().free(), 6u);
  third = std::move(second);
  EXPECT_EQ(third.text(), "hello");
  EXPECT_EQ(pool().free(), 7u) << "what was assigned to gave its own buffer back";
}

TEST_F(ChunkTest, AnEmptyOneHoldsNoBuffer) {
  Chunk chunk;
  EXPECT_TRUE(chunk.empty());
  EXPECT_EQ(chunk.text(), "");
  chunk = Make("x");
  chunk = Chunk();
  EXPECT_EQ(pool().free(), 8u);
}

TEST_F(ChunkTest, DropsAPrefixAndLetsItsBytesBeChanged) {
  Chunk chunk = Make("hello");
  chunk.RemovePrefix(1);
  EXPECT_EQ(chunk.text(), "ello");
  chunk.bytes()[0] = 'E';
  EXPECT_EQ(chunk.text(), "Ello");
  chunk.RemovePrefix(4);
  EXPECT_TRUE(chunk.empty());
}

using ChunkDeathTest = ChunkTest;

TEST_F(ChunkDeathTest, DropsNoMoreThanThereIs) {
  Chunk chunk = Make("hello");
  EXPECT_DEATH(chunk.RemovePrefix(6), "Check failed");
}

TEST_F(ChunkDeathTest, StaysOnItsShard) {
  EXPECT_DEATH(
      {
        Chunk chunk = Make("hello");
        Reactor::Exchange(nullptr);
        chunk = Chunk();
      },
      "destroyed on a shard that did not receive it");
}

}  // namespace
}  // namespace pelton
