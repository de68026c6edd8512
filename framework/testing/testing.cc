#include "framework/testing/testing.h"

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "framework/testing/internal/crash_note.h"
#include "framework/testing/internal/seeds.h"
#include "framework/testing/internal/test_run.h"

namespace pelton::testing_internal {
namespace {

using testing::TestOptions;
using testing::TestRuntime;

// Calls what GoogleTest calls for the objects that it makes itself.
struct Fixture : ::testing::Test {
  static void CallSetUp(::testing::Test& test) { (test.*(&Fixture::SetUp))(); }
  static void CallTearDown(::testing::Test& test) { (test.*(&Fixture::TearDown))(); }
};

const absl::StatusOr<SeedRequest>& RequestOfThisProgram() {
  static const auto* const request = new absl::StatusOr<SeedRequest>(ParseSeedRequest(
      ::testing::internal::GetArgvs(), std::getenv("PELTON_SEED"), std::getenv("PELTON_SEEDS")));
  return *request;
}

std::string HowToReplay(const ::testing::TestInfo& test, uint64_t seed) {
  const std::string filter =
      absl::StrCat("--gtest_filter=", test.test_suite_name(), ".", test.name());
  return seed == 0 ? filter : absl::StrCat(filter, " --pelton_seed=", seed);
}

void RunUnder(uint64_t seed, const TestObject& object, const TestOptions& options) {
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  const CrashNote note(absl::StrCat("PELTON_TEST: the process dies in ", test.test_suite_name(),
                                    ".", test.name(), "; to replay: ", HowToReplay(test, seed),
                                    "\n"));
  TestRun(*object.body, options, seed).Run();
}

}  // namespace

void RunTest(TestObject first, TestObject (*make)(), const TestOptions& options) {
  const bool stepped = options.runtime == TestRuntime::kStepped;
  if (options.shards == 0 || (options.seeds > 0 && !stepped)) {
    ADD_FAILURE() << "TestOptions: expected at least 1 shard, and .seeds with kStepped alone";
    return;
  }
  const absl::StatusOr<SeedRequest>& request = RequestOfThisProgram();
  if (!request.ok()) {
    ADD_FAILURE() << request.status().message();
    return;
  }
  if (!stepped) return RunUnder(0, first, options);
  const ::testing::TestInfo& test = *::testing::UnitTest::GetInstance()->current_test_info();
  const std::vector<uint64_t> seeds = SeedsToRun(*request, options.seeds);
  for (size_t i = 0; i < seeds.size(); ++i) {
    std::optional<::testing::ScopedTrace> trace;
    if (seeds[i] != 0) {
      trace.emplace(
          test.file(), test.line(),
          absl::StrCat("under seed ", seeds[i], "; to replay: ", HowToReplay(test, seeds[i])));
    }
    if (i == 0) {
      RunUnder(seeds[i], first, options);
    } else {
      const TestObject object = make();
      const std::unique_ptr<::testing::Test> owner(object.test);
      Fixture::CallSetUp(*object.test);
      if (!::testing::Test::HasFatalFailure() && !::testing::Test::IsSkipped()) {
        RunUnder(seeds[i], object, options);
      }
      Fixture::CallTearDown(*object.test);
    }
    if (::testing::Test::HasFailure() || ::testing::Test::IsSkipped()) return;
  }
}

}  // namespace pelton::testing_internal
