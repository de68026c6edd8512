#include "sched/blocking/stop_flag.h"

#include <gtest/gtest.h>

#include <thread>

namespace pelton {
namespace {

TEST(StopFlagTest, IsSeenOnAnotherThreadAndStays) {
  StopFlag flag;
  EXPECT_FALSE(flag.requested());
  std::thread watcher([&] {
    while (!flag.requested()) std::this_thread::yield();
  });
  flag.Request();
  watcher.join();
  flag.Request();
  EXPECT_TRUE(flag.requested());
}

}  // namespace
}  // namespace pelton
