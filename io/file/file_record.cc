#include "io/file/file_record.h"

#include <cerrno>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {

FileRecord::FileRecord(int descriptor, std::string path, bool appends)
    : Operation(OperationKind::kClose), path_(std::move(path)), appends_(appends) {
  Operation::descriptor = descriptor;
}

void FileRecord::Abandon() {
  PELTON_CHECK(users_ == 0) << path_ << " was closed during an operation on it";
  Reactor::Current()->Start(*this);
}

void FileRecord::OnCompletion(const Completion& completion) {
  // Whatever close(2) says, the descriptor is gone.
  if (completion.result < 0 && completion.result != -EINTR) {
    LogLine(ToStd(ErrnoToStatus(-completion.result, "close of", path_).message()));
  }
  delete this;
}

CloseAwaiter::CloseAwaiter(FileRecord& record)
    : Operation(OperationKind::kClose), Suspension(StopPhase::kEverything) {
  PELTON_CHECK(record.users() == 0) << record.path() << " was closed during an operation on it";
  Operation::descriptor = record.descriptor();
  delete &record;
}

void CloseAwaiter::OnCompletion(const Completion& completion) {
  // After EINTR the descriptor is gone, too.
  result_ = completion.result == -EINTR ? 0 : completion.result;
  Resume();
}

}  // namespace pelton::io
