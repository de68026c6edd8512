// The example of framework/testing/README.md: a value that is fetched when it is first asked for.

#include <string>

#include "framework/pelton.h"
#include "framework/testing/testing.h"

namespace {

using pelton::testing::IsOkAndHolds;
using pelton::testing::Lasts;
using pelton::testing::StatusIs;
using pelton::testing::Stopwatch;

// What is tested. Tasks that ask while it is fetched wait for the same fetch.
class CachedGreeting {
 public:
  pelton::Task<absl::StatusOr<std::string>> Get() {
    while (fetching_) PELTON_CO_RETURN_IF_ERROR(co_await pelton::SleepFor(kPause));
    if (text_.empty()) {
      fetching_ = true;
      const absl::Status fetched = co_await Fetch();
      fetching_ = false;
      PELTON_CO_RETURN_IF_ERROR(fetched);
    }
    co_return text_;
  }
  int fetches() const { return fetches_; }

 private:
  static constexpr absl::Duration kPause = absl::Milliseconds(10);

  pelton::Task<absl::Status> Fetch() {
    PELTON_CO_RETURN_IF_ERROR(co_await pelton::SleepFor(absl::Milliseconds(200)));
    ++fetches_;
    text_ = "hello";
    co_return absl::OkStatus();
  }

  std::string text_;
  bool fetching_ = false;
  int fetches_ = 0;
};

PELTON_TEST(CachedGreetingTest, FetchesOnce) {
  CachedGreeting greeting;
  const Stopwatch watch;
  EXPECT_THAT(co_await greeting.Get(), IsOkAndHolds("hello"));
  PELTON_CO_ASSERT_OK_AND_ASSIGN(const std::string again, co_await greeting.Get());
  EXPECT_EQ(again, "hello");
  EXPECT_EQ(greeting.fetches(), 1);
  EXPECT_THAT(watch.Elapsed(), Lasts(absl::Milliseconds(200)));  // virtual: no time is spent
}

// Under 200 orders of the tasks, and the one that is not shuffled.
PELTON_TEST(CachedGreetingTest, FetchesOnceForAll, .seeds = 200) {
  CachedGreeting greeting;
  pelton::TaskScope scope;
  for (int i = 0; i < 5; ++i) {
    scope.Spawn([&]() -> pelton::Task<void> {
      EXPECT_THAT(co_await greeting.Get(), IsOkAndHolds("hello"));
    });
  }
  PELTON_CO_ASSERT_OK(co_await scope.Join());
  EXPECT_EQ(greeting.fetches(), 1);
}

PELTON_TEST(CachedGreetingTest, TriesAgainWhenTheFirstCallerGaveUp) {
  CachedGreeting greeting;
  EXPECT_THAT(co_await pelton::WithTimeout(absl::Milliseconds(50), greeting.Get()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(greeting.fetches(), 0);
  EXPECT_THAT(co_await greeting.Get(), IsOkAndHolds("hello"));
}

}  // namespace
