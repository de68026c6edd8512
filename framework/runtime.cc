#include "framework/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <barrier>
#include <csignal>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "framework/internal/stop_control.h"
#include "framework/shard_loop.h"
#include "io/epoll/epoll_driver.h"
#include "io/uring/uring_driver.h"
#include "sched/blocking/blocking_pool.h"
#include "sched/clock.h"

namespace pelton {
namespace {

// Prints the one line by which tools and people find a service.
void AnnounceListener(void* driver_name, std::string_view address, uint32_t shards) {
  const std::string line = absl::StrCat("listening on ", ToAbsl(address), " shards=", shards,
                                        " driver=", static_cast<const char*>(driver_name), "\n");
  [[maybe_unused]] const ssize_t written = ::write(STDOUT_FILENO, line.data(), line.size());
}

void PinThread(const ShardPlacement& placement, uint32_t shard) {
  const std::string name = absl::StrCat("shard-", shard);
  ::pthread_setname_np(::pthread_self(), name.c_str());
  if (!placement.pins_threads) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(placement.cpu_of_shard[shard], &cpus);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof(cpus), &cpus);
  if (error != 0) {
    LogLine(absl::StrCat("shard ", shard, ": cannot pin to CPU ", placement.cpu_of_shard[shard],
                         ": ", ErrnoName(error), "; running unpinned"));
  }
}

absl::Status CannotStartThread(int error) {
  return absl::ResourceExhaustedError(absl::StrCat(
      "starting its thread failed: ", ErrnoName(error),
      ". To fix: raise the limit of threads (ulimit -u, the container's pids.max) or of memory, "
      "or pass a smaller --shards"));
}

// The threads of a service, all on one kind of driver.
template <io::Driver D>
class ShardThreads {
 public:
  ShardThreads(const Runtime::Options& options, const ServeFunction& serve)
      : options_(options),
        serve_(serve),
        shards_(static_cast<uint32_t>(options.placement.cpu_of_shard.size())),
        group_(shards_, &AnnounceListener, const_cast<char*>(D::kName)),
        drivers_(shards_),
        ready_(shards_ + 1),
        ended_(shards_ + 1) {}

  absl::Status Run() {
    PELTON_ASSIGN_OR_RETURN(std::unique_ptr<StopControl> control,
                            StopControl::Create(options_.grace_period, options_.give_up_after));
    control_ = control.get();
    PELTON_ASSIGN_OR_RETURN(std::unique_ptr<BlockingPool> pool,
                            BlockingPool::Create(options_.blocking));
    group_.SetBlockingPool(pool.get());
    std::optional<StallReporter> stalls;
    StartReporter(&stalls);
    std::vector<std::thread> threads = StartThreads();
    if (threads.empty()) return group_.first_error();
    ready_.arrive_and_wait();
    control->WaitUntilEnded(
        [this](StopPhase phase) {
          group_.RequestStop(phase);
          WakeAll();
        },
        [this] {
          group_.RequestDump();
          WakeAll();
        });
    // Its threads may be about to wake a shard.
    pool.reset();
    ended_.arrive_and_wait();
    stalls.reset();  // while the threads that it may signal are there
    for (std::thread& thread : threads) thread.join();
    return group_.first_error();
  }

  // Whether a shard got no driver. Then no service has run.
  bool driver_refused() const { return driver_refused_.load(); }

 private:
  // Watches the shards if that is wanted.
  void StartReporter(std::optional<StallReporter>* stalls) {
    if (options_.stall_threshold <= absl::ZeroDuration()) return;
    try {
      stalls->emplace(shards_, StallReporter::Options{.threshold = options_.stall_threshold});
      stalls_ = &**stalls;
    } catch (const std::system_error& error) {
      LogLine(absl::StrCat("stalls are not reported, as no thread can be started: ", error.what()));
    }
  }

  // Starts one thread for each shard. When the kernel refuses one, the group has failed, and those
  // that were started will find one driver missing.
  std::vector<std::thread> StartThreads() {
    std::vector<std::thread> threads;
    threads.reserve(shards_);
    try {
      for (uint32_t i = 0; i < shards_; ++i) threads.emplace_back([this, i] { RunOne(i); });
    } catch (const std::system_error& error) {
      group_.Fail(ShardId(static_cast<uint32_t>(threads.size())),
                  CannotStartThread(error.code().value()));
      for (size_t i = threads.size(); i < shards_; ++i) {
        running_.fetch_sub(1);
        ready_.arrive_and_drop();
        ended_.arrive_and_drop();
      }
    }
    return threads;
  }

  void RunOne(uint32_t index) {
    PinThread(options_.placement, index);
    const MonotonicClock clock;
    Shard::Options shard_options = options_.shard;
    shard_options.reactor.shard = ShardId(index);
    shard_options.reactor.listeners = &group_.listeners();
    shard_options.reactor.blocking_pool = &group_.blocking_pool();
    // Made by the thread that uses them: their memory is near it.
    Shard shard(group_, ShardId(index), clock, shard_options);
    absl::StatusOr<std::unique_ptr<D>> driver = D::Create(shard.reactor());
    if (driver.ok()) {
      drivers_[index] = driver->get();
      shard.scheduler().foreign_inbox().SetWaker(
          &shard.mail().sleep_flag(), [](void* own) { static_cast<D*>(own)->Wake(); },
          driver->get());
      const Shard::Binding binding(shard);
      shard.Start(serve_);
    } else {
      driver_refused_.store(true);
      group_.Fail(ShardId(index), driver.status());
    }
    // From here on every driver can be woken.
    ready_.arrive_and_wait();
    if (AllDriversReady()) {
      const int64_t spin_ns =
          options_.placement.shares_cpu ? 0 : absl::ToInt64Nanoseconds(options_.spin);
      D& own = **driver;
      if (stalls_ != nullptr) {
        shard.set_stall_detector(&stalls_->Attach(shard.id(), shard.scheduler()));
      }
      RunShard(
          shard, own, spin_ns, [this, &own](uint32_t to) { own.WakePeer(*drivers_[to]); },
          [this] { OnChange(); });
      if (stalls_ != nullptr) {
        shard.set_stall_detector(nullptr);
        stalls_->Detach(shard.id());
      }
    } else if (driver.ok()) {
      shard.Abort();
    }
    shard.CloseHandles();
    if (running_.fetch_sub(1) == 1) control_->ShardsEnded();
    // A shard may be woken until all have ended, and by the control thread.
    ended_.arrive_and_wait();
  }

  // A shard has come nearer to its end, perhaps by an error, which has cancelled everything.
  void OnChange() {
    WakeAll();
    if (group_.requested_stop() == StopPhase::kEverything) control_->EverythingCancelled();
  }

  bool AllDriversReady() const {
    for (const D* driver : drivers_) {
      if (driver == nullptr) return false;
    }
    return true;
  }

  void WakeAll() {
    SleepFlag::FullBarrier();
    for (uint32_t i = 0; i < shards_; ++i) {
      if (group_.exchange().sleep_flag(i).ClaimWake()) drivers_[i]->Wake();
    }
  }

  const Runtime::Options& options_;
  const ServeFunction& serve_;
  const uint32_t shards_;
  ShardGroup group_;
  StopControl* control_ = nullptr;
  StallReporter* stalls_ = nullptr;  // null: nobody watches
  std::vector<D*> drivers_;          // written before ready_, read between it and ended_
  // Of the shards' threads and the control thread, which wakes shards as well.
  std::barrier<> ready_;
  std::barrier<> ended_;
  std::atomic<uint32_t> running_{shards_};
  std::atomic<bool> driver_refused_{false};
};

// Whether io_uring works here at all.
absl::Status TryUring() { return io::Ring::Create(io::Ring::kFewestEntries).status(); }

void SayWhyEpoll(const absl::Status& status) {
  LogLine(absl::StrCat(status.message(), ". Using epoll. To silence this, pass --driver=epoll."));
}

}  // namespace

absl::Status Runtime::Run(const ServeFunction& serve) {
  PELTON_CHECK(!options_.placement.cpu_of_shard.empty()) << "a runtime without shards";
  const bool may_fall_back = options_.driver == DriverChoice::kAuto;
  if (options_.driver != DriverChoice::kEpoll) {
    absl::Status status = TryUring();
    if (status.ok()) {
      ShardThreads<io::UringDriver> threads(options_, serve);
      status = threads.Run();
      // That one ring is to be had does not say that all shards get theirs.
      if (!threads.driver_refused()) return status;
    }
    if (!may_fall_back) return status;
    SayWhyEpoll(status);
  }
  return ShardThreads<io::EpollDriver>(options_, serve).Run();
}

}  // namespace pelton
