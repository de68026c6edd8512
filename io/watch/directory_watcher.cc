#include "io/watch/directory_watcher.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/descriptor/call_awaiter.h"
#include "io/descriptor/descriptor_record.h"
#include "io/descriptor/stream_awaiters.h"
#include "sched/sync/event.h"

namespace pelton {
namespace {

// The limit as the kernel shows it; "unknown" when it does not. Of /proc: reading it does not block.
std::string KernelLimit(const char* name) {
  const std::string path = absl::StrCat("/proc/sys/fs/inotify/", name);
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return "unknown";
  char text[32];
  const ssize_t bytes = ::read(descriptor, text, sizeof(text));
  ::close(descriptor);
  std::string limit(text, bytes > 0 ? static_cast<size_t>(bytes) : 0);
  while (!limit.empty() && limit.back() == '\n') limit.pop_back();
  return limit.empty() ? "unknown" : limit;
}

// The error with what it means here and what mends it.
absl::Status LimitReached(const absl::Status& error, const char* limit, const char* what) {
  absl::Status explained = absl::ResourceExhaustedError(
      absl::StrCat(error.message(), ": this user has as many ", what, " as fs.inotify.", limit, "=",
                   KernelLimit(limit), " allows. To fix: sysctl -w fs.inotify.", limit, "=N"));
  error.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    explained.SetPayload(url, payload);
  });
  return explained;
}

}  // namespace

class DirectoryWatcher::State {
 public:
  explicit State(int descriptor)
      : record_(new io::DescriptorRecord(descriptor, "the events of a watcher")) {}

  Task<absl::StatusOr<WatchId>> Add(std::string path, uint32_t events) {
    const int descriptor = record_->descriptor();
    const auto add = [&] {
      const int watch = ::inotify_add_watch(descriptor, path.c_str(), events);
      return watch >= 0 ? watch : -errno;
    };
    ++starting_;
    none_starts_.Reset();
    const int watch = co_await io::CallAwaiter(add, "the start of a watch");
    if (watch >= 0) paths_[watch] = path;
    if (--starting_ == 0) none_starts_.Set();
    if (watch < 0) {
      absl::Status error = io::OperationFailure(-watch, "watch", path);
      co_return watch == -ENOSPC ? LimitReached(error, "max_user_watches", "watches") : error;
    }
    co_return static_cast<WatchId>(watch);
  }

  absl::Status Remove(WatchId watch) {
    const int number = static_cast<int>(watch);
    if (!paths_.contains(number)) {
      return absl::NotFoundError(absl::StrCat("there is no watch ", number, " to be removed"));
    }
    // The kernel may have ended it already, which is still to be told.
    if (::inotify_rm_watch(record_->descriptor(), number) == 0 || errno == EINVAL) {
      return absl::OkStatus();
    }
    return ErrnoToStatus(errno, "end the watch of", paths_[number]);
  }

  Task<absl::StatusOr<WatchEvent>> Next() {
    while (begin_ == end_) {
      begin_ = end_ = 0;
      PELTON_CO_ASSIGN_OR_RETURN(end_, co_await io::StreamReadAwaiter(*record_, buffer_));
    }
    // Events of a watch may be there before its Add() has come to write the path down.
    if (starting_ > 0 && !IsKnown()) PELTON_CO_RETURN_IF_ERROR(co_await none_starts_.Wait());
    co_return TakeEvent();
  }

 private:
  static constexpr size_t kBufferBytes = size_t{16} << 10;

  // REQUIRES: an event is in the buffer; the kernel writes them whole.
  inotify_event Header() const {
    inotify_event header;
    std::memcpy(&header, buffer_.data() + begin_, sizeof(header));
    return header;
  }
  // Whether the path of the next event's watch is known.
  bool IsKnown() const { return Header().wd < 0 || paths_.contains(Header().wd); }
  WatchEvent TakeEvent() {
    const inotify_event header = Header();
    const char* const name = buffer_.data() + begin_ + sizeof(header);
    begin_ += sizeof(header) + header.len;
    WatchEvent event;
    event.events = header.mask;
    event.cookie = header.cookie;
    event.lost = (header.mask & IN_Q_OVERFLOW) != 0;
    event.ended = (header.mask & IN_IGNORED) != 0;
    if (event.lost) return event;
    event.watch = static_cast<WatchId>(header.wd);
    event.name.assign(name, ::strnlen(name, header.len));
    if (const auto at = paths_.find(header.wd); at != paths_.end()) {
      event.path = at->second;
      if (event.ended) paths_.erase(at);
    }
    return event;
  }

  io::DescriptorPointer record_;
  std::map<int, std::string> paths_;  // of the watches
  int starting_ = 0;                  // calls of Add() that go on
  Event none_starts_{true};
  std::array<char, kBufferBytes> buffer_;
  size_t begin_ = 0;  // of what was not told
  size_t end_ = 0;
};

absl::StatusOr<DirectoryWatcher> DirectoryWatcher::Create() {
  const int descriptor = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (descriptor >= 0) return DirectoryWatcher(std::make_unique<State>(descriptor));
  const int error = errno;
  absl::Status status = ErrnoToStatus(error, "make a watcher of directories");
  // The same errno means two limits: that of watchers if another descriptor can be had.
  const int other = error == EMFILE ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
  if (other < 0) return status;
  ::close(other);
  return LimitReached(status, "max_user_instances", "watchers");
}

DirectoryWatcher::DirectoryWatcher(std::unique_ptr<State> state) : state_(std::move(state)) {}
DirectoryWatcher::DirectoryWatcher(DirectoryWatcher&& other) noexcept = default;
DirectoryWatcher& DirectoryWatcher::operator=(DirectoryWatcher&& other) noexcept = default;
DirectoryWatcher::~DirectoryWatcher() = default;

Task<absl::StatusOr<WatchId>> DirectoryWatcher::Add(std::string path, uint32_t events) {
  return state_->Add(std::move(path), events);
}

absl::Status DirectoryWatcher::Remove(WatchId watch) { return state_->Remove(watch); }

Task<absl::StatusOr<WatchEvent>> DirectoryWatcher::Next() { return state_->Next(); }

}  // namespace pelton
