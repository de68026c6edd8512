#include "io/uring/prepare.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/uio.h>

#include <cstdint>

#include "gtest/gtest.h"

namespace pelton::io {
namespace {

class Request final : public FileOperation {
 public:
  explicit Request(OperationKind kind) : FileOperation(kind) {
    descriptor = 7;
    offset = 0x1'2345'6789;
    length = 4096;
    address = memory;
  }
  void OnCompletion(const Completion&) override {}

  char memory[16] = "name";
};

io_uring_sqe Prepared(const FileOperation& operation) {
  io_uring_sqe entry = {};
  PrepareFileOperation(operation, &entry);
  return entry;
}

uint64_t AddressOf(const void* memory) { return reinterpret_cast<uintptr_t>(memory); }

TEST(PrepareTest, TransfersCarryDescriptorMemoryOffsetAndFlags) {
  for (OperationKind kind : {OperationKind::kRead, OperationKind::kWrite,
                             OperationKind::kReadVector, OperationKind::kWriteVector}) {
    Request request(kind);
    request.flags = RWF_DSYNC;
    const io_uring_sqe entry = Prepared(request);
    EXPECT_EQ(entry.fd, 7) << OperationKindName(kind);
    EXPECT_EQ(entry.addr, AddressOf(request.memory));
    EXPECT_EQ(entry.len, 4096u);
    EXPECT_EQ(entry.off, 0x1'2345'6789u);
    EXPECT_EQ(entry.rw_flags, RWF_DSYNC);
  }
  EXPECT_EQ(Prepared(Request(OperationKind::kRead)).opcode, IORING_OP_READ);
  EXPECT_EQ(Prepared(Request(OperationKind::kWriteVector)).opcode, IORING_OP_WRITEV);
}

TEST(PrepareTest, RegisteredMemoryIsNamedByItsIndex) {
  Request read(OperationKind::kRead);
  read.buffer = 3;
  EXPECT_EQ(Prepared(read).opcode, IORING_OP_READ_FIXED);
  EXPECT_EQ(Prepared(read).buf_index, 3);
  Request write(OperationKind::kWrite);
  write.buffer = 0;
  EXPECT_EQ(Prepared(write).opcode, IORING_OP_WRITE_FIXED);
  EXPECT_EQ(Prepared(write).buf_index, 0);
  EXPECT_EQ(Prepared(write).off, 0x1'2345'6789u);
}

TEST(PrepareTest, AFileWithoutAPositionHasTheOffsetThatMeansNone) {
  Request request(OperationKind::kRead);
  request.offset = FileOperation::kNoOffset;
  EXPECT_EQ(Prepared(request).off, ~uint64_t{0});
}

TEST(PrepareTest, SyncsMetadataTooUnlessToldNotTo) {
  Request request(OperationKind::kSync);
  EXPECT_EQ(Prepared(request).fsync_flags, 0u);
  request.flags = FileOperation::kDataOnly;
  EXPECT_EQ(Prepared(request).fsync_flags, IORING_FSYNC_DATASYNC);
}

TEST(PrepareTest, SizesBeyondTwoGibibytesAreKept) {
  Request allocate(OperationKind::kAllocate);
  allocate.offset = uint64_t{1} << 40;
  allocate.second_offset = uint64_t{3} << 32;
  allocate.flags = FALLOC_FL_KEEP_SIZE;
  EXPECT_EQ(Prepared(allocate).opcode, IORING_OP_FALLOCATE);
  EXPECT_EQ(Prepared(allocate).off, uint64_t{1} << 40);
  EXPECT_EQ(Prepared(allocate).addr, uint64_t{3} << 32);
  EXPECT_EQ(Prepared(allocate).len, static_cast<uint32_t>(FALLOC_FL_KEEP_SIZE));
  Request truncate(OperationKind::kTruncate);
  truncate.offset = uint64_t{1} << 41;
  EXPECT_EQ(Prepared(truncate).off, uint64_t{1} << 41);
  EXPECT_EQ(Prepared(truncate).opcode, 55);
}

TEST(PrepareTest, PathsCarryBothDirectoriesAndBothNames) {
  const char* second = "other";
  for (OperationKind kind : {OperationKind::kRename, OperationKind::kLink}) {
    Request request(kind);
    request.descriptor = AT_FDCWD;
    request.second_descriptor = 9;
    request.second_address = second;
    request.flags = 1;
    const io_uring_sqe entry = Prepared(request);
    EXPECT_EQ(entry.fd, AT_FDCWD) << OperationKindName(kind);
    EXPECT_EQ(entry.addr, AddressOf(request.memory));
    EXPECT_EQ(entry.len, 9u);
    EXPECT_EQ(entry.off, AddressOf(second));
    EXPECT_EQ(entry.rename_flags, 1u);
  }
  Request link(OperationKind::kSymbolicLink);
  link.second_descriptor = 9;
  link.second_address = second;
  const io_uring_sqe entry = Prepared(link);
  EXPECT_EQ(entry.fd, 9) << "the new name's directory";
  EXPECT_EQ(entry.addr, AddressOf(link.memory)) << "what it refers to";
  EXPECT_EQ(entry.off, AddressOf(second));
}

TEST(PrepareTest, OpenAndStatPointToWhatTheyNeed) {
  open_how how = {};
  Request open(OperationKind::kOpen);
  open.second_address = &how;
  EXPECT_EQ(Prepared(open).opcode, IORING_OP_OPENAT2);
  EXPECT_EQ(Prepared(open).off, AddressOf(&how));
  EXPECT_EQ(Prepared(open).len, sizeof(how));
  Request stat(OperationKind::kStat);
  stat.length = STATX_SIZE;
  stat.flags = AT_SYMLINK_NOFOLLOW;
  EXPECT_EQ(Prepared(stat).opcode, IORING_OP_STATX);
  EXPECT_EQ(Prepared(stat).len, static_cast<uint32_t>(STATX_SIZE));
  EXPECT_EQ(Prepared(stat).statx_flags, static_cast<uint32_t>(AT_SYMLINK_NOFOLLOW));
}

TEST(PrepareTest, UnlinkAndMakeDirectoryCarryFlagsAndMode) {
  Request unlink(OperationKind::kUnlink);
  unlink.flags = AT_REMOVEDIR;
  EXPECT_EQ(Prepared(unlink).opcode, IORING_OP_UNLINKAT);
  EXPECT_EQ(Prepared(unlink).unlink_flags, static_cast<uint32_t>(AT_REMOVEDIR));
  Request make(OperationKind::kMakeDirectory);
  make.length = 0750;
  EXPECT_EQ(Prepared(make).opcode, IORING_OP_MKDIRAT);
  EXPECT_EQ(Prepared(make).len, 0750u);
}

TEST(PrepareTest, SplicesFromTheSecondDescriptorToTheFirst) {
  Request splice(OperationKind::kSplice);
  splice.second_descriptor = 11;
  splice.second_offset = 5;
  splice.offset = FileOperation::kNoOffset;
  splice.flags = SPLICE_F_MOVE;
  const io_uring_sqe entry = Prepared(splice);
  EXPECT_EQ(entry.fd, 7);
  EXPECT_EQ(entry.splice_fd_in, 11);
  EXPECT_EQ(entry.splice_off_in, 5u);
  EXPECT_EQ(entry.off, ~uint64_t{0});
  EXPECT_EQ(entry.len, 4096u);
  EXPECT_EQ(entry.splice_flags, static_cast<uint32_t>(SPLICE_F_MOVE));
}

}  // namespace
}  // namespace pelton::io
