// A runtime that cannot be made for want of descriptors or threads. Not under sanitizers, which need
// some of their own.

#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "framework/base/check.h"
#include "framework/runtime.h"
#include "tests/framework/runtime_test_base.h"

namespace {

constexpr int kUnlimited = std::numeric_limits<int>::max();
// How many threads may still be started.
std::atomic<int> threads_left = kUnlimited;

}  // namespace

// Stands before the C library's, like a kernel that has no more threads to give.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*main)(void*), void* argument) {
  static const auto create =
      reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (threads_left.load() != kUnlimited && threads_left.fetch_sub(1) <= 0) return EAGAIN;
  return create(thread, attributes, main, argument);
}

namespace pelton {
namespace {

class RuntimeShortageTest : public testing::RuntimeTestBase {};

// Lets the process open `more` descriptors and not one more, while it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t more) {
    PELTON_CHECK(::getrlimit(RLIMIT_NOFILE, &previous_) == 0);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    PELTON_CHECK(next >= 0);
    ::close(next);
    rlimit limit = previous_;
    limit.rlim_cur = static_cast<rlim_t>(next) + more;
    PELTON_CHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &previous_); }

 private:
  rlimit previous_;
};

TEST_P(RuntimeShortageTest, WhenADriverCannotBeMadeNoServiceRuns) {
  std::atomic<int> runs = 0;
  int refused = 0;
  // With room for nothing, for the control thread's, for some of the shards', and so on.
  for (rlim_t more = 0; more < 6; ++more) {
    absl::Status status;
    runs = 0;
    {
      const DescriptorLimit limit(more);
      status = Run([&](Shard&) -> Task<absl::Status> {
        ++runs;
        co_return absl::OkStatus();
      });
    }
    if (status.ok()) {
      EXPECT_EQ(runs, 2);
      continue;
    }
    ++refused;
    EXPECT_EQ(runs, 0) << "a service ran though its runtime could not be made";
    EXPECT_NE(status.ToString().find("EMFILE"), std::string::npos) << status;
  }
  EXPECT_GE(refused, 3);
  EXPECT_TRUE(Run([](Shard&) -> Task<absl::Status> { co_return absl::OkStatus(); }).ok())
      << "and afterwards all is as before";
}

TEST_P(RuntimeShortageTest, WhenAThreadCannotBeStartedNoServiceRunsAndTheErrorSaysWhich) {
  std::atomic<int> runs = 0;
  const auto serve = [&](Shard&) -> Task<absl::Status> {
    ++runs;
    co_return absl::OkStatus();
  };
  // The first is the blocking pool's, the second that which watches for stalls and can be done
  // without, the others are the shards'.
  const char* const wanting[] = {"blocking pool", "shard 0: starting its thread",
                                 "shard 0: starting its thread", "shard 1: starting its thread"};
  for (int threads = 0; threads < 4; ++threads) {
    threads_left = threads;
    const absl::Status status = Run(serve);
    threads_left = kUnlimited;
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    for (const char* part : {wanting[threads], "EAGAIN", "ulimit -u"}) {
      EXPECT_NE(status.ToString().find(part), std::string::npos) << status;
    }
  }
  EXPECT_EQ(runs, 0) << "a service ran though its runtime could not be made";
  threads_left = 4;
  EXPECT_TRUE(Run(serve).ok()) << "four threads are enough";
  EXPECT_EQ(runs, 2);
  threads_left = kUnlimited;
}

INSTANTIATE_TEST_SUITE_P(Drivers, RuntimeShortageTest, testing::EachDriver(),
                         testing::NameOfDriver);

}  // namespace
}  // namespace pelton
