// CallNow(): operations on files by their system calls.

#include "io/call_now.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "framework/base/check.h"
#include "io/file_operation.h"

namespace pelton::io {
namespace {

class PlainOperation final : public FileOperation {
 public:
  explicit PlainOperation(OperationKind kind) : FileOperation(kind) {}
  void OnCompletion(const Completion&) override { PELTON_FATAL() << "nobody completes it"; }
};

class CallNowTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "/pelton_call_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  int Open(const std::string& path, int flags) {
    PlainOperation open(OperationKind::kOpen);
    open_how how = {};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? 0600 : 0;
    open.descriptor = AT_FDCWD;
    open.address = const_cast<char*>(path.c_str());
    open.second_address = &how;
    return CallNow(open);
  }
  int Transfer(OperationKind kind, int fd, std::string& bytes, uint64_t offset) {
    PlainOperation transfer(kind);
    transfer.descriptor = fd;
    transfer.address = bytes.data();
    transfer.length = static_cast<uint32_t>(bytes.size());
    transfer.offset = offset;
    return CallNow(transfer);
  }

 private:
  std::string directory_;
};

TEST_F(CallNowTest, TransfersAtAnOffsetOrAtTheDescriptorsPosition) {
  const int fd = Open(Path("f"), O_RDWR | O_CREAT);
  ASSERT_GE(fd, 0);
  std::string text = "text";
  EXPECT_EQ(Transfer(OperationKind::kWrite, fd, text, FileOperation::kNoOffset), 4);
  EXPECT_EQ(Transfer(OperationKind::kWrite, fd, text, FileOperation::kNoOffset), 4);
  EXPECT_EQ(Transfer(OperationKind::kWrite, fd, text, 2), 4);
  std::string read(16, '\0');
  EXPECT_EQ(Transfer(OperationKind::kRead, fd, read, 0), 8);
  EXPECT_EQ(read.substr(0, 8), "tetextxt");
  EXPECT_EQ(::close(fd), 0);
}

TEST_F(CallNowTest, AFailureIsANegativeErrno) {
  EXPECT_EQ(Open(Path("no"), O_RDONLY), -ENOENT);
  std::string text = "text";
  EXPECT_EQ(Transfer(OperationKind::kWrite, -1, text, 0), -EBADF);
  const int full = Open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  EXPECT_EQ(Transfer(OperationKind::kWrite, full, text, 0), -ENOSPC);
  EXPECT_EQ(::close(full), 0);
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  rlimit none = old;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(Open(Path("f"), O_RDWR | O_CREAT), -EMFILE);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
  PlainOperation advise(OperationKind::kAdvise);
  advise.descriptor = -1;
  EXPECT_EQ(CallNow(advise), -EBADF) << "posix_fadvise(3) returns its error";
}

TEST_F(CallNowTest, FindsPathsFromTheDirectoryThatIsGiven) {
  const std::string folder = Path("");
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_GE(directory, 0);
  const auto call = [directory](OperationKind kind, const char* path, const char* second,
                                uint32_t flags, uint32_t length) {
    PlainOperation operation(kind);
    operation.descriptor = operation.second_descriptor = directory;
    operation.address = const_cast<char*>(path);
    operation.second_address = second;
    operation.flags = flags;
    operation.length = length;
    return CallNow(operation);
  };
  EXPECT_EQ(call(OperationKind::kMakeDirectory, "d", nullptr, 0, 0700), 0);
  EXPECT_EQ(call(OperationKind::kSymbolicLink, "target", "d/link", 0, 0), 0);
  EXPECT_EQ(call(OperationKind::kLink, "d/link", "d/second", 0, 0), 0);
  EXPECT_EQ(call(OperationKind::kRename, "d/second", "d/third", 0, 0), 0);
  EXPECT_EQ(std::filesystem::read_symlink(Path("d/third")), "target");
  EXPECT_EQ(call(OperationKind::kUnlink, "d/link", nullptr, 0, 0), 0);
  EXPECT_EQ(call(OperationKind::kUnlink, "d/third", nullptr, 0, 0), 0);
  EXPECT_EQ(call(OperationKind::kUnlink, "d", nullptr, AT_REMOVEDIR, 0), 0);
  EXPECT_EQ(::close(directory), 0);
}

TEST_F(CallNowTest, GoesOnAfterASignal) {
  static std::atomic<int> handled = 0;
  struct sigaction action = {};
  struct sigaction previous;
  action.sa_handler = [](int) { ++handled; };  // without SA_RESTART: read(2) returns EINTR
  ASSERT_EQ(::sigaction(SIGRTMAX, &action, &previous), 0);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::thread sender([target = ::pthread_self(), writes = ends[1]] {
    while (handled < 20) {
      PELTON_CHECK(::pthread_kill(target, SIGRTMAX) == 0);
      std::this_thread::yield();
    }
    PELTON_CHECK(::write(writes, "x", 1) == 1);
  });
  char byte = 0;
  PlainOperation read(OperationKind::kStreamRead);
  read.descriptor = ends[0];
  read.address = &byte;
  read.length = 1;
  EXPECT_EQ(CallNow(read), 1);
  sender.join();
  EXPECT_EQ(byte, 'x');
  EXPECT_GE(handled.load(), 20);
  EXPECT_EQ(::close(ends[0]) + ::close(ends[1]), 0);
  ASSERT_EQ(::sigaction(SIGRTMAX, &previous, nullptr), 0);
}

TEST_F(CallNowTest, CallsAFunctionAndReturnsWhatItDoes) {
  int argument = 3;
  PlainOperation call(OperationKind::kCall);
  call.address = &argument;
  call.second_address =
      reinterpret_cast<const void*>(+[](void* value) { return -++*static_cast<int*>(value); });
  EXPECT_EQ(CallNow(call), -4);
  EXPECT_EQ(argument, 4);
}

TEST(CallNowDeathTest, RefusesWhatIsNotOfAFile) {
  PlainOperation close(OperationKind::kClose);
  EXPECT_DEATH(CallNow(close), "close is not done on a file");
}

}  // namespace
}  // namespace pelton::io
