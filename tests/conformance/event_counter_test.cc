#include "io/watch/event_counter.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "framework/base/status.h"
#include "io/process/process.h"
#include "sched/deadline.h"
#include "tests/conformance/process_test.h"

namespace pelton::testing {
namespace {

class EventCounterTest : public CoroutineTest {};

TEST_F(EventCounterTest, AddsUpWhatWasPosted) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(EventCounter events, EventCounter::Create());
    PELTON_CO_ASSIGN_OR_RETURN(const EventPoster poster, events.MakePoster());
    PELTON_CO_RETURN_IF_ERROR(poster.Post());
    PELTON_CO_RETURN_IF_ERROR(poster.Post(41));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t posts, co_await events.Await());
    EXPECT_EQ(posts, 42u);
    const auto none = co_await WithTimeout(absl::Milliseconds(5), events.Await());
    EXPECT_TRUE(absl::IsDeadlineExceeded(none.status())) << none.status();
    co_return absl::OkStatus();
  });
}

TEST_F(EventCounterTest, NoPostOfAThreadIsLostAlsoWhenAwaitsAreCancelled) {
  constexpr int kThreads = 3;
  constexpr uint64_t kPosts = 2000;
  std::vector<std::thread> threads;
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(EventCounter events, EventCounter::Create());
    for (int i = 0; i < kThreads; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(EventPoster poster, events.MakePoster());
      threads.emplace_back([poster = std::move(poster)] {
        for (uint64_t post = 0; post < kPosts; ++post) PELTON_CHECK(poster.Post().ok());
      });
    }
    uint64_t sum = 0;
    for (int64_t round = 0; sum < kThreads * kPosts; ++round) {
      const auto posts = co_await WithTimeout(absl::Microseconds(1 + round % 50), events.Await());
      if (posts.ok()) sum += *posts;
      if (!posts.ok()) EXPECT_TRUE(absl::IsDeadlineExceeded(posts.status())) << posts.status();
    }
    EXPECT_EQ(sum, kThreads * kPosts);
    co_return absl::OkStatus();
  });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(EventCounterTest, AnotherProcessPostsByTheDescriptor) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(EventCounter events, EventCounter::Create());
    PELTON_CO_ASSIGN_OR_RETURN(const EventPoster poster, events.MakePoster());
    Command command("sh", {"-c", "printf '\\007\\000\\000\\000\\000\\000\\000\\000' >&9"});
    command.descriptors = {{.ours = poster.descriptor(), .theirs = 9}};
    PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(command));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t posts, co_await events.Await());
    EXPECT_EQ(posts, 7u);
    PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
    EXPECT_TRUE(status.ok()) << status.ToString();
    co_return absl::OkStatus();
  });
}

TEST_F(EventCounterTest, AFullCounterRefuses) {
  Run([]() -> Task<absl::Status> {
    constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max() - 1;
    PELTON_CO_ASSIGN_OR_RETURN(EventCounter events, EventCounter::Create());
    PELTON_CO_ASSIGN_OR_RETURN(const EventPoster poster, events.MakePoster());
    EXPECT_TRUE(absl::IsInvalidArgument(poster.Post(0)));
    EXPECT_TRUE(absl::IsInvalidArgument(poster.Post(kMost + 1)));
    PELTON_CO_RETURN_IF_ERROR(poster.Post(kMost));
    EXPECT_TRUE(absl::IsResourceExhausted(poster.Post()));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t posts, co_await events.Await());
    EXPECT_EQ(posts, kMost);
    co_return poster.Post();
  });
}

TEST_F(EventCounterTest, APosterMayOutliveTheCounter) {
  Run([]() -> Task<absl::Status> {
    absl::StatusOr<EventCounter> events = EventCounter::Create();
    PELTON_CO_RETURN_IF_ERROR(events);
    PELTON_CO_ASSIGN_OR_RETURN(const EventPoster poster, events->MakePoster());
    events = absl::CancelledError();
    co_return poster.Post();
  });
}

}  // namespace
}  // namespace pelton::testing
