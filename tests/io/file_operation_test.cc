// FileOperation: which kinds are whose.

#include "io/file_operation.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace pelton::io {
namespace {

class PlainOperation final : public FileOperation {
 public:
  explicit PlainOperation(OperationKind kind) : FileOperation(kind) {}
  void OnCompletion(const Completion&) override {}
};

TEST(FileOperationTest, KindsOfPathsAreKindsOfFiles) {
  std::set<std::string> paths;
  std::set<std::string> others;
  for (int i = 0; i < kOperationKinds; ++i) {
    const auto kind = static_cast<OperationKind>(i);
    EXPECT_EQ(IsFileKind(kind), i >= static_cast<int>(kFirstFileKind)) << OperationKindName(kind);
    if (IsPathKind(kind)) {
      EXPECT_TRUE(IsFileKind(kind)) << OperationKindName(kind);
      paths.insert(OperationKindName(kind));
    } else if (IsFileKind(kind)) {
      others.insert(OperationKindName(kind));
    }
  }
  EXPECT_EQ(paths, (std::set<std::string>{"open", "stat", "rename", "link", "symbolic_link",
                                          "unlink", "make_directory"}));
  EXPECT_EQ(others, (std::set<std::string>{"read", "write", "read_vector", "write_vector", "sync",
                                           "allocate", "truncate", "advise", "splice", "call"}));
}

TEST(FileOperationTest, AFreshOneIsIdleAndHasNoBuffer) {
  const PlainOperation operation(OperationKind::kRead);
  EXPECT_TRUE(operation.idle());
  EXPECT_EQ(operation.buffer, FileOperation::kNoBuffer);
  EXPECT_EQ(operation.offset, 0u);
  EXPECT_EQ(operation.flags, 0u);
  EXPECT_EQ(operation.descriptor, -1);
}

}  // namespace
}  // namespace pelton::io
