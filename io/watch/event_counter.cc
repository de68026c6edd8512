#include "io/watch/event_counter.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/descriptor/stream_awaiters.h"

namespace pelton {

EventPoster::~EventPoster() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

absl::Status EventPoster::Post(uint64_t count) const {
  if (count == 0 || count == std::numeric_limits<uint64_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat("post ", count, " events: expected 1 to 2^64 - 2"));
  }
  ssize_t written;
  do {
    written = ::write(descriptor_, &count, sizeof(count));
  } while (written < 0 && errno == EINTR);
  if (written == sizeof(count)) return absl::OkStatus();
  if (errno == EAGAIN) {
    return absl::ResourceExhaustedError("post events: the counter is full; nobody awaits them");
  }
  return ErrnoToStatus(errno, "post events");
}

absl::StatusOr<EventCounter> EventCounter::Create() {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return ErrnoToStatus(errno, "make an event counter");
  return EventCounter(
      io::DescriptorPointer(new io::DescriptorRecord(descriptor, "an event counter")));
}

absl::StatusOr<EventPoster> EventCounter::MakePoster() const {
  const int copy = ::fcntl(record_->descriptor(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0) return ErrnoToStatus(errno, "make a poster of an event counter");
  return EventPoster(copy);
}

Task<absl::StatusOr<uint64_t>> EventCounter::Await() {
  uint64_t count = 0;
  PELTON_CO_ASSIGN_OR_RETURN(
      const size_t bytes,
      co_await io::StreamReadAwaiter(*record_, {reinterpret_cast<char*>(&count), sizeof(count)}));
  PELTON_CHECK(bytes == sizeof(count)) << "an eventfd gave " << bytes << " bytes";
  co_return count;
}

}  // namespace pelton
