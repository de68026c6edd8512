#include "io/names/service_port.h"

#include <netdb.h>
#include <netinet/in.h>

#include <cerrno>
#include <coroutine>
#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file_operation.h"
#include "io/names/dns_name.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton::io {
namespace {

// Looks a service up; yields its port, or a negative errno.
class [[nodiscard("co_await it")]] PortAwaiter final : public FileOperation, public Suspension {
 public:
  explicit PortAwaiter(const std::string& service)
      : FileOperation(OperationKind::kCall), service_(service) {
    address = const_cast<char*>(service.c_str());
    second_address = reinterpret_cast<const void*>(&FindPort);
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    Reactor::Current()->Start(*this);
  }
  int await_resume() const { return result_; }

 private:
  static int FindPort(void* name) {
    servent entry = {};
    servent* found = nullptr;
    char buffer[4096];
    const int error = ::getservbyname_r(static_cast<const char*>(name), "tcp", &entry, buffer,
                                        sizeof(buffer), &found);
    if (found != nullptr) return ntohs(static_cast<uint16_t>(found->s_port));
    return error == 0 ? -ENOENT : -error;
  }
  void OnCompletion(const Completion& completion) override {
    result_ = completion.result;
    Resume();
  }
  void Interrupt() override { Reactor::Current()->Cancel(*this); }
  void Describe(std::ostream& out) const override { out << "the port of service " << service_; }

  const std::string& service_;
  int result_ = -ECANCELED;
};

bool IsDigits(const std::string& text) {
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) return false;
  }
  return !text.empty();
}

}  // namespace

Task<absl::StatusOr<uint16_t>> LookUpServicePort(std::string service) {
  constexpr uint32_t kHighest = 65535;
  if (IsDigits(service)) {
    uint32_t port = 0;
    if (absl::SimpleAtoi(service, &port) && port <= kHighest) {
      co_return static_cast<uint16_t>(port);
    }
    co_return absl::InvalidArgumentError(absl::StrCat(
        "service ", QuotedName(service), ": expected a name or a number from 0 to ", kHighest));
  }
  if (!IsHostLabel(service)) {
    co_return absl::InvalidArgumentError(absl::StrCat(
        "service ", QuotedName(service), ": expected a name of letters, digits, '-' and '_'"));
  }
  const int result = co_await PortAwaiter(service);
  if (result >= 0) co_return static_cast<uint16_t>(result);
  const TaskContext& flow = Scheduler::Current()->current_context();
  if (result == -ECANCELED && flow.StoppedFrom(StopPhase::kAccepting)) co_return flow.StopStatus();
  if (result == -ENOENT) {
    co_return absl::NotFoundError(
        absl::StrCat("service ", QuotedName(service), " is not known (services(5)) over TCP"));
  }
  co_return ErrnoToStatus(-result, "look up service", service);
}

}  // namespace pelton::io
