#include "io/descriptor/readiness.h"

#include "absl/strings/str_cat.h"
#include "io/descriptor/descriptor_record.h"

namespace pelton {
namespace io {

void PollAwaiter::Describe(std::ostream& out) const {
  out << "events";
  if ((Operation::length & POLLIN) != 0) out << " readable";
  if ((Operation::length & POLLOUT) != 0) out << " writable";
  out << " of descriptor " << Operation::descriptor;
}

absl::Status PollAwaiter::Failure() const {
  if (result() >= 0) [[likely]]
    return absl::OkStatus();
  return OperationFailure(-result(), "wait for",
                          absl::StrCat("descriptor ", Operation::descriptor));
}

}  // namespace io

absl::StatusOr<int> AwaitEvents::await_resume() const {
  if (result() >= 0) [[likely]]
    return result();
  return Failure();
}

absl::Status AwaitReadable::await_resume() const { return Failure(); }

absl::Status AwaitWritable::await_resume() const { return Failure(); }

}  // namespace pelton
