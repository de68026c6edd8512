// A process that replaces a file is killed at 200 random moments. Whoever looks then finds the file
// whole: the version whose replacement was reported last, or the one after it.
//
// Usage: killed_writer_test WRITER DRIVER

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <sstream>
#include <string>

#include "framework/base/check.h"
#include "tests/integration/files/versions.h"

namespace pelton::testing {
namespace {

constexpr int kKills = 200;

std::string writer_program;
std::string writer_driver;

// A running writer, and what it reports.
class Writer {
 public:
  Writer(const std::string& path, uint64_t first, bool durable) {
    const std::array<std::string, 7> arguments = {writer_program,
                                                  "--driver=" + writer_driver,
                                                  "--shards=1",
                                                  "--blocking_threads=2",
                                                  "--path=" + path,
                                                  "--first=" + std::to_string(first),
                                                  durable ? "--durable" : "--nodurable"};
    std::array<char*, arguments.size() + 1> pointers = {};
    for (size_t i = 0; i < arguments.size(); ++i) {
      pointers[i] = const_cast<char*>(arguments[i].c_str());
    }
    int ends[2];
    PELTON_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    process_ = ::fork();
    PELTON_CHECK(process_ >= 0);
    if (process_ == 0) {
      ::dup2(ends[1], 1);
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
  }
  ~Writer() { ::close(output_); }

  // Waits for reports for at most `milliseconds`. Returns whether there was one.
  bool AwaitReport(int milliseconds) {
    pollfd poll = {.fd = output_, .events = POLLIN, .revents = 0};
    return ::poll(&poll, 1, milliseconds) == 1 && Read();
  }
  // Kills it, and reads what it had reported.
  void Kill() {
    PELTON_CHECK(::kill(process_, SIGKILL) == 0);
    int status = 0;
    PELTON_CHECK(::waitpid(process_, &status, 0) == process_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << status;
    while (Read()) {
    }
  }
  // The version in the last whole line of its reports, or 0.
  uint64_t LastReported() const {
    const size_t end = reports_.rfind('\n');
    if (end == std::string::npos) return 0;
    const size_t before = reports_.rfind('\n', end - 1);
    const size_t begin = end == 0 || before == std::string::npos ? 0 : before + 1;
    return std::stoull(reports_.substr(begin, end - begin));
  }

 private:
  bool Read() {
    char bytes[4096];
    const ssize_t count = ::read(output_, bytes, sizeof(bytes));
    if (count > 0) reports_.append(bytes, static_cast<size_t>(count));
    return count > 0;
  }

  pid_t process_ = -1;
  int output_ = -1;
  std::string reports_;
};

TEST(KilledWriterTest, AReplacedFileIsAlwaysWholeOldOrNew) {
  std::string directory = ::testing::TempDir() + "/pelton_killed_XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/state";
  std::mt19937 random(1);
  uint64_t found = 0;
  uint64_t versions = 0;
  int new_ones = 0;
  int temporaries = 0;
  for (int kill = 0; kill < kKills && !HasFailure(); ++kill) {
    Writer writer(path, found + 1, kill % 2 == 0);
    ASSERT_TRUE(writer.AwaitReport(20'000)) << "the writer reports nothing";
    for (int end = static_cast<int>(random() % 12); end > 0 && writer.AwaitReport(50); --end) {
    }
    for (unsigned spins = random() % 3'000'000; spins > 0; --spins) {
      asm volatile("");  // some moment between two reports
    }
    writer.Kill();
    const uint64_t reported = writer.LastReported();
    ASSERT_GT(reported, found);
    versions += reported - found;
    std::ostringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    found = std::strtoull(bytes.str().c_str(), nullptr, 10);
    EXPECT_TRUE(found == reported || found == reported + 1)
        << "version " << found << " after " << reported << " was reported";
    EXPECT_TRUE(bytes.str() == BytesOfVersion(found)) << "version " << found << " is torn";
    new_ones += found == reported + 1 ? 1 : 0;
    // What a killed writer left, as the header says, is known by its name.
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      const std::string name = entry.path().filename();
      if (name == "state") continue;
      EXPECT_TRUE(name.starts_with(".state.") && name.ends_with(".tmp")) << name;
      std::filesystem::remove(entry.path());
      ++temporaries;
    }
  }
  std::cout << kKills << " kills of a writer on " << writer_driver << ", " << versions
            << " versions reported: the file was always whole, " << new_ones
            << " times the one after the last report; " << temporaries
            << " kills left a temporary file\n";
  EXPECT_GT(temporaries, 0) << "no kill hit a replacement half-way";
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace pelton::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (argc != 3) {
    std::cerr << "usage: " << argv[0] << " WRITER DRIVER\n";
    return 2;
  }
  pelton::testing::writer_program = argv[1];
  pelton::testing::writer_driver = argv[2];
  return RUN_ALL_TESTS();
}
