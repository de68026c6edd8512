#include "io/uring/kernel_features.h"

#include <map>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "io/uring_capabilities.h"

namespace pelton::io {
namespace {

TEST(KernelFeaturesTest, EachHasANameOfItsOwnAndSaysWhatItIsFor) {
  const absl::StatusOr<std::vector<KernelFeature>> features = TryKernelFeatures();
  if (!features.ok()) GTEST_SKIP() << "needs io_uring: " << features.status();
  std::set<std::string> names;
  for (const CapabilityDescription& capability : AllCapabilities()) names.insert(capability.name);
  for (const KernelFeature& feature : *features) {
    EXPECT_TRUE(names.insert(feature.name).second) << feature.name << " stands there twice";
    EXPECT_NE(std::string(feature.use), "") << feature.name;
  }
  EXPECT_GT(features->size(), 30u);
}

TEST(KernelFeaturesTest, WhatPeltonNeedsIsThereWhereARingCanBeMade) {
  const absl::StatusOr<std::vector<KernelFeature>> features = TryKernelFeatures();
  if (!features.ok()) GTEST_SKIP() << "needs io_uring: " << features.status();
  std::map<std::string, std::string> why_not;
  for (const KernelFeature& feature : *features) why_not[feature.name] = feature.why_not;
  EXPECT_EQ(why_not.at("timed_wait"), "");
  EXPECT_EQ(why_not.at("lossless_completions"), "");
}

TEST(KernelFeaturesTest, SaysTheSameTwice) {
  const absl::StatusOr<std::vector<KernelFeature>> first = TryKernelFeatures();
  if (!first.ok()) GTEST_SKIP() << "needs io_uring: " << first.status();
  const absl::StatusOr<std::vector<KernelFeature>> second = TryKernelFeatures();
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(first->size(), second->size());
  for (size_t i = 0; i < first->size(); ++i) {
    // Other processes' rings take the same user's memory.
    if (((*first)[i].why_not + (*second)[i].why_not).find("ENOMEM") != std::string::npos) continue;
    EXPECT_EQ((*first)[i].why_not, (*second)[i].why_not) << (*first)[i].name;
  }
}

}  // namespace
}  // namespace pelton::io
