// FileOutputStream.

#include "io/file/file_output_stream.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "sched/random.h"
#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class FileOutputStreamTest : public FileTestBase {};

TEST_F(FileOutputStreamTest, WritesAllInOrderWhateverTheBuffers) {
  const std::string bytes = Pattern(100'000);
  Run([&]() -> Task<absl::Status> {
    for (const size_t buffers : {1, 2, 5}) {
      Random random(buffers);
      PELTON_CO_ASSIGN_OR_RETURN(
          FileOutputStream stream,
          co_await FileOutputStream::Create(Path("f"), {.buffer_bytes = 1000, .buffers = buffers}));
      for (size_t at = 0; at < bytes.size();) {
        const size_t count = random.Below(3000);
        PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(std::string_view(bytes).substr(at, count)));
        at += std::min(count, bytes.size() - at);
        EXPECT_EQ(stream.position(), at);
        if (random.Below(20) == 0) {
          PELTON_CO_RETURN_IF_ERROR(co_await stream.Flush());
          // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
          EXPECT_TRUE(Contents(Path("f")) == bytes.substr(0, at)) << "flushed up to " << at;
        }
      }
      PELTON_CO_RETURN_IF_ERROR(co_await stream.Close());
      EXPECT_FALSE(stream.valid());
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      EXPECT_TRUE(Contents(Path("f")) == bytes) << buffers << " buffers";
    }
    co_return absl::OkStatus();
  });
}

TEST_F(FileOutputStreamTest, AppendsInOrderAlsoBesideOthers) {
  SetContents(Path("f"), "old\n");
  const std::string bytes = Pattern(50'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        FileOutputStream stream,
        co_await FileOutputStream::Append(Path("f"), {.buffer_bytes = 500, .buffers = 4}));
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(bytes));
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Sync());
    co_return co_await stream.Close();
  });
  EXPECT_TRUE(Contents(Path("f")) == "old\n" + bytes);
}

TEST_F(FileOutputStreamTest, BeginsWhereItIsTold) {
  SetContents(Path("f"), "0123456789");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file,
                               co_await File::Open(Path("f"), {.access = FileAccess::kWrite}));
    FileOutputStream stream(std::move(file), {.offset = 4});
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("ab"));
    co_return co_await stream.Close();
  });
  EXPECT_EQ(Contents(Path("f")), "0123ab6789");
}

TEST_F(FileOutputStreamTest, AnErrorBehindTheBackComesWithTheNextCallAndStays) {
  Run([&]() -> Task<absl::Status> {
    const std::string expected = "write to /dev/full: No space left on device (ENOSPC)";
    const auto open = [] {
      return FileOutputStream::Create("/dev/full", {.buffer_bytes = 100, .buffers = 2});
    };
    PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream stream, co_await open());
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("fits into the buffer"));
    EXPECT_EQ((co_await stream.Flush()).message(), expected);
    EXPECT_EQ((co_await stream.Write("x")).message(), expected);
    EXPECT_EQ((co_await stream.Sync()).message(), expected);
    EXPECT_EQ((co_await stream.Close()).message(), expected);
    EXPECT_FALSE(stream.valid());
    PELTON_CO_ASSIGN_OR_RETURN(stream, co_await open());
    EXPECT_EQ((co_await stream.Write(std::string(10'000, 'x'))).message(), expected);
    PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream only_closed, co_await open());
    PELTON_CO_RETURN_IF_ERROR(co_await only_closed.Write("x"));
    EXPECT_EQ((co_await only_closed.Close()).message(), expected);
    co_return absl::OkStatus();
  });
}

TEST_F(FileOutputStreamTest, DestroyedWithUnwrittenBytesItSaysSo) {
  ::testing::internal::CaptureStderr();
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream stream,
                               co_await FileOutputStream::Create(Path("f"), {.buffer_bytes = 100}));
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(std::string(150, 'x')));
    co_return absl::OkStatus();
  });
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("a stream to " + Path("f") +
                     " was destroyed before its Close() was awaited: "
                     "50 bytes are lost, and 100 on their way to the file"),
            std::string::npos)
      << log;
  EXPECT_EQ(Contents(Path("f")), std::string(100, 'x'));
}

TEST_F(FileOutputStreamTest, AnErrorThatNobodyWasToldIsLogged) {
  ::testing::internal::CaptureStderr();
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream before, co_await FileOutputStream::Create(
                                                            "/dev/full", {.buffer_bytes = 10}));
    PELTON_CO_RETURN_IF_ERROR(co_await before.Write("0123456789"));
    // The write fails after the stream has gone.
    FileOutputStream(std::move(before));
    co_return absl::OkStatus();
  });
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("write to /dev/full: No space left on device (ENOSPC); the stream was "
                     "destroyed before anybody was told, and 10 bytes are lost"),
            std::string::npos)
      << log;
}

TEST_F(FileOutputStreamTest, OneThatIsFlushedMayBeDestroyedInSilence) {
  ::testing::internal::CaptureStderr();
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream stream,
                               co_await FileOutputStream::Create(Path("f")));
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("x"));
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Flush());
    PELTON_CO_ASSIGN_OR_RETURN(FileOutputStream full,
                               co_await FileOutputStream::Create("/dev/full"));
    PELTON_CO_RETURN_IF_ERROR(co_await full.Write("x"));
    EXPECT_FALSE((co_await full.Flush()).ok());
    co_return absl::OkStatus();
  });
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(FileOutputStreamTest, AStopEndsTheWaitAndLosesNothing) {
  const std::string bytes = Pattern(200'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        FileOutputStream stream,
        co_await FileOutputStream::Create(Path("f"), {.buffer_bytes = 512, .buffers = 2}));
    int stopped = 0;
    for (int round = 0; stream.valid(); ++round) {
      TaskScope scope;
      scope.Spawn([&]() -> Task<absl::Status> {
        const std::string_view rest = std::string_view(bytes).substr(stream.position());
        const absl::Status written = co_await stream.Write(rest.substr(0, 10'000));
        stopped += absl::IsCancelled(written) ? 1 : 0;
        if (written.ok() && stream.position() == bytes.size()) {
          const absl::Status closed = co_await stream.Close();
          EXPECT_TRUE(closed.ok() || absl::IsCancelled(closed)) << closed;
        }
        co_return absl::OkStatus();
      });
      for (int turns = round % 7; turns > 0; --turns) co_await FileTestTurn();
      scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      if (StopRequested()) co_return absl::DeadlineExceededError("it does not get on");
    }
    EXPECT_GT(stopped, 0);
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(Contents(Path("f")) == bytes);
}

}  // namespace
}  // namespace pelton::testing
