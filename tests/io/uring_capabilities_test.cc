// Run with the names of the capabilities that the conformance suite does without in turn.

#include "io/uring_capabilities.h"

#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <string>

#include "absl/status/status.h"

namespace pelton::io {
namespace {

std::set<std::string> conformance_names;

TEST(UringCapabilitiesTest, TheConformanceSuiteRunsWithoutEach) {
  std::set<std::string> names;
  for (const CapabilityDescription& capability : AllCapabilities()) {
    EXPECT_TRUE(names.insert(capability.name).second) << capability.name << " stands there twice";
  }
  EXPECT_EQ(conformance_names, names);
}

TEST(UringCapabilitiesTest, EveryMemberIsInTheTableOnceAndOnToBeginWith) {
  EXPECT_EQ(AllCapabilities().size(), sizeof(UringCapabilities) / sizeof(bool));
  UringCapabilities capabilities;
  for (const CapabilityDescription& capability : AllCapabilities()) {
    EXPECT_TRUE(capabilities.*(capability.member)) << capability.name << " shares its member";
    capabilities.*(capability.member) = false;
  }
}

TEST(UringCapabilitiesTest, EachSaysWhatIsUsedInsteadAndWhatThatCosts) {
  for (const CapabilityDescription& capability : AllCapabilities()) {
    EXPECT_NE(std::string(capability.instead), "") << capability.name;
    EXPECT_NE(std::string(capability.cost), "") << capability.name;
  }
}

TEST(UringCapabilitiesTest, TurnsOffThoseThatAreNamedAndNoOthers) {
  UringCapabilities capabilities;
  ASSERT_TRUE(TurnOffCapabilities("", capabilities).ok());
  ASSERT_TRUE(TurnOffCapabilities("truncate,buffer_ring", capabilities).ok());
  for (const CapabilityDescription& capability : AllCapabilities()) {
    const std::string name = capability.name;
    EXPECT_EQ(capabilities.*(capability.member), name != "truncate" && name != "buffer_ring")
        << name;
  }
}

TEST(UringCapabilitiesTest, ANameThatIsNotKnownIsNamedWithThoseThatAre) {
  for (const char* names :
       {"warp", "truncate,warp", "warp,truncate", "truncate,,splice", " splice", "truncate,"}) {
    UringCapabilities capabilities;
    const absl::Status status = TurnOffCapabilities(names, capabilities);
    if (std::string(names) == "truncate,") {
      EXPECT_TRUE(status.ok()) << "a comma at the end names nothing";
      continue;
    }
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << names;
    for (const CapabilityDescription& capability : AllCapabilities()) {
      EXPECT_NE(status.ToString().find(capability.name), std::string::npos) << capability.name;
    }
  }
  UringCapabilities capabilities;
  EXPECT_NE(TurnOffCapabilities("splice,warp", capabilities).ToString().find("called \"warp\""),
            std::string::npos);
}

}  // namespace
}  // namespace pelton::io

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) pelton::io::conformance_names.insert(argv[i]);
  if (argc == 1) {
    std::cerr << argv[0] << ": give the names of the capabilities that the suite does without\n";
    return 2;
  }
  return RUN_ALL_TESTS();
}
