// 1,000 children are spawned, fed and reaped, and none is left; on a driver of its own.
//
//   thousand_children_test --driver=uring|epoll

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/driver.h"
#include "io/epoll/epoll_driver.h"
#include "io/process/process.h"
#include "io/uring/uring_driver.h"
#include "sched/clock.h"
#include "sched/task_scope.h"
#include "tests/support/driver_harness.h"

namespace pelton::testing {
namespace {

bool on_uring = false;
constexpr int kChildren = 1000;

struct Outcome {
  int ended = 0;   // by themselves, with their number as code
  int killed = 0;  // as their Process was destroyed
};

// Children of this process that /proc shows, zombies as well.
int ChildrenInProc() {
  int children = 0;
  DIR* const proc = ::opendir("/proc");
  while (const dirent* entry = ::readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    std::ifstream file(absl::StrCat("/proc/", entry->d_name, "/stat"));
    std::string stat((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const size_t name_end = stat.rfind(") ");
    if (name_end == std::string::npos) continue;
    // The state, and the parent.
    const std::string parent =
        stat.substr(name_end + 4, stat.find(' ', name_end + 4) - name_end - 4);
    if (parent == std::to_string(::getpid())) ++children;
  }
  ::closedir(proc);
  return children;
}

int OpenDescriptors() {
  int open = 0;
  DIR* const folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++open;
  ::closedir(folder);
  return open;
}

// Gives a child a number and reads what it makes of it. Every tenth is left to its Process.
Task<absl::Status> UseChild(int number, Outcome& outcome) {
  Command command(
      "sh",
      {"-c",
       "read n; echo \"got $n\"; [ $((n % 10)) != 0 ] || exec sleep 1000; exit $((n % 200))"});
  command.input = command.output = ChildStream::Pipe();
  PELTON_CO_ASSIGN_OR_RETURN(Process child, co_await Process::Spawn(std::move(command)));
  const std::string text = absl::StrCat(number, "\n");
  PELTON_CO_RETURN_IF_ERROR(co_await child.input().Write(text));
  const std::string expected = absl::StrCat("got ", text);
  std::string reply(expected.size(), '\0');
  for (size_t filled = 0; filled < reply.size();) {
    PELTON_CO_ASSIGN_OR_RETURN(
        const size_t count,
        co_await child.output().ReadInto({reply.data() + filled, reply.size() - filled}));
    if (count == 0) co_return absl::DataLossError(absl::StrCat(child.name(), " said too little"));
    filled += count;
  }
  EXPECT_EQ(reply, expected);
  if (number % 10 == 0) {
    ++outcome.killed;
    co_return absl::OkStatus();
  }
  PELTON_CO_ASSIGN_OR_RETURN(const ExitStatus status, co_await child.Wait());
  EXPECT_EQ(status.signal, 0) << status.ToString();
  EXPECT_EQ(status.code, number % 200);
  ++outcome.ended;
  co_return absl::OkStatus();
}

Task<absl::Status> UseChildren(Outcome& outcome) {
  co_return co_await WithTaskScope(
      [&](TaskScope& scope) -> Task<absl::Status> {
        for (int number = 0; number < kChildren; ++number) {
          PELTON_CO_RETURN_IF_ERROR(co_await scope.WaitForRoom());
          scope.Spawn(UseChild(number, outcome));
        }
        co_return absl::OkStatus();
      },
      {.max_children = 16});
}

template <io::Driver D>
void UseChildrenOn() {
  DriverHarness<D> harness(D::Create);
  if (absl::IsPermissionDenied(harness.status()) || absl::IsUnimplemented(harness.status())) {
    GTEST_SKIP() << "io_uring is not to be had here: " << harness.status().message();
  }
  ASSERT_TRUE(harness.status().ok()) << harness.status();
  ASSERT_EQ(ChildrenInProc(), 0);
  const int descriptors = OpenDescriptors();
  const MonotonicClock clock;
  const Timestamp begin = clock.Now();
  Outcome outcome;
  TaskScope root(nullptr, {});
  absl::Status status;
  root.Spawn([&]() -> Task<void> { status = co_await UseChildren(outcome); });
  // The harness's patience is for short tests.
  for (int patience = 0; patience < 20 && root.live() + harness.reactor().in_flight() > 0;
       ++patience) {
    harness.TurnUntil([&] { return root.live() == 0 && harness.reactor().in_flight() == 0; });
  }
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(outcome.ended, kChildren / 10 * 9);
  EXPECT_EQ(outcome.killed, kChildren / 10);
  EXPECT_EQ(ChildrenInProc(), 0);
  siginfo_t info;
  EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_LE(OpenDescriptors(), descriptors) << "descriptors are left";
  std::cout << D::kName << ": " << kChildren << " children spawned, fed and reaped ("
            << outcome.ended << " waited for, " << outcome.killed
            << " killed by the end of their Process), none left; "
            << absl::ToDoubleMilliseconds(clock.Now() - begin) / kChildren << " ms each\n";
}

TEST(ThousandChildrenTest, AreSpawnedFedAndReapedAndNoneIsLeft) {
  if (on_uring) {
    UseChildrenOn<io::UringDriver>();
  } else {
    UseChildrenOn<io::EpollDriver>();
  }
}

}  // namespace
}  // namespace pelton::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const std::string_view driver = argc == 2 ? argv[1] : "";
  if (driver != "--driver=uring" && driver != "--driver=epoll") {
    std::cerr << argv[0] << ": expected --driver=uring or --driver=epoll\n";
    return 2;
  }
  pelton::testing::on_uring = driver == "--driver=uring";
  return RUN_ALL_TESTS();
}
