#include <benchmark/benchmark.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "sched/mailbox.h"

namespace pelton {
namespace {

void Nothing(void*) {}

// Runs the calling thread on one CPU while it lives. Where that is refused the figures are worth
// less.
class Pinned {
 public:
  explicit Pinned(int cpu) {
    sched_getaffinity(0, sizeof(previous_), &previous_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof(one), &one);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { sched_setaffinity(0, sizeof(previous_), &previous_); }

 private:
  cpu_set_t previous_;
};

// Waits as a spinning shard does, and leaves the CPU after a while, should it be the only one.
class Spin {
 public:
  void Again() {
    if (++spins_ % 65536 == 0) std::this_thread::yield();
  }

 private:
  uint32_t spins_ = 0;
};

// One way, core 0 to core 1, in batches: the sender publishes each, the receiver spins. Items are
// messages received.
void BM_Mailbox_OneWay(benchmark::State& state) {
  const int batch = static_cast<int>(state.range(0));
  const auto ring = std::make_unique<MailboxRing>();
  std::atomic<bool> stop = false;
  std::thread receiver([&] {
    Pinned pinned(1);
    Spin spin;
    while (!stop.load(std::memory_order_relaxed) || !ring->Empty()) {
      const size_t count = ring->Drain([](Message message) { message.deliver(message.argument); });
      if (count == 0) spin.Again();
    }
  });
  Pinned pinned(0);
  Spin spin;
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) {
      while (!ring->TryPush({&Nothing, nullptr})) spin.Again();
    }
    ring->Publish();
  }
  stop.store(true);
  receiver.join();
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(BM_Mailbox_OneWay)->Arg(1)->Arg(4)->Arg(16)->Arg(64)->UseRealTime();

// There and back between two spinning cores: one message in flight.
void BM_Mailbox_RoundTrip(benchmark::State& state) {
  const auto there = std::make_unique<MailboxRing>();
  const auto back = std::make_unique<MailboxRing>();
  std::atomic<bool> stop = false;
  std::thread other([&] {
    Pinned pinned(1);
    Spin spin;
    while (!stop.load(std::memory_order_relaxed)) {
      const size_t count = there->Drain([&](Message message) { (void)back->TryPush(message); });
      if (count == 0) {
        spin.Again();
      } else {
        back->Publish();
      }
    }
  });
  Pinned pinned(0);
  Spin spin;
  for (auto _ : state) {
    (void)there->TryPush({&Nothing, nullptr});
    there->Publish();
    while (back->Drain([](Message) {}) == 0) spin.Again();
  }
  stop.store(true);
  other.join();
}
BENCHMARK(BM_Mailbox_RoundTrip)->UseRealTime();

// What the instructions cost without the cores' traffic: both ends on one thread.
void BM_Mailbox_PushThenDrainOnOneCore(benchmark::State& state) {
  const int batch = static_cast<int>(state.range(0));
  const auto ring = std::make_unique<MailboxRing>();
  for (auto _ : state) {
    for (int i = 0; i < batch; ++i) (void)ring->TryPush({&Nothing, nullptr});
    ring->Publish();
    ring->Drain([](Message message) { message.deliver(message.argument); });
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(BM_Mailbox_PushThenDrainOnOneCore)->Arg(1)->Arg(16)->Arg(64);

// What a turn pays for looking at the inboxes when nothing came.
void BM_Mailbox_LookAtEmptyInboxes(benchmark::State& state) {
  std::vector<std::unique_ptr<MailboxRing>> inboxes(state.range(0));
  for (auto& inbox : inboxes) inbox = std::make_unique<MailboxRing>();
  for (auto _ : state) {
    size_t count = 0;
    for (auto& inbox : inboxes) count += inbox->Drain([](Message) {});
    benchmark::DoNotOptimize(count);
  }
}
BENCHMARK(BM_Mailbox_LookAtEmptyInboxes)->Arg(1)->Arg(64);

// A sender's order: write, barrier, look.
void BM_SleepFlag_FullBarrier(benchmark::State& state) {
  std::atomic<uint32_t> written = 0;
  for (auto _ : state) {
    written.store(1, std::memory_order_relaxed);
    SleepFlag::FullBarrier();
    benchmark::DoNotOptimize(written.load(std::memory_order_relaxed));
  }
}
BENCHMARK(BM_SleepFlag_FullBarrier);

// What FullBarrier stands in for.
void BM_SleepFlag_PortableFence(benchmark::State& state) {
  std::atomic<uint32_t> written = 0;
  for (auto _ : state) {
    written.store(1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    benchmark::DoNotOptimize(written.load(std::memory_order_relaxed));
  }
}
BENCHMARK(BM_SleepFlag_PortableFence);

void BM_SleepFlag_ClaimWakeOfOneThatIsAwake(benchmark::State& state) {
  SleepFlag flag;
  for (auto _ : state) benchmark::DoNotOptimize(flag.ClaimWake());
}
BENCHMARK(BM_SleepFlag_ClaimWakeOfOneThatIsAwake);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
