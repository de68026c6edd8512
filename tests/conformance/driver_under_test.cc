#include "tests/conformance/driver_under_test.h"

#include <csignal>
#include <cstring>
#include <iostream>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace pelton::testing {
namespace {

struct Choice {
  bool uring = true;
  io::UringCapabilities capabilities;
};
Choice choice;

bool Obey(std::string_view argument) {
  constexpr std::string_view kWithout = "--without=";
  if (argument == "--driver=uring" || argument == "--driver=epoll") {
    choice.uring = argument == "--driver=uring";
    return true;
  }
  return argument.substr(0, kWithout.size()) == kWithout &&
         io::TurnOffCapabilities(argument.substr(kWithout.size()), choice.capabilities).ok();
}

}  // namespace

bool DriverUnderTest::Choose(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (Obey(argv[i])) continue;
    std::cerr << argv[0] << ": do not know " << argv[i]
              << "; give --driver=uring|epoll and --without=CAPABILITY of io_uring\n";
    return false;
  }
  return true;
}

bool DriverUnderTest::IsUring() { return choice.uring; }

absl::StatusOr<std::unique_ptr<DriverUnderTest>> DriverUnderTest::Create(io::Reactor& reactor) {
  if (choice.uring) {
    absl::StatusOr<std::unique_ptr<io::UringDriver>> driver = io::UringDriver::Create(reactor);
    if (!driver.ok()) return driver.status();
    return std::unique_ptr<DriverUnderTest>(new DriverUnderTest(*std::move(driver)));
  }
  absl::StatusOr<std::unique_ptr<io::EpollDriver>> driver = io::EpollDriver::Create(reactor);
  if (!driver.ok()) return driver.status();
  return std::unique_ptr<DriverUnderTest>(new DriverUnderTest(*std::move(driver)));
}

void DriverUnderTest::WakePeer(DriverUnderTest& peer) {
  std::visit(
      [&](auto& driver) {
        using Kind = std::remove_cvref_t<decltype(driver)>;
        driver->WakePeer(*std::get<Kind>(peer.driver_));
      },
      driver_);
}

void DriverTest::SetUp() {
  io::Reactor::Options options = options_;
  options.capabilities = choice.capabilities;
  harness_ = std::make_unique<Harness>(DriverUnderTest::Create, options);
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
  return RUN_ALL_TESTS();
}
