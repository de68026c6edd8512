#include "sched/foreign_inbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "sched/sleep.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

struct Note : ForeignNode {
  int sender = 0;
  int number = 0;
  std::vector<std::vector<int>>* received = nullptr;
};

void Receive(ForeignNode* node) {
  Note& note = *static_cast<Note*>(node);
  (*note.received)[note.sender].push_back(note.number);
}

TEST(ForeignInboxTest, DeliversInTheOrderOfThePushes) {
  ForeignInbox inbox;
  EXPECT_TRUE(inbox.Empty());
  EXPECT_EQ(inbox.Deliver(), 0u);
  std::vector<std::vector<int>> received(1);
  std::vector<Note> notes(5);
  for (int i = 0; i < 5; ++i) {
    notes[i].deliver = &Receive;
    notes[i].number = i;
    notes[i].received = &received;
    inbox.Push(notes[i]);
  }
  EXPECT_FALSE(inbox.Empty());
  EXPECT_EQ(inbox.Deliver(), 5u);
  EXPECT_EQ(received[0], (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_TRUE(inbox.Empty());
}

TEST(ForeignInboxTest, DeliversEachNodeOfManyThreadsOnceAndInItsSendersOrder) {
  constexpr int kSenders = 4;
  constexpr int kNotes = 5'000;
  ForeignInbox inbox;
  std::vector<std::vector<int>> received(kSenders);
  std::vector<std::unique_ptr<Note[]>> notes;
  for (int i = 0; i < kSenders; ++i) notes.push_back(std::make_unique<Note[]>(kNotes));
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      for (int i = 0; i < kNotes; ++i) {
        Note& note = notes[sender][i];
        note.deliver = &Receive;
        note.sender = sender;
        note.number = i;
        note.received = &received;
        inbox.Push(note);
      }
    });
  }
  size_t delivered = 0;
  while (delivered < size_t{kSenders} * kNotes) delivered += inbox.Deliver();
  for (std::thread& sender : senders) sender.join();
  for (const std::vector<int>& numbers : received) {
    ASSERT_EQ(numbers.size(), size_t{kNotes});
    for (int i = 0; i < kNotes; ++i) ASSERT_EQ(numbers[i], i);
  }
}

TEST(ForeignInboxTest, ANodeMayBeDestroyedByItsDelivery) {
  ForeignInbox inbox;
  for (int i = 0; i < 3; ++i) {
    auto* note = new Note;
    note->deliver = [](ForeignNode* node) { delete static_cast<Note*>(node); };
    inbox.Push(*note);
  }
  EXPECT_EQ(inbox.Deliver(), 3u);
}

TEST(ForeignInboxTest, WakesTheShardOnlyWhenItSleeps) {
  ForeignInbox inbox;
  SleepFlag flag;
  int wakes = 0;
  inbox.SetWaker(&flag, [](void* count) { ++*static_cast<int*>(count); }, &wakes);
  std::vector<std::vector<int>> received(1);
  std::vector<Note> notes(3);
  for (Note& note : notes) {
    note.deliver = &Receive;
    note.received = &received;
  }
  inbox.Push(notes[0]);
  EXPECT_EQ(wakes, 0);
  flag.PrepareToSleep();
  inbox.Push(notes[1]);
  inbox.Push(notes[2]);
  EXPECT_EQ(wakes, 1) << "the first push has claimed the wake";
  EXPECT_EQ(inbox.Deliver(), 3u);
}

// Waits until another thread has pushed it.
class Arrival final : public ForeignNode, private Suspension {
 public:
  explicit Arrival(ForeignInbox& inbox) : inbox_(inbox) {
    deliver = [](ForeignNode* node) {
      Scheduler::Current()->EndExternal();
      static_cast<Arrival*>(node)->Resume();
    };
  }
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
    Scheduler::Current()->BeginExternal();
    thread_ = std::thread([this] { inbox_.Push(*this); });
  }
  void await_resume() { thread_.join(); }

 private:
  void Interrupt() override {}
  void Describe(std::ostream& out) const override { out << "a thread"; }

  ForeignInbox& inbox_;
  std::thread thread_;
};

TEST(ForeignInboxTest, TheVirtualClockWaitsForWorkOfOtherThreads) {
  TaskHarness harness;
  harness.scope().Spawn(
      []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); });
  harness.Run([](TaskHarness& harness) -> Task<void> {
    co_await Arrival(harness.scheduler().foreign_inbox());
    EXPECT_EQ(harness.now().nanoseconds(), 0);
  }(harness));
  EXPECT_EQ(harness.scheduler().external(), 0u);
  harness.RunUntilIdle();
}

TEST(ForeignInboxDeathTest, DiesWithUndeliveredWork) {
  EXPECT_DEATH(
      {
        Note note;
        ForeignInbox inbox;
        inbox.Push(note);
      },
      "undelivered foreign work");
}

}  // namespace
}  // namespace pelton
