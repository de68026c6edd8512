#include "io/file/temporary_name.h"

#include <cerrno>

#include "framework/base/log.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {

void TemporaryName::Abandon() {
  Operation::descriptor = directory_.descriptor();
  Operation::address = const_cast<char*>(name_.c_str());
  Reactor::Current()->Start(*this);
}

File TemporaryName::Keep() {
  File directory = std::move(directory_);
  delete this;
  return directory;
}

void TemporaryName::OnCompletion(const Completion& completion) {
  if (completion.result == -EINTR) return Reactor::Current()->Start(*this);
  if (completion.result < 0 && completion.result != -ENOENT) {
    LogLine(ToStd(ErrnoToStatus(-completion.result, "unlink", path().shown).message()));
  }
  delete this;
}

}  // namespace pelton::io
