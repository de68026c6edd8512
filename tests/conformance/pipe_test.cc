#include "io/process/pipe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "alloc/thread_allocations.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

class PipeTest : public CoroutineTest {};

Task<absl::Status> WriteAndClose(PipeWriter& writer, std::string_view bytes) {
  const absl::Status status = co_await writer.Write(bytes);
  writer.Close();
  co_return status;
}

TEST_F(PipeTest, WhatIsWrittenComesOutAndThenTheEnd) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    PELTON_CO_RETURN_IF_ERROR(co_await pipe.writer.Write("hello"));
    char bytes[16];
    std::string text;
    while (text.size() < 5) {
      PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await pipe.reader.ReadInto(bytes));
      text.append(bytes, count);
    }
    EXPECT_EQ(text, "hello");
    pipe.writer.Close();
    EXPECT_FALSE(pipe.writer.valid());
    PELTON_CO_ASSIGN_OR_RETURN(const size_t end, co_await pipe.reader.ReadInto(bytes));
    EXPECT_EQ(end, 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, MoreThanAPipeHoldsWaitsForItsReader) {
  const std::string bytes = Pattern(1'000'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    const auto [written, read] =
        co_await WhenAll(WriteAndClose(pipe.writer, bytes), pipe.reader.ReadToEnd(bytes.size()));
    EXPECT_TRUE(written.ok()) << written;
    PELTON_CO_RETURN_IF_ERROR(read);
    EXPECT_TRUE(*read == bytes);
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, AByteMoreThanTheLimitIsAnError) {
  Run([]() -> Task<absl::Status> {
    for (const size_t limit : {size_t{0}, size_t{9}, size_t{10}, size_t{11}}) {
      PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
      PELTON_CO_RETURN_IF_ERROR(co_await WriteAndClose(pipe.writer, "0123456789"));
      const absl::StatusOr<std::string> text = co_await pipe.reader.ReadToEnd(limit);
      EXPECT_EQ(text.ok(), limit >= 10) << text.status();
      if (!text.ok()) EXPECT_TRUE(Says(text.status(), {"pipe", "limit of"}));
      if (!text.ok()) EXPECT_TRUE(absl::IsResourceExhausted(text.status()));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, WritingWithoutAReaderIsAnErrorAndNotTheEndOfTheProcess) {
  struct sigaction action = {};
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &action), 0);
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    pipe.reader.Close();
    co_await AwaitQuiet();
    const absl::Status status = co_await pipe.writer.Write("hello");
    EXPECT_EQ(GetErrno(status), EPIPE) << status;
    EXPECT_TRUE(Says(status, {"write to pipe: Broken pipe (EPIPE)"}));
    co_return absl::OkStatus();
  });
  ASSERT_EQ(::sigaction(SIGPIPE, nullptr, &action), 0);
  EXPECT_EQ(action.sa_handler, SIG_IGN);
}

TEST_F(PipeTest, AWriterThatWaitsLearnsThatItsReaderHasGone) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    auto close = [](PipeReader& reader) -> Task<absl::Status> {
      co_await LetOthersRun();
      reader.Close();
      co_return absl::OkStatus();
    };
    const std::string bytes(1'000'000, 'x');
    const auto [written, closed] = co_await WhenAll(pipe.writer.Write(bytes), close(pipe.reader));
    EXPECT_EQ(GetErrno(written), EPIPE) << written;
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, ANonBlockingFlagOfOthersIsCopedWithAndLeftAlone) {
  const std::string bytes = Pattern(300'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    for (const int end : {pipe.reader.descriptor(), pipe.writer.descriptor()}) {
      PELTON_CHECK(::fcntl(end, F_SETFL, ::fcntl(end, F_GETFL) | O_NONBLOCK) == 0);
    }
    auto write_later = [](PipeWriter& writer, std::string_view text) -> Task<absl::Status> {
      co_await LetOthersRun();
      co_return co_await writer.Write(text);
    };
    std::string text(bytes.size(), '\0');
    auto read = [](PipeReader& reader, std::span<char> target) -> Task<absl::Status> {
      for (size_t filled = 0; filled < target.size();) {
        PELTON_CO_ASSIGN_OR_RETURN(size_t count, co_await reader.ReadInto(target.subspan(filled)));
        filled += count;
      }
      co_return absl::OkStatus();
    };
    PELTON_CO_RETURN_IF_ERROR(
        co_await WhenAll(FailFast(), read(pipe.reader, text), write_later(pipe.writer, bytes)));
    EXPECT_TRUE(text == bytes);
    for (const int end : {pipe.reader.descriptor(), pipe.writer.descriptor()}) {
      EXPECT_NE(::fcntl(end, F_GETFL) & O_NONBLOCK, 0);
    }
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, IsNotMadeNonBlocking) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    auto write_later = [](PipeWriter& writer) -> Task<absl::Status> {
      co_await LetOthersRun();
      co_return co_await writer.Write("x");
    };
    char byte;
    const auto [read, written] =
        co_await WhenAll(pipe.reader.ReadInto({&byte, 1}), write_later(pipe.writer));
    EXPECT_TRUE(read.ok() && written.ok());
    EXPECT_EQ(::fcntl(pipe.reader.descriptor(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(pipe.writer.descriptor(), F_GETFL) & O_NONBLOCK, 0);
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, ACancelledReadLosesNothing) {
  for (const bool non_blocking : {false, true}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
      if (non_blocking) {
        PELTON_CHECK(::fcntl(pipe.reader.descriptor(), F_SETFL, O_NONBLOCK) == 0);
      }
      std::string text;
      char bytes[4];
      for (int round = 0; round < 100; ++round) {
        auto write = [](PipeWriter& writer, int turns) -> Task<absl::Status> {
          co_await LetOthersRun(turns);
          co_return co_await writer.Write("x");
        };
        const auto [read, written] = co_await WhenAll(
            WithTimeout(absl::Microseconds(round * 5), pipe.reader.ReadInto(bytes)),
            write(pipe.writer, round % 7));
        PELTON_CO_RETURN_IF_ERROR(written);
        if (read.ok()) text.append(bytes, *read);
        if (!read.ok()) EXPECT_TRUE(absl::IsDeadlineExceeded(read.status())) << read.status();
      }
      pipe.writer.Close();
      PELTON_CO_ASSIGN_OR_RETURN(std::string rest, co_await pipe.reader.ReadToEnd(100));
      EXPECT_EQ(text.size() + rest.size(), 100u);
      co_return absl::OkStatus();
    });
  }
}

TEST_F(PipeTest, ACancelledWriteEnds) {
  for (const bool non_blocking : {false, true}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
      if (non_blocking) {
        PELTON_CHECK(::fcntl(pipe.writer.descriptor(), F_SETFL, O_NONBLOCK) == 0);
      }
      const std::string bytes(1'000'000, 'x');
      const absl::Status written =
          co_await WithTimeout(absl::Milliseconds(5), pipe.writer.Write(bytes));
      EXPECT_TRUE(absl::IsDeadlineExceeded(written)) << written;
      co_return absl::OkStatus();
    });
  }
}

TEST_F(PipeTest, AFileIsReadAndWrittenAsItStands) {
  const std::string path = ::testing::TempDir() + "/pipe_test_" + std::to_string(::getpid());
  Run([&]() -> Task<absl::Status> {
    PipeWriter writer =
        // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
        PipeWriter::Adopt(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), path);
    PELTON_CO_RETURN_IF_ERROR(co_await writer.Write("first "));
    PELTON_CO_RETURN_IF_ERROR(co_await writer.Write("second"));
    writer.Close();
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    PipeReader reader = PipeReader::Adopt(::open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
    PELTON_CO_ASSIGN_OR_RETURN(const std::string text, co_await reader.ReadToEnd(100));
    EXPECT_EQ(text, "first second");
    co_return absl::OkStatus();
  });
  ::unlink(path.c_str());
}

TEST_F(PipeTest, ATerminalIsReadAndWritten) {
  const Descriptor master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_GE(master.get(), 0);
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  char name[64];
  ASSERT_EQ(::ptsname_r(master.get(), name, sizeof(name)), 0);
  const int terminal = ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  Run([&]() -> Task<absl::Status> {
    PipeReader reader = PipeReader::Adopt(terminal, "terminal");
    char bytes[64];
    const auto early = co_await WithTimeout(absl::Milliseconds(5), reader.ReadInto(bytes));
    EXPECT_TRUE(absl::IsDeadlineExceeded(early.status())) << early.status();
    auto type = [&]() -> Task<absl::Status> {
      co_await LetOthersRun();
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      PELTON_CHECK(::write(master.get(), "typed\n", 6) == 6);
      co_return absl::OkStatus();
    };
    const auto [read, typed] = co_await WhenAll(reader.ReadInto(bytes), type());
    PELTON_CO_RETURN_IF_ERROR(read);
    EXPECT_EQ(std::string(bytes, *read), "typed\n");
    PipeWriter writer = PipeWriter::Adopt(::dup(terminal), "terminal");
    PELTON_CO_RETURN_IF_ERROR(co_await writer.Write("shown"));
    co_return absl::OkStatus();
  });
  char shown[64];
  EXPECT_GT(::read(master.get(), shown, sizeof(shown)), 0);
}

TEST_F(PipeTest, ReadingAndWritingAllocateNothing) {
  if (!ThreadAllocationsCounted()) GTEST_SKIP() << "this build's allocator does not count";
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    char bytes[16];
    uint64_t before = 0;
    for (int round = 0; round < 300; ++round) {
      if (round == 100) before = ThreadAllocatedBytes();
      PELTON_CO_RETURN_IF_ERROR(co_await pipe.writer.Write("hello"));
      PELTON_CO_RETURN_IF_ERROR(co_await pipe.reader.ReadInto(bytes));
    }
    EXPECT_EQ(ThreadAllocatedBytes() - before, 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(PipeTest, ABadDescriptorIsAnErrorThatNamesTheStream) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    char byte;
    PipeReader wrong = PipeReader::Adopt(::dup(pipe.writer.descriptor()), "the wrong end");
    const auto read = co_await wrong.ReadInto({&byte, 1});
    EXPECT_EQ(GetErrno(read.status()), EBADF) << read.status();
    EXPECT_TRUE(Says(read.status(), {"read from the wrong end"}));
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
