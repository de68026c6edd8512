// FileInputStream.

#include "io/file/file_input_stream.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "sched/random.h"
#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class FileInputStreamTest : public FileTestBase {
 protected:
  // All that is left, by Read().
  static Task<absl::StatusOr<std::string>> ReadRest(FileInputStream& stream) {
    std::string bytes;
    for (;;) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::string_view part, co_await stream.Read());
      if (part.empty()) co_return bytes;
      bytes += part;
    }
  }
};

TEST_F(FileInputStreamTest, ReadsFilesOfAllSizesInOrder) {
  for (const size_t size : {0, 1, 999, 1000, 1001, 4000, 50'000}) {
    const std::string bytes = Pattern(size);
    SetContents(Path("f"), bytes);
    Run([&]() -> Task<absl::Status> {
      for (const size_t buffers : {1, 2, 7}) {
        PELTON_CO_ASSIGN_OR_RETURN(
            FileInputStream stream,
            co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 1000, .buffers = buffers}));
        PELTON_CO_ASSIGN_OR_RETURN(const std::string read, co_await ReadRest(stream));
        EXPECT_TRUE(read == bytes) << size << " bytes, " << buffers << " buffers";
        EXPECT_EQ(stream.position(), size);
        PELTON_CO_ASSIGN_OR_RETURN(const std::string_view end, co_await stream.Read());
        EXPECT_TRUE(end.empty()) << "the end stays";
      }
      co_return absl::OkStatus();
    });
  }
}

TEST_F(FileInputStreamTest, CopiesIntoTheCallersMemory) {
  const std::string bytes = Pattern(10'000);
  SetContents(Path("f"), bytes);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        FileInputStream stream,
        co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 1000, .offset = 100}));
    std::string target(3333, '\0');
    PELTON_CO_ASSIGN_OR_RETURN(size_t count, co_await stream.ReadInto(target));
    EXPECT_EQ(count, 3333u);
    EXPECT_TRUE(target == bytes.substr(100, 3333));
    EXPECT_EQ(stream.position(), 3433u);
    PELTON_CO_ASSIGN_OR_RETURN(const std::string_view part, co_await stream.Read());
    EXPECT_EQ(part, bytes.substr(3433, 667)) << "the rest of the buffer, not copied";
    target.resize(20'000);
    PELTON_CO_ASSIGN_OR_RETURN(count, co_await stream.ReadInto(target));
    EXPECT_EQ(count, 10'000u - 4100u);
    PELTON_CO_ASSIGN_OR_RETURN(count, co_await stream.ReadInto(target));
    EXPECT_EQ(count, 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(FileInputStreamTest, ReadsLinesWhereverBuffersEnd) {
  Random random(5);
  std::vector<std::string> lines;
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    lines.push_back(Pattern(random.Below(50), static_cast<uint32_t>(i)));
    for (char& c : lines.back()) c = c == '\n' ? ' ' : c;
    bytes += lines.back() + (i + 1 < 300 ? "\n" : "");
  }
  lines.back() = "no newline at the end";
  bytes += "";
  bytes = bytes.substr(0, bytes.rfind('\n') + 1) + lines.back();
  SetContents(Path("f"), bytes);
  Run([&]() -> Task<absl::Status> {
    for (const size_t buffer : {1, 7, 64, 100'000}) {
      PELTON_CO_ASSIGN_OR_RETURN(FileInputStream stream, co_await FileInputStream::Open(
                                                             Path("f"), {.buffer_bytes = buffer}));
      for (const std::string& line : lines) {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> read,
                                   co_await stream.ReadLine());
        EXPECT_EQ(read, std::optional<std::string_view>(line));
      }
      for (int i = 0; i < 2; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> end,
                                   co_await stream.ReadLine());
        EXPECT_FALSE(end.has_value());
      }
    }
    co_return absl::OkStatus();
  });
}

TEST_F(FileInputStreamTest, EmptyLinesAreLines) {
  SetContents(Path("f"), "\n\na\n\n");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(FileInputStream stream,
                               co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 2}));
    for (const std::string expected : {"", "", "a", ""}) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> line,
                                 co_await stream.ReadLine());
      EXPECT_EQ(line, std::optional<std::string_view>(expected));
    }
    PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> end,
                               co_await stream.ReadLine());
    EXPECT_FALSE(end.has_value());
    co_return absl::OkStatus();
  });
}

TEST_F(FileInputStreamTest, ALineThatIsTooLongIsRefusedAndMemoryStaysBounded) {
  SetContents(Path("f"), std::string(10'000, 'x') + "\nnext\n");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        FileInputStream stream,
        co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 64, .longest_line = 9'999}));
    const absl::Status refused = (co_await stream.ReadLine()).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
    EXPECT_TRUE(Says(refused, Path("f"))) << refused;
    EXPECT_EQ(stream.position(), 9'999u);
    PELTON_CO_ASSIGN_OR_RETURN(std::optional<std::string_view> line, co_await stream.ReadLine());
    EXPECT_EQ(line, std::optional<std::string_view>("x")) << "it goes on behind that";
    PELTON_CO_ASSIGN_OR_RETURN(line, co_await stream.ReadLine());
    EXPECT_EQ(line, std::optional<std::string_view>("next"));
    co_return absl::OkStatus();
  });
}

TEST_F(FileInputStreamTest, ReadsAheadWithinItsBuffersAndNoFurther) {
  SetContents(Path("f"), Pattern(100'000));
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        FileInputStream stream,
        co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 1000, .buffers = 4}));
    const uint64_t before = reactor().statistics().started;
    for (int i = 0; i < 10; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::string_view part, co_await stream.Read());
      EXPECT_EQ(part.size(), 1000u);
    }
    const uint64_t operations = reactor().statistics().started - before;
    EXPECT_GE(operations, 12u) << "it does not read ahead";
    EXPECT_LE(operations, 13u);
    co_return absl::OkStatus();
  });
}

TEST_F(FileInputStreamTest, ACallThatIsToldToStopLosesNothing) {
  std::string bytes;
  for (int i = 0; i < 500; ++i) bytes += "line " + std::to_string(i) + "\n";
  SetContents(Path("f"), bytes);
  std::string read;
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(FileInputStream stream,
                               co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 3}));
    bool ended = false;
    for (int round = 0; !ended; ++round) {
      TaskScope scope;
      scope.Spawn([&]() -> Task<absl::Status> {
        for (;;) {
          char target[5];
          if (round % 3 == 0) {
            PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> line,
                                       co_await stream.ReadLine());
            ended = !line.has_value();
            if (line.has_value()) read += std::string(*line) + "\n";
          } else if (round % 3 == 1) {
            PELTON_CO_ASSIGN_OR_RETURN(const std::string_view part, co_await stream.Read());
            ended = part.empty();
            read += part;
          } else {
            PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await stream.ReadInto(target));
            ended = count == 0;
            read.append(target, count);
          }
          if (ended) co_return absl::OkStatus();
          EXPECT_LE(stream.position(), bytes.size());
        }
      });
      for (int turns = round % 5; turns > 0; --turns) co_await FileTestTurn();
      scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      // Behind what ReadLine() left, whole lines are whole again.
      if (!ended) EXPECT_EQ(stream.position(), read.size());
      if (StopRequested()) co_return absl::DeadlineExceededError("it does not get on");
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(read == bytes);
}

TEST_F(FileInputStreamTest, DestroyedInMidReadItLeavesNothing) {
  SetContents(Path("f"), Pattern(1'000'000));
  Run([&]() -> Task<absl::Status> {
    for (int i = 0; i < 20; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(
          FileInputStream stream,
          co_await FileInputStream::Open(Path("f"), {.buffer_bytes = 10'000, .buffers = 8}));
      for (int reads = 0; reads < i; ++reads) PELTON_CO_RETURN_IF_ERROR(co_await stream.Read());
    }
    co_return absl::OkStatus();
  });
}

TEST_F(FileInputStreamTest, ErrorsNameThePath) {
  Run([&]() -> Task<absl::Status> {
    const absl::Status missing = (co_await FileInputStream::Open(Path("no"))).status();
    EXPECT_TRUE(Says(missing, "open " + Path("no"))) << missing;
    PELTON_CO_ASSIGN_OR_RETURN(FileInputStream folder, co_await FileInputStream::Open(directory()));
    for (int i = 0; i < 2; ++i) {
      const absl::Status status = (co_await folder.Read()).status();
      EXPECT_EQ(status.message(), "read from " + directory() + ": Is a directory (EISDIR)");
    }
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
