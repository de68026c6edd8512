#include "io/uring/kind_traits.h"

#include <liburing.h>

#include <memory>
#include <set>

#include "gtest/gtest.h"
#include "io/file_operation.h"
#include "io/uring_capabilities.h"

namespace pelton::io {
namespace {

OperationKind Kind(int i) { return static_cast<OperationKind>(i); }

TEST(KindTraitsTest, EveryKindButTheCallHasAnOperationCode) {
  for (int i = 0; i < kOperationKinds; ++i) {
    EXPECT_EQ(OpcodeOf(Kind(i)) >= 0, Kind(i) != OperationKind::kCall)
        << OperationKindName(Kind(i));
  }
  EXPECT_EQ(OpcodeOf(OperationKind::kTruncate), 55);
  EXPECT_EQ(OpcodeOf(OperationKind::kStat), IORING_OP_STATX);
}

TEST(KindTraitsTest, OnlyWhatLacksItsCapabilityBlocks) {
  for (int i = 0; i < kOperationKinds; ++i) {
    EXPECT_EQ(IsBlocking(Kind(i), UringCapabilities()), Kind(i) == OperationKind::kCall)
        << OperationKindName(Kind(i));
  }
  std::set<OperationKind> blocking;
  for (bool UringCapabilities::* member :
       {&UringCapabilities::file_operations, &UringCapabilities::path_operations,
        &UringCapabilities::truncate, &UringCapabilities::splice}) {
    UringCapabilities without;
    without.*member = false;
    for (int i = 0; i < kOperationKinds; ++i) {
      if (Kind(i) == OperationKind::kCall || !IsBlocking(Kind(i), without)) continue;
      EXPECT_TRUE(blocking.insert(Kind(i)).second)
          << OperationKindName(Kind(i)) << " belongs to two capabilities";
    }
  }
  for (int i = static_cast<int>(kFirstFileKind); Kind(i) != OperationKind::kCall; ++i) {
    EXPECT_EQ(blocking.count(Kind(i)), 1u) << OperationKindName(Kind(i));
  }
}

TEST(KindTraitsTest, NothingOnSocketsGoesToAKernelThread) {
  for (int i = 0; i < static_cast<int>(kFirstFileKind); ++i) {
    EXPECT_FALSE(MayUseKernelWorker(Kind(i))) << OperationKindName(Kind(i));
  }
  EXPECT_FALSE(MayUseKernelWorker(OperationKind::kRead));
  EXPECT_FALSE(MayUseKernelWorker(OperationKind::kCall));
  EXPECT_TRUE(MayUseKernelWorker(OperationKind::kWrite));
  EXPECT_TRUE(MayUseKernelWorker(OperationKind::kSync));
  EXPECT_TRUE(MayUseKernelWorker(OperationKind::kSplice));
}

TEST(KindTraitsTest, APathIsLookedUpFromADescriptorButNotDoneOnIt) {
  EXPECT_FALSE(WorksOnDescriptor(OperationKind::kOpen));
  EXPECT_FALSE(WorksOnDescriptor(OperationKind::kNop));
  EXPECT_TRUE(WorksOnDescriptor(OperationKind::kReceive));
  EXPECT_TRUE(WorksOnDescriptor(OperationKind::kSplice));
}

}  // namespace
}  // namespace pelton::io
