// Operations on files, paths, streams and calls, at the driver's seam.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "io/file_operation.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::FileOperation;
using io::OperationKind;

class RecordedFileOperation final : public FileOperation {
 public:
  explicit RecordedFileOperation(OperationKind kind) : FileOperation(kind) {}
  ~RecordedFileOperation() { PELTON_CHECK(idle()); }
  void OnCompletion(const io::Completion& completion) override {
    EXPECT_FALSE(completion.more);
    result_ = completion.result;
    ++finals_;
  }
  int finals() const { return finals_; }
  int result() const { return result_; }

 private:
  int result_ = 0;
  int finals_ = 0;
};

class DriverFileTest : public DriverTest {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    std::string name = ::testing::TempDir() + "/pelton_file_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override {
    DriverTest::TearDown();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  int Finish(RecordedFileOperation& operation) {
    const int before = operation.finals();
    reactor().Start(operation);
    EXPECT_TRUE(harness().TurnUntil([&] { return operation.finals() == before + 1; }));
    return operation.result();
  }

  int Open(const std::string& path, int flags) {
    RecordedFileOperation open(OperationKind::kOpen);
    open_how how = {};
    how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & O_CREAT) != 0 ? 0600 : 0;
    open.descriptor = AT_FDCWD;
    open.address = const_cast<char*>(path.c_str());
    open.second_address = &how;
    return Finish(open);
  }
  int Transfer(OperationKind kind, int fd, std::string& bytes, uint64_t offset) {
    RecordedFileOperation transfer(kind);
    transfer.descriptor = fd;
    transfer.address = bytes.data();
    transfer.length = static_cast<uint32_t>(bytes.size());
    transfer.offset = offset;
    return Finish(transfer);
  }
  int OnDescriptor(OperationKind kind, int fd, uint64_t offset = 0, uint64_t second_offset = 0,
                   uint32_t flags = 0) {
    RecordedFileOperation operation(kind);
    operation.descriptor = fd;
    operation.offset = offset;
    operation.second_offset = second_offset;
    operation.flags = flags;
    return Finish(operation);
  }
  int OnPath(OperationKind kind, const std::string& path, const std::string& second = "",
             uint32_t flags = 0, uint32_t length = 0) {
    RecordedFileOperation operation(kind);
    operation.descriptor = operation.second_descriptor = AT_FDCWD;
    operation.address = const_cast<char*>(path.c_str());
    operation.second_address = second.c_str();
    operation.flags = flags;
    operation.length = length;
    return Finish(operation);
  }

 private:
  std::string directory_;
};

TEST_F(DriverFileTest, WritesAndReadsAtOffsets) {
  Descriptor file(Open(Path("f"), O_RDWR | O_CREAT));
  ASSERT_GE(file.get(), 0);
  std::string text = "hello, disk";
  EXPECT_EQ(Transfer(OperationKind::kWrite, file.get(), text, 5), 11);
  std::string read(32, '\0');
  EXPECT_EQ(Transfer(OperationKind::kRead, file.get(), read, 12), 4);
  EXPECT_EQ(read.substr(0, 4), "disk");
  EXPECT_EQ(Transfer(OperationKind::kRead, file.get(), read, 100), 0) << "the end";
  EXPECT_EQ(OnDescriptor(OperationKind::kSync, file.get()), 0);
  EXPECT_EQ(OnDescriptor(OperationKind::kSync, file.get(), 0, 0, FileOperation::kDataOnly), 0);
  Close(std::move(file));
}

TEST_F(DriverFileTest, AnOffsetOfNoneIsTheDescriptorsOwnPosition) {
  Descriptor file(Open(Path("f"), O_RDWR | O_CREAT));
  std::string first = "ab";
  std::string second = "cd";
  EXPECT_EQ(Transfer(OperationKind::kWrite, file.get(), first, FileOperation::kNoOffset), 2);
  EXPECT_EQ(Transfer(OperationKind::kWrite, file.get(), second, FileOperation::kNoOffset), 2);
  std::string read(8, '\0');
  EXPECT_EQ(Transfer(OperationKind::kRead, file.get(), read, 0), 4);
  EXPECT_EQ(read.substr(0, 4), "abcd");
  Close(std::move(file));
}

TEST_F(DriverFileTest, TransfersVectors) {
  Descriptor file(Open(Path("f"), O_RDWR | O_CREAT));
  std::string parts[] = {"one", "two"};
  iovec vectors[] = {{parts[0].data(), 3}, {parts[1].data(), 3}};
  RecordedFileOperation transfer(OperationKind::kWriteVector);
  transfer.descriptor = file.get();
  transfer.address = vectors;
  transfer.length = 2;
  EXPECT_EQ(Finish(transfer), 6);
  parts[0] = parts[1] = "...";
  transfer.kind = OperationKind::kReadVector;
  transfer.offset = 1;
  EXPECT_EQ(Finish(transfer), 5);
  EXPECT_EQ(parts[0] + parts[1], "netwo.");
  Close(std::move(file));
}

TEST_F(DriverFileTest, AllocatesTruncatesAndTellsTheSize) {
  Descriptor file(Open(Path("f"), O_RDWR | O_CREAT));
  const auto size = [&] {
    RecordedFileOperation stat(OperationKind::kStat);
    struct statx found = {};
    const std::string path = Path("f");
    stat.descriptor = AT_FDCWD;
    stat.address = const_cast<char*>(path.c_str());
    stat.second_address = &found;
    stat.length = STATX_SIZE;
    EXPECT_EQ(Finish(stat), 0);
    return found.stx_size;
  };
  EXPECT_EQ(OnDescriptor(OperationKind::kAllocate, file.get(), 0, 8192), 0);
  EXPECT_EQ(size(), 8192u);
  EXPECT_EQ(OnDescriptor(OperationKind::kTruncate, file.get(), 100), 0);
  EXPECT_EQ(size(), 100u);
  EXPECT_EQ(OnDescriptor(OperationKind::kAdvise, file.get(), 0, 0, POSIX_FADV_RANDOM), 0);
  Close(std::move(file));
}

TEST_F(DriverFileTest, ChangesPaths) {
  EXPECT_EQ(OnPath(OperationKind::kMakeDirectory, Path("d"), "", 0, 0700), 0);
  Close(Descriptor(Open(Path("d/a"), O_WRONLY | O_CREAT)));
  EXPECT_EQ(OnPath(OperationKind::kRename, Path("d/a"), Path("d/b")), 0);
  EXPECT_EQ(OnPath(OperationKind::kLink, Path("d/b"), Path("d/c")), 0);
  EXPECT_EQ(OnPath(OperationKind::kSymbolicLink, "b", Path("d/s")), 0);
  EXPECT_EQ(std::filesystem::read_symlink(Path("d/s")), "b");
  EXPECT_EQ(std::filesystem::hard_link_count(Path("d/c")), 2u);
  EXPECT_EQ(OnPath(OperationKind::kUnlink, Path("d/a")), -ENOENT);
  EXPECT_EQ(OnPath(OperationKind::kUnlink, Path("d"), "", AT_REMOVEDIR), -ENOTEMPTY);
  for (const char* name : {"d/b", "d/c", "d/s"}) {
    EXPECT_EQ(OnPath(OperationKind::kUnlink, Path(name)), 0) << name;
  }
  EXPECT_EQ(OnPath(OperationKind::kUnlink, Path("d"), "", AT_REMOVEDIR), 0);
}

TEST_F(DriverFileTest, AnErrorIsTheCalls) {
  EXPECT_EQ(Open(Path("missing"), O_RDONLY), -ENOENT);
  Descriptor file(Open(Path("f"), O_WRONLY | O_CREAT));
  std::string bytes(4, '\0');
  EXPECT_EQ(Transfer(OperationKind::kRead, file.get(), bytes, 0), -EBADF) << "write-only";
  Close(std::move(file));
}

TEST_F(DriverFileTest, WhatMayGoToAKernelThreadIsCounted) {
  const io::Reactor::Statistics& statistics = reactor().statistics();
  const bool by_the_ring =
      DriverUnderTest::IsUring() && DriverUnderTest::capabilities().file_operations;
  const int fd = Open(Path("counted"), O_RDWR | O_CREAT);
  const uint64_t before = statistics.kernel_worker_operations;
  RecordedFileOperation sync(OperationKind::kSync);
  sync.descriptor = fd;
  reactor().Start(sync);
  EXPECT_EQ(statistics.kernel_worker_operations_in_flight, 0u) << "it is not with the kernel yet";
  driver().Submit(reactor());
  EXPECT_EQ(statistics.kernel_worker_operations_in_flight, by_the_ring ? 1u : 0u);
  ASSERT_TRUE(harness().TurnUntil([&] { return sync.finals() == 1; }));
  EXPECT_EQ(statistics.kernel_worker_operations_in_flight, 0u);
  EXPECT_EQ(statistics.kernel_worker_operations, before + (by_the_ring ? 1 : 0));
  char byte;
  RecordedFileOperation read(OperationKind::kRead);
  read.descriptor = fd;
  read.address = &byte;
  read.length = 1;
  EXPECT_EQ(Finish(read), 0);
  EXPECT_EQ(statistics.kernel_worker_operations, before + (by_the_ring ? 1 : 0))
      << "a read waits without a thread";
  Close(Descriptor(fd));
}

TEST_F(DriverFileTest, SplicesBetweenAPipeAndAFile) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Descriptor reads(ends[0]);
  Descriptor writes(ends[1]);
  ASSERT_EQ(::write(writes.get(), "piped", 5), 5);
  Descriptor file(Open(Path("f"), O_RDWR | O_CREAT));
  RecordedFileOperation splice(OperationKind::kSplice);
  splice.descriptor = file.get();
  splice.second_descriptor = reads.get();
  splice.second_offset = FileOperation::kNoOffset;
  splice.length = 100;
  EXPECT_EQ(Finish(splice), 5);
  std::string read(8, '\0');
  EXPECT_EQ(Transfer(OperationKind::kRead, file.get(), read, 0), 5);
  EXPECT_EQ(read.substr(0, 5), "piped");
  Close(std::move(file));
}

TEST_F(DriverFileTest, CallsAFunctionOnAnotherThread) {
  std::thread::id where;
  RecordedFileOperation call(OperationKind::kCall);
  call.address = &where;
  call.second_address = reinterpret_cast<const void*>(+[](void* argument) {
    *static_cast<std::thread::id*>(argument) = std::this_thread::get_id();
    return -EDOM;
  });
  EXPECT_EQ(Finish(call), -EDOM);
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST_F(DriverFileTest, MoreCallsThanThreadsAllRunOnceAndQueuedOnesCanBeCancelled) {
  std::atomic<int> calls = 0;
  std::vector<std::unique_ptr<RecordedFileOperation>> operations;
  const size_t many = reactor().options().blocking_calls + 100;
  for (size_t i = 0; i < many; ++i) {
    auto& call =
        *operations.emplace_back(std::make_unique<RecordedFileOperation>(OperationKind::kCall));
    call.address = &calls;
    call.second_address = reinterpret_cast<const void*>(
        +[](void* argument) { return ++*static_cast<std::atomic<int>*>(argument) > 0 ? 0 : -1; });
    reactor().Start(call);
  }
  driver().Submit(reactor());
  for (size_t i = 1; i < many; i += 2) reactor().Cancel(*operations[i]);
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
  int ran = 0;
  for (size_t i = 0; i < many; ++i) {
    EXPECT_EQ(operations[i]->finals(), 1);
    if (i % 2 == 0) EXPECT_EQ(operations[i]->result(), 0);
    ran += operations[i]->result() == 0 ? 1 : 0;
  }
  EXPECT_EQ(calls.load(), ran);
  EXPECT_EQ(operations.back()->result(), -ECANCELED) << "it had not begun";
}

TEST_F(DriverFileTest, AStreamReadWaitsAndAWriteGoesOn) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Descriptor reads(ends[0]);
  Descriptor writes(ends[1]);
  char byte = 0;
  RecordedOperation read(OperationKind::kStreamRead, reads.get());
  read.address = &byte;
  read.length = 1;
  reactor().Start(read);
  for (int i = 0; i < 3; ++i) harness().Turn();
  EXPECT_FALSE(read.done());
  char sent = 'p';
  RecordedOperation write(OperationKind::kStreamWrite, writes.get());
  write.address = &sent;
  write.length = 1;
  reactor().Start(write);
  ASSERT_TRUE(harness().TurnUntil([&] { return read.done() && write.done(); }));
  EXPECT_EQ(write.result(), 1);
  EXPECT_EQ(read.result(), 1);
  EXPECT_EQ(byte, 'p');
  Close(std::move(writes));
  reactor().Start(read);
  ASSERT_TRUE(harness().TurnUntil([&] { return read.idle(); }));
  EXPECT_EQ(read.result(), 0) << "the end";
  Close(std::move(reads));
}

TEST_F(DriverFileTest, AStreamMayBeAFile) {
  Descriptor file(Open(Path("f"), O_RDWR | O_CREAT));
  char bytes[] = "text";
  for (const OperationKind kind : {OperationKind::kStreamWrite, OperationKind::kStreamRead}) {
    RecordedOperation transfer(kind, file.get());
    transfer.address = bytes;
    transfer.length = 4;
    reactor().Start(transfer);
    ASSERT_TRUE(harness().TurnUntil([&] { return transfer.done(); }));
    EXPECT_EQ(transfer.result(), kind == OperationKind::kStreamWrite ? 4 : 0);
  }
  Close(std::move(file));
}

}  // namespace
}  // namespace pelton::testing
