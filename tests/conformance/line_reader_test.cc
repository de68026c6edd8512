#include "io/process/line_reader.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class LineReaderTest : public CoroutineTest {};

using Line = absl::StatusOr<std::optional<std::string_view>>;

// Writes `text` in pieces of `piece` bytes, and closes.
Task<absl::Status> WritePieces(PipeWriter& writer, std::string_view text, size_t piece) {
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    PELTON_CO_RETURN_IF_ERROR(co_await writer.Write(text.substr(0, piece)));
    co_await NextTurn();
  }
  writer.Close();
  co_return absl::OkStatus();
}

Task<absl::Status> ReadLines(PipeReader& reader, std::vector<std::string>& lines) {
  LineReader source(reader);
  for (;;) {
    PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> line, co_await source.Next());
    if (!line.has_value()) break;
    lines.emplace_back(*line);
  }
  PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> again, co_await source.Next());
  EXPECT_FALSE(again.has_value()) << "the end stays the end";
  co_return absl::OkStatus();
}

TEST_F(LineReaderTest, YieldsLinesHoweverTheyArrive) {
  const std::vector<std::string> expected = {"first", "", "third\r", std::string(10'000, 'x'),
                                             "a tail without an end"};
  std::string text;
  for (const std::string& line : expected) text += line + "\n";
  text.pop_back();
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{4096}, size_t{100'000}}) {
    if (piece == 1) text.erase(text.find("xx"), 9'000);  // keeps the test short
    std::vector<std::string> lines;
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
      co_return co_await WhenAll(FailFast(), WritePieces(pipe.writer, text, piece),
                                 ReadLines(pipe.reader, lines));
    });
    std::string joined;
    for (const std::string& line : lines) joined += line + "\n";
    EXPECT_EQ(joined, text + "\n") << piece;
    EXPECT_EQ(lines.size(), expected.size());
  }
}

TEST_F(LineReaderTest, AnEmptyStreamHasNoLines) {
  std::vector<std::string> lines;
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    pipe.writer.Close();
    co_return co_await ReadLines(pipe.reader, lines);
  });
  EXPECT_TRUE(lines.empty());
}

TEST_F(LineReaderTest, ALineThatIsTooLongIsAnError) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    PELTON_CO_RETURN_IF_ERROR(co_await pipe.writer.Write("0123456789\n0123456789a\nnext\n"));
    LineReader lines(pipe.reader, 10);
    Line line = co_await lines.Next();
    EXPECT_TRUE(line.ok() && *line == "0123456789");
    for (int i = 0; i < 2; ++i) {
      line = co_await lines.Next();
      EXPECT_TRUE(absl::IsResourceExhausted(line.status())) << line.status();
      EXPECT_TRUE(Says(line.status(), {"pipe", "more than 10 bytes"}));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(LineReaderTest, ACancelledWaitKeepsTheBeginningOfALine) {
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pipe pipe, MakePipe());
    LineReader lines(pipe.reader);
    PELTON_CO_RETURN_IF_ERROR(co_await pipe.writer.Write("one "));
    const auto early = co_await WithTimeout(absl::Milliseconds(5), lines.Next());
    EXPECT_TRUE(absl::IsDeadlineExceeded(early.status())) << early.status();
    PELTON_CO_RETURN_IF_ERROR(co_await pipe.writer.Write("line\n"));
    PELTON_CO_ASSIGN_OR_RETURN(const std::optional<std::string_view> line, co_await lines.Next());
    EXPECT_EQ(line, "one line");
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
