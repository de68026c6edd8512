// Assertions for what only a defect in the program can cause. What a kernel, a peer or a user can
// cause is an absl::Status.
//
//   PELTON_CHECK(size <= capacity) << "size=" << size;    // always on
//   PELTON_DCHECK(list.CheckInvariants());                // in debug and sanitizer builds
//   PELTON_FATAL() << "unknown kind " << kind;            // unconditionally
//
// A failed check writes one line, `FATAL file:line: Check failed: condition message`, to stderr and
// aborts. A check that holds costs a compare and a branch; its message is not evaluated.

#ifndef PELTON_FRAMEWORK_BASE_CHECK_H_
#define PELTON_FRAMEWORK_BASE_CHECK_H_

#include <ostream>
#include <sstream>

namespace pelton::base_internal {

// Adds something to the message of every fatal error, such as where the running task awaits.
// `annotate` must not fail. Setting it again changes nothing when it is the same.
void SetFatalAnnotator(void (*annotate)(std::ostream& out));

// Collects the message of a failed check, writes it and aborts when it is destroyed.
class FatalMessage {
 public:
  FatalMessage(const char* file, int line, const char* condition);
  FatalMessage(const FatalMessage&) = delete;
  FatalMessage& operator=(const FatalMessage&) = delete;
  [[noreturn]] ~FatalMessage();

  std::ostream& stream() { return stream_; }

 private:
  std::ostringstream stream_;
};

// Turns the stream expression into void, so that both arms of the conditional agree.
struct Voidify {
  void operator&(std::ostream&) const {}
};

}  // namespace pelton::base_internal

#define PELTON_CHECK(condition)                     \
  __builtin_expect(static_cast<bool>(condition), 1) \
      ? static_cast<void>(0)                        \
      : ::pelton::base_internal::Voidify() &        \
            ::pelton::base_internal::FatalMessage(__FILE__, __LINE__, #condition).stream()

#define PELTON_FATAL() ::pelton::base_internal::FatalMessage(__FILE__, __LINE__, nullptr).stream()

#ifdef NDEBUG
// Compiled, so that it cannot rot, and never evaluated.
#define PELTON_DCHECK(condition) PELTON_CHECK(true || static_cast<bool>(condition))
#else
#define PELTON_DCHECK(condition) PELTON_CHECK(condition)
#endif

#endif  // PELTON_FRAMEWORK_BASE_CHECK_H_
