// SteppedRuntime: runs all shards of a service on the calling thread, one turn at a time, in an
// order drawn from a seed and on a virtual clock. The tests' runtime: what happens is a function of
// the seed, and an hour passes in no time.
//
//   SteppedRuntime runtime({.shards = 3, .seed = 7});
//   EXPECT_TRUE(runtime.Run([](Shard& shard) -> Task<absl::Status> { ... }).ok());
//
// Time stands still while any shard has something to do; then it jumps to the next timer. A service
// that does real I/O (on loopback) is given a moment of real time to complete what is in flight
// before the clock jumps: such runs are not quite reproducible. Threads of RunBlocking() are waited
// for, ten seconds at most; other foreign threads are not, so start them inside of RunBlocking().
//
// Shard affinity: the constructing thread alone.

#ifndef PELTON_FRAMEWORK_STEPPED_RUNTIME_H_
#define PELTON_FRAMEWORK_STEPPED_RUNTIME_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "framework/shard.h"
#include "io/epoll/epoll_driver.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/clock.h"
#include "sched/random.h"

namespace pelton {

class SteppedRuntime {
 public:
  struct Options {
    uint32_t shards = 1;
    uint64_t seed = 1;
    // Real threads for RunBlocking(), made when it is used; time waits for them.
    BlockingPool::Options blocking = {.min_threads = 0};
    Shard::Options shard = {.scheduler = {}, .reactor = {.chunks = 64}};
  };

  SteppedRuntime() : SteppedRuntime(Options()) {}
  explicit SteppedRuntime(const Options& options);
  // REQUIRES: the service has ended, or was never started.
  ~SteppedRuntime();

  // Starts `serve` on every shard and steps until it has ended on all. Yields the first error. Dies
  // when nothing can ever happen any more (a deadlock), or when I/O is all that is left and nothing
  // comes of it for ten seconds.
  absl::Status Run(const ServeFunction& serve);

  // The same in pieces: start, then step while Step() returns true.
  void Start(const ServeFunction& serve);
  // Runs one turn of every shard, in a random order, and moves the time when all of them are idle.
  // Returns false when the service has ended, or can go no further (then ended() is false).
  // RequestStop() may let it go on.
  bool Step();
  bool ended() const { return ended_; }
  absl::Status status() { return group_.first_error(); }

  // Asks the shards to stop, as a signal does.
  void RequestStop(StopPhase phase) { group_.RequestStop(phase); }

  VirtualClock& clock() { return clock_; }
  Shard& shard(uint32_t index) { return *members_[index].shard; }

 private:
  struct Member {
    std::unique_ptr<Shard> shard;
    std::unique_ptr<io::EpollDriver> driver;
    bool finished = false;
  };

  void RunTurns();
  bool AnyWork() const;
  bool AwaitCompletions();
  bool AdvanceClock();

  VirtualClock clock_;
  std::unique_ptr<BlockingPool> blocking_pool_;
  ShardGroup group_;
  std::vector<Member> members_;
  std::vector<uint32_t> order_;
  Random random_;
  bool ended_ = false;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_STEPPED_RUNTIME_H_
