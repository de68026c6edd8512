#include "io/file/direct_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <coroutine>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file_operation.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton {
namespace {

using io::FileOperation;
using io::OperationKind;

// struct statx of Linux 6.1, which C libraries may lack the end of. Source: man statx(2).
struct StatxResult {
  uint32_t mask;
  uint32_t before_size[9];
  uint64_t size;
  uint32_t before_alignment[26];
  uint32_t direct_memory_alignment;
  uint32_t direct_offset_alignment;
  uint32_t rest[24];
};
static_assert(offsetof(StatxResult, size) == 0x28);
static_assert(offsetof(StatxResult, direct_memory_alignment) == 0x98);
static_assert(sizeof(StatxResult) == 256);
constexpr uint32_t kStatxDirectAlignment = 0x2000;  // STATX_DIOALIGN

// An operation on a file that a task awaits; yields its result.
class FileCall final : public FileOperation, private Suspension {
 public:
  // `stops` is whether the task's being told to stop ends it.
  FileCall(OperationKind kind, int descriptor, bool stops = true)
      : FileOperation(kind), stops_(stops) {
    FileOperation::descriptor = descriptor;
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (stops_ && StoppedBeforeWaiting()) {
      result_ = -ECANCELED;
      return Requeue(task.promise());
    }
    Suspend(task.promise());
    io::Reactor::Current()->Start(*this);
  }
  int await_resume() const { return result_; }

 private:
  void OnCompletion(const io::Completion& completion) override {
    result_ = completion.result;
    Resume();
  }
  void Interrupt() override {
    if (stops_) io::Reactor::Current()->Cancel(*this);
  }
  void Describe(std::ostream& out) const override {
    out << io::OperationKindName(kind) << " of a direct file, descriptor " << descriptor;
  }

  const bool stops_;
  int result_ = 0;
};

// What a kernel before 6.1 leaves to find out, by calls that may block.
struct AlignmentQuery {
  int descriptor;
  int bytes;
};

// Sets AlignmentQuery::bytes to the block of the device, or of the file system.
int AskForBlock(void* argument) {
  auto& query = *static_cast<AlignmentQuery*>(argument);
  struct stat status;
  if (::fstat(query.descriptor, &status) != 0) return -errno;
  if (S_ISBLK(status.st_mode)) {
    return ::ioctl(query.descriptor, BLKSSZGET, &query.bytes) == 0 ? 0 : -errno;
  }
  struct statfs file_system;
  if (::fstatfs(query.descriptor, &file_system) != 0) return -errno;
  query.bytes = static_cast<int>(file_system.f_bsize);
  return 0;
}

absl::Status NoDirectIo(std::string_view path) {
  return absl::UnimplementedError(
      absl::StrCat("open ", std::string(path),
                   ": its file system has no direct I/O (O_DIRECT); use one that has, or File"));
}

}  // namespace

Task<absl::StatusOr<DirectFile>> DirectFile::Open(std::string path) {
  return Open(std::move(path), Options());
}

Task<absl::StatusOr<DirectFile>> DirectFile::Open(std::string path, Options options) {
  int flags = O_DIRECT | O_CLOEXEC | (options.write ? O_RDWR : O_RDONLY);
  if (options.create) flags |= O_CREAT;
  if (options.exclusive) flags |= O_EXCL;
  if (options.truncate) flags |= O_TRUNC;
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags);
  how.mode = options.create ? options.mode : 0;
  FileCall open(OperationKind::kOpen, AT_FDCWD);
  open.address = path.data();
  open.second_address = &how;
  const int descriptor = co_await open;
  if (descriptor == -EINVAL) co_return NoDirectIo(path);
  if (descriptor < 0) co_return io::DirectFileError(-descriptor, "open", path);
  // From here on the file closes itself.
  DirectFile file(new io::DirectFileRecord(descriptor, std::move(path)));
  PELTON_CO_RETURN_IF_ERROR(co_await file.FindAlignment());
  co_return std::move(file);
}

Task<absl::Status> DirectFile::FindAlignment() {
  io::DirectFileRecord& record = *record_;
  const io::DirectFileRecord::Use use(record);
  StatxResult found = {};
  FileCall stat(OperationKind::kStat, record.descriptor());
  stat.address = const_cast<char*>("");
  stat.second_address = &found;
  stat.flags = AT_EMPTY_PATH;
  stat.length = kStatxDirectAlignment;
  const int result = co_await stat;
  if (result < 0) co_return record.Error(-result, "stat");
  if ((found.mask & kStatxDirectAlignment) != 0) {
    if (found.direct_offset_alignment == 0) co_return NoDirectIo(record.path());
    record.set_alignment({.memory = std::bit_ceil(found.direct_memory_alignment),
                          .offset = std::bit_ceil(found.direct_offset_alignment)});
    co_return absl::OkStatus();
  }
  AlignmentQuery query = {.descriptor = record.descriptor(), .bytes = 0};
  FileCall ask(OperationKind::kCall, -1);
  ask.address = &query;
  ask.second_address = reinterpret_cast<const void*>(&AskForBlock);
  const int answer = co_await ask;
  if (answer < 0) co_return record.Error(-answer, "find the block of");
  const uint32_t block = std::bit_ceil(static_cast<uint32_t>(std::clamp(query.bytes, 512, 4096)));
  record.set_alignment({.memory = block, .offset = block});
  co_return absl::OkStatus();
}

Task<absl::Status> DirectFile::Sync() {
  io::DirectFileRecord& record = *record_;
  const io::DirectFileRecord::Use use(record);
  const int result = co_await FileCall(OperationKind::kSync, record.descriptor());
  co_return result < 0 ? record.Error(-result, "sync") : absl::OkStatus();
}

Task<absl::Status> DirectFile::SyncData() {
  io::DirectFileRecord& record = *record_;
  const io::DirectFileRecord::Use use(record);
  FileCall sync(OperationKind::kSync, record.descriptor());
  sync.flags = FileOperation::kDataOnly;
  const int result = co_await sync;
  co_return result < 0 ? record.Error(-result, "sync") : absl::OkStatus();
}

Task<absl::Status> DirectFile::Allocate(uint64_t offset, uint64_t bytes) {
  io::DirectFileRecord& record = *record_;
  const io::DirectFileRecord::Use use(record);
  FileCall allocate(OperationKind::kAllocate, record.descriptor());
  allocate.offset = offset;
  allocate.second_offset = bytes;
  const int result = co_await allocate;
  co_return result < 0 ? record.Error(-result, "allocate room in") : absl::OkStatus();
}

Task<absl::Status> DirectFile::Truncate(uint64_t bytes) {
  io::DirectFileRecord& record = *record_;
  const io::DirectFileRecord::Use use(record);
  FileCall truncate(OperationKind::kTruncate, record.descriptor());
  truncate.offset = bytes;
  const int result = co_await truncate;
  co_return result < 0 ? record.Error(-result, "truncate") : absl::OkStatus();
}

Task<absl::StatusOr<uint64_t>> DirectFile::Size() {
  io::DirectFileRecord& record = *record_;
  const io::DirectFileRecord::Use use(record);
  StatxResult found = {};
  FileCall stat(OperationKind::kStat, record.descriptor());
  stat.address = const_cast<char*>("");
  stat.second_address = &found;
  stat.flags = AT_EMPTY_PATH;
  stat.length = STATX_SIZE;
  const int result = co_await stat;
  if (result < 0) co_return record.Error(-result, "stat");
  co_return found.size;
}

Task<absl::Status> DirectFile::Close() {
  const std::string path = record_->path();
  const int descriptor = record_.release()->Detach();
  const int result = co_await FileCall(OperationKind::kClose, descriptor, /*stops=*/false);
  co_return result < 0 ? ErrnoToStatus(-result, "close", path) : absl::OkStatus();
}

}  // namespace pelton
