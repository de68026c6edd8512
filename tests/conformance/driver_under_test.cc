#include "tests/conformance/driver_under_test.h"

#include <poll.h>

#include <csignal>
#include <cstring>
#include <iostream>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "tests/conformance/fault_run.h"

namespace pelton::testing {
namespace {

struct Choice {
  bool uring = true;
  io::UringCapabilities capabilities;
  std::optional<io::FaultOptions> faults;
};
Choice choice;

bool Obey(std::string_view argument) {
  constexpr std::string_view kWithout = "--without=";
  if (argument == "--driver=uring" || argument == "--driver=epoll") {
    choice.uring = argument == "--driver=uring";
    return true;
  }
  if (FaultRun::Obey(argument)) return true;
  return argument.substr(0, kWithout.size()) == kWithout &&
         io::TurnOffCapabilities(argument.substr(kWithout.size()), choice.capabilities).ok();
}

io::FaultOptions OptionsOf(FaultProfile profile, uint64_t seed) {
  io::FaultOptions options = profile == FaultProfile::kTiming ? io::FaultOptions::Timing()
                             : profile == FaultProfile::kTransparent
                                 ? io::FaultOptions::Transparent()
                                 : io::FaultOptions::Visible();
  options.seed = seed;
  return options;
}

template <typename D>
absl::StatusOr<AnyDriver> Make(io::Reactor& reactor) {
  if (choice.faults.has_value()) return io::FaultDriver<D>::Create(reactor, *choice.faults);
  return D::Create(reactor);
}

}  // namespace

bool DriverUnderTest::Choose(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (Obey(argv[i])) continue;
    std::cerr << argv[0] << ": do not know " << argv[i]
              << "; give --driver=uring|epoll, --without=CAPABILITY of io_uring and "
                 "--faults=SEED-SEED\n";
    return false;
  }
  return true;
}

bool DriverUnderTest::IsUring() { return choice.uring; }

const io::UringCapabilities& DriverUnderTest::capabilities() { return choice.capabilities; }

absl::StatusOr<std::unique_ptr<DriverUnderTest>> DriverUnderTest::Create(io::Reactor& reactor) {
  absl::StatusOr<AnyDriver> driver =
      choice.uring ? Make<io::UringDriver>(reactor) : Make<io::EpollDriver>(reactor);
  if (!driver.ok()) return driver.status();
  return std::unique_ptr<DriverUnderTest>(new DriverUnderTest(*std::move(driver)));
}

void DriverUnderTest::SetFaults(const std::optional<io::FaultOptions>& faults) {
  choice.faults = faults;
}

io::FaultStatistics DriverUnderTest::fault_statistics() const {
  return std::visit(
      [](const auto& driver) {
        if constexpr (requires { driver->statistics(); }) return driver->statistics();
        return io::FaultStatistics();
      },
      driver_);
}

void DriverUnderTest::WakePeer(DriverUnderTest& peer) {
  std::visit(
      [&](auto& driver) {
        using Kind = std::remove_cvref_t<decltype(driver)>;
        driver->WakePeer(*std::get<Kind>(peer.driver_));
      },
      driver_);
}

FaultProfile DriverTest::profile() const {
  if (profile_.has_value()) return *profile_;
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  std::string_view name = test.test_suite_name();
  name.remove_prefix(name.find('/') + 1);  // of a test with parameters
  return name.substr(0, 6) == "Driver" ? FaultProfile::kTiming : FaultProfile::kTransparent;
}

void DriverTest::SetUp() {
  if (FaultRun::IsOn() || profile() == FaultProfile::kVisible) {
    DriverUnderTest::SetFaults(OptionsOf(profile(), FaultRun::seed()));
  } else {
    DriverUnderTest::SetFaults(std::nullopt);
  }
  io::Reactor::Options options = options_;
  options.capabilities = choice.capabilities;
  harness_ = std::make_unique<Harness>(DriverUnderTest::Create, options);
  // All tests of a user share one limit of locked memory, and the kernel gives back that of a ring
  // some time after its end, which it tells nobody.
  for (int attempt = 0; attempt < 1000 && absl::IsResourceExhausted(harness_->status());
       ++attempt) {
    harness_.reset();
    ::poll(nullptr, 0, 10);
    harness_ = std::make_unique<Harness>(DriverUnderTest::Create, options);
  }
  const absl::Status& status = harness_->status();
  const bool refused = absl::IsPermissionDenied(status) || absl::IsUnimplemented(status);
  if (DriverUnderTest::IsUring() && refused) {
    harness_.reset();
    GTEST_SKIP() << "io_uring is not to be had here: " << status.message();
  }
  ASSERT_TRUE(status.ok()) << status;
}

void DriverTest::TearDown() {
  if (harness_ == nullptr) return;
  EXPECT_TRUE(harness_->TurnUntil([&] { return reactor().in_flight() == 0; }))
      << reactor().in_flight() << " operations are in flight after the test";
  EXPECT_EQ(reactor().chunks().available(), reactor().chunks().size()) << "a chunk was lost";
  FaultRun::Count(driver().fault_statistics());
}

void DriverTest::Close(Descriptor descriptor) {
  RecordedOperation close(io::OperationKind::kClose, descriptor.Release());
  reactor().Start(close);
  EXPECT_TRUE(harness_->TurnUntil([&] { return close.done(); }));
  EXPECT_EQ(close.result(), 0);
}

void RecordedOperation::OnCompletion(const io::Completion& completion) {
  completions_.push_back(completion);
  if (completion.more) {
    EXPECT_TRUE(multishot) << "a single-shot operation has one completion";
    return;
  }
  EXPECT_TRUE(idle()) << "the final completion finds the operation idle";
  ++finals_;
}

}  // namespace pelton::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (!pelton::testing::DriverUnderTest::Choose(argc, argv)) return 2;
  return pelton::testing::FaultRun::IsOn() ? pelton::testing::FaultRun::RunAllTests(argc, argv)
                                           : RUN_ALL_TESTS();
}
