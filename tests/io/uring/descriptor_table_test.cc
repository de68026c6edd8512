#include "io/uring/descriptor_table.h"

#include <memory>

#include "gtest/gtest.h"

namespace pelton::io {
namespace {

using Use = DescriptorTable::Use;

TEST(DescriptorTableTest, WithoutATableNothingIsDirect) {
  DescriptorTable table;
  EXPECT_EQ(table.slots(), 0u);
  EXPECT_EQ(table.UseOf(0), Use::kIndirect);
  EXPECT_EQ(table.UseOf(-1), Use::kIndirect);
  EXPECT_FALSE(table.Forget(3));
  EXPECT_FALSE(table.IsRefused(3));
}

class RegisteredTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Ring>> made = Ring::Create(4);
    if (!made.ok()) GTEST_SKIP() << "needs io_uring: " << made.status();
    ring_ = *std::move(made);
    if (const int result = table_.Register(*ring_); result != 0) {
      GTEST_SKIP() << "needs a table of descriptors: " << -result;
    }
  }

  // The entry that fills a slot; it is run at the next Enter().
  void Fill(int descriptor) {
    ASSERT_EQ(table_.UseOf(descriptor), Use::kFill);
    table_.PrepareFill(descriptor, ring_->NextEntry());
  }
  // Runs what was prepared. Returns the last result.
  int Run() {
    EXPECT_EQ(ring_->Enter(/*wait=*/true, -1), 0);
    int result = -1;
    ring_->ForEachCompletion([&result](const io_uring_cqe& entry) { result = entry.res; });
    table_.OnSubmitted();
    return result;
  }

  std::unique_ptr<Ring> ring_;
  DescriptorTable table_;
};

TEST_F(RegisteredTableTest, ASlotIsFilledAtTheFirstUseAndStaysSo) {
  EXPECT_GT(table_.slots(), 16u);
  Fill(0);
  EXPECT_EQ(table_.UseOf(0), Use::kDirect);
  const int result = Run();
  EXPECT_EQ(result, 1);
  table_.OnFilled(0, result);
  EXPECT_EQ(table_.UseOf(0), Use::kDirect);
  EXPECT_TRUE(table_.Forget(0)) << "the kernel's slot holds the file";
  EXPECT_FALSE(table_.Forget(0));
  EXPECT_EQ(table_.UseOf(0), Use::kFill);
}

TEST_F(RegisteredTableTest, WhatTheKernelRefusesIsIndirectUntilItIsClosed) {
  const int own = ring_->descriptor();
  Fill(own);
  const int result = Run();
  EXPECT_LT(result, 0);
  table_.OnFilled(own, result);
  EXPECT_TRUE(table_.IsRefused(own));
  EXPECT_EQ(table_.UseOf(own), Use::kIndirect);
  EXPECT_FALSE(table_.Forget(own)) << "no slot holds it";
  EXPECT_FALSE(table_.IsRefused(own));
  EXPECT_EQ(table_.UseOf(own), Use::kFill);
}

TEST_F(RegisteredTableTest, OneSubmissionFillsOnlySoManySlots) {
  int filled = 0;
  while (table_.UseOf(filled) == Use::kFill) {
    io_uring_sqe entry = {};
    table_.PrepareFill(filled, &entry);
    ++filled;
  }
  EXPECT_EQ(table_.UseOf(filled), Use::kIndirect) << "what the entries point to must not move";
  EXPECT_GE(filled, 4);
  table_.OnSubmitted();
  EXPECT_EQ(table_.UseOf(filled), Use::kFill);
}

TEST_F(RegisteredTableTest, DescriptorsBeyondTheTableAreIndirect) {
  EXPECT_EQ(table_.UseOf(static_cast<int>(table_.slots())), Use::kIndirect);
  EXPECT_EQ(table_.UseOf(-1), Use::kIndirect);
}

}  // namespace
}  // namespace pelton::io
