#include "io/process/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "framework/base/status.h"
#include "tests/conformance/process_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

// Puts something else in the place of a standard descriptor while it lives.
class Replacement {
 public:
  // `descriptor` -1: closes it.
  Replacement(int standard, int descriptor)
      : standard_(standard), saved_(::fcntl(standard, F_DUPFD_CLOEXEC, 10)) {
    if (descriptor < 0) {
      ::close(standard);
    } else {
      PELTON_CHECK(::dup2(descriptor, standard) == standard);
    }
  }
  ~Replacement() {
    if (saved_.get() >= 0) ::dup2(saved_.get(), standard_);
  }

 private:
  const int standard_;
  const Descriptor saved_;
};

class StandardStreamsTest : public CoroutineTest {};

TEST_F(StandardStreamsTest, InputFromAPipeComesToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Descriptor reader(ends[0]);
  ASSERT_EQ(::write(ends[1], "input", 5), 5);
  ::close(ends[1]);
  const Replacement replacement(STDIN_FILENO, reader.get());
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(PipeReader input, StandardInput());
    PELTON_CO_ASSIGN_OR_RETURN(const std::string text, co_await input.ReadToEnd(100));
    EXPECT_EQ(text, "input");
    co_return absl::OkStatus();
  });
  EXPECT_GE(::fcntl(STDIN_FILENO, F_GETFD), 0) << "the process's own stays open";
}

TEST_F(StandardStreamsTest, NullEndsAtOnceAndTakesEverything) {
  const Descriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Replacement in(STDIN_FILENO, null.get());
  const Replacement out(STDOUT_FILENO, null.get());
  Run([]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(PipeReader input, StandardInput());
    PELTON_CO_ASSIGN_OR_RETURN(const std::string text, co_await input.ReadToEnd(100));
    EXPECT_EQ(text, "");
    PELTON_CO_ASSIGN_OR_RETURN(PipeWriter output, StandardOutput());
    co_return co_await output.Write("dropped");
  });
}

TEST_F(StandardStreamsTest, OutputAndErrorToOneFileStandBehindEachOther) {
  const std::string path = ::testing::TempDir() + "/streams_" + std::to_string(::getpid());
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  {
    const Replacement out(STDOUT_FILENO, file.get());
    const Replacement error(STDERR_FILENO, file.get());
    Run([]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(PipeWriter output, StandardOutput());
      PELTON_CO_ASSIGN_OR_RETURN(PipeWriter error_output, StandardError());
      PELTON_CO_RETURN_IF_ERROR(co_await output.Write("out "));
      PELTON_CO_RETURN_IF_ERROR(co_await error_output.Write("error "));
      co_return co_await output.Write("out");
    });
  }
  char text[64];
  const ssize_t bytes = ::pread(file.get(), text, sizeof(text), 0);
  EXPECT_EQ(std::string(text, static_cast<size_t>(bytes)), "out error out");
  ::unlink(path.c_str());
}

TEST_F(StandardStreamsTest, AMissingStreamIsAnErrorThatNamesIt) {
  const Replacement closed(STDIN_FILENO, -1);
  const absl::StatusOr<PipeReader> input = StandardInput();
  EXPECT_EQ(GetErrno(input.status()), EBADF);
  EXPECT_TRUE(Says(input.status(), {"standard input"}));
}

}  // namespace
}  // namespace pelton::testing
