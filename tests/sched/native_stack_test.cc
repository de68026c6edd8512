#include "sched/native_stack.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "framework/base/check.h"

namespace pelton {
namespace {

constexpr size_t kPage = 4096;

// Two pages, of which the second is gone.
class HalfMapping {
 public:
  HalfMapping() {
    void* const pages =
        ::mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    PELTON_CHECK(pages != MAP_FAILED);
    begin_ = static_cast<unsigned char*>(pages);
    PELTON_CHECK(::munmap(begin_ + kPage, kPage) == 0);
    for (size_t i = 0; i < kPage; ++i) begin_[i] = static_cast<unsigned char>(i % 251);
  }
  ~HalfMapping() { ::munmap(begin_, kPage); }

  unsigned char* begin() const { return begin_; }

 private:
  unsigned char* begin_;
};

TEST(ReadMemorySafelyTest, ReadsAsFarAsPagesGo) {
  const HalfMapping mapping;
  std::array<unsigned char, 2 * kPage> copy = {};
  const uintptr_t from = reinterpret_cast<uintptr_t>(mapping.begin()) + 100;
  EXPECT_EQ(ReadMemorySafely(from, copy.data(), copy.size()), kPage - 100);
  EXPECT_EQ(std::memcmp(copy.data(), mapping.begin() + 100, kPage - 100), 0);
}

TEST(ReadMemorySafelyTest, ReadsNothingWhereThereIsNothing) {
  const HalfMapping mapping;
  std::array<unsigned char, 8> copy;
  EXPECT_EQ(ReadMemorySafely(0, copy.data(), copy.size()), 0u);
  EXPECT_EQ(ReadMemorySafely(reinterpret_cast<uintptr_t>(mapping.begin()) + kPage, copy.data(),
                             copy.size()),
            0u);
  EXPECT_EQ(ReadMemorySafely(UINTPTR_MAX - 4, copy.data(), copy.size()), 0u);
}

class NativeStackTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::getcontext(&context_), 0); }
  void SetStackPointer(uintptr_t address) {
#if defined(__x86_64__)
    context_.uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(address);
#else
    context_.uc_mcontext.sp = address;
#endif
  }

  ucontext_t context_;
  const std::unique_ptr<NativeStack> stack_ = std::make_unique<NativeStack>();
};

TEST_F(NativeStackTest, CopiesTheStackFromItsPointerOn) {
  const HalfMapping mapping;
  const uintptr_t top = reinterpret_cast<uintptr_t>(mapping.begin()) + kPage - 64;
  SetStackPointer(top);
  stack_->Capture(context_);
  EXPECT_EQ(stack_->stack_pointer(), top);
  ASSERT_EQ(stack_->bytes(), 64u);
  uint64_t word;
  uint64_t expected;
  ASSERT_TRUE(stack_->ReadWord(top + 56, &word));
  std::memcpy(&expected, mapping.begin() + kPage - 8, sizeof(expected));
  EXPECT_EQ(word, expected);
  EXPECT_FALSE(stack_->ReadWord(top + 57, &word)) << "the last byte is beyond the copy";
  EXPECT_FALSE(stack_->ReadWord(top - 8, &word)) << "below the stack pointer";
}

TEST_F(NativeStackTest, CopiesNoMoreThanItHolds) {
  stack_->Capture(context_);
  EXPECT_GT(stack_->bytes(), 0u);
  EXPECT_LE(stack_->bytes(), NativeStack::kMaxBytes);
}

TEST_F(NativeStackTest, ANonsensicalStackPointerYieldsTheProgramCounterAlone) {
  SetStackPointer(16);
  stack_->Capture(context_);
  EXPECT_EQ(stack_->bytes(), 0u);
  EXPECT_NE(stack_->pc(), 0u);
}

}  // namespace
}  // namespace pelton
