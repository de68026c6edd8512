#include "io/names/resolver_core.h"

#include <coroutine>
#include <optional>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "io/reactor.h"

namespace pelton::io {
namespace {

// Destinations whose last good address is remembered.
constexpr size_t kMostDestinations = 1024;

absl::Status Destroyed() { return absl::CancelledError("the resolver was destroyed"); }

}  // namespace

class ResolverCore::Waiter final : public Suspension, public ListHook<Waiter> {
 public:
  Waiter(ResolverCore& core, Question question) : core_(core), question_(std::move(question)) {}

  const Question& question() const { return question_; }
  void Deliver(const absl::StatusOr<DnsAnswer>& answer) {
    answer_ = answer;
    Resume();
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    core_.Join(*this);
  }
  absl::StatusOr<DnsAnswer> await_resume() {
    if (answer_.has_value()) return *std::move(answer_);
    return Scheduler::Current()->current_context().StopStatus();
  }

 private:
  // The question goes on, for those who wait with this one, and for the cache.
  void Interrupt() override {
    if (linked()) Unlink();
    Resume();
  }
  void Describe(std::ostream& out) const override {
    out << RecordTypeName(question_.type) << " records of " << question_.name << " from "
        << core_.Servers();
  }

  ResolverCore& core_;
  const Question question_;
  std::optional<absl::StatusOr<DnsAnswer>> answer_;
};

class ResolverCore::Flight final : public ReplySink {
 public:
  Flight(ResolverCore& core, const Question& question) : core_(core), question_(question) {}

  const Question& question() const { return question_; }
  IntrusiveList<Waiter>& waiters() { return waiters_; }

 private:
  void OnReply(const UpstreamReply& reply) override { core_.Finish(*this, reply); }

  ResolverCore& core_;
  const Question question_;
  IntrusiveList<Waiter> waiters_;
};

class ResolverCore::Load final : public FileOperation {
 public:
  explicit Load(ResolverCore& core) : FileOperation(OperationKind::kCall), core_(core) {
    address = &core.job_;
    second_address = reinterpret_cast<const void*>(&Run);
  }

 private:
  static int Run(void* job) {
    LoadNameFiles(*static_cast<NameFilesJob*>(job));
    return 0;
  }
  void OnCompletion(const Completion& completion) override {
    const Hold hold = core_;  // this record goes within the call
    hold->OnLoaded(completion.result);
  }

  const Hold core_;
};

ResolverCore::ResolverCore(const ResolverOptions& options, const UpstreamFactory& factory)
    : options_(options),
      factory_(factory),
      cache_({.most_entries = options.most_cached,
              .min_ttl = options.min_ttl,
              .max_ttl = options.max_ttl,
              .max_negative_ttl = options.max_negative_ttl}),
      last_good_(kMostDestinations) {
  job_.resolv_conf_path = options.resolv_conf;
  job_.hosts_path = options.hosts;
}

ResolverCore::~ResolverCore() { PELTON_CHECK(closed_ && flights_.empty() && load_ == nullptr); }

void ResolverCore::Close() {
  closed_ = true;
  if (load_ != nullptr) Reactor::Current()->Cancel(*load_);
  loaded_.Set();
  upstream_.reset();  // which answers every question
}

Task<absl::Status> ResolverCore::Prepare() {
  bool waited = false;
  while (NeedsPreparation() || load_ != nullptr) {  // pelton: bounded one load is waited for
    if (closed_) co_return Destroyed();
    if (waited) break;
    if (load_ == nullptr) StartLoading();
    if (load_ != nullptr) PELTON_CO_RETURN_IF_ERROR(co_await loaded_.Wait());
    waited = true;
  }
  if (closed_) co_return Destroyed();
  co_return upstream_ != nullptr ? absl::OkStatus() : files_status_;
}

void ResolverCore::StartLoading() {
  if (options_.resolv_conf.empty() && options_.hosts.empty()) {
    Configure(ParseResolvConf(""));
    next_check_ = Timestamp::InfiniteFuture();
    return;
  }
  loaded_.Reset();
  load_ = std::make_unique<Load>(*this);
  Reactor::Current()->Start(*load_);
}

void ResolverCore::OnLoaded(int result) {
  const std::unique_ptr<Load> load = std::move(load_);
  if (closed_) return;
  next_check_ = Scheduler::Current()->PreciseNow() + options_.reload_interval;
  files_status_ =
      result < 0 ? ErrnoToStatus(-result, "read", options_.resolv_conf + " and " + options_.hosts)
                 : job_.status;
  if (!files_status_.ok()) ++statistics_.file_errors;
  if (job_.resolv_conf.has_value() || job_.hosts.has_value()) ++statistics_.file_loads;
  if (job_.hosts.has_value()) hosts_ = *std::exchange(job_.hosts, std::nullopt);
  if (job_.resolv_conf.has_value()) Configure(*std::exchange(job_.resolv_conf, std::nullopt));
  loaded_.Set();
}

// What other servers have said is forgotten, and what they were still asked goes to the new ones:
// most likely the network has changed, and the old ones are gone.
void ResolverCore::Configure(ResolvConf conf) {
  conf_ = std::move(conf);
  if (!options_.servers.empty()) conf_.servers = options_.servers;
  if (options_.search.has_value()) conf_.domains = *options_.search;
  if (options_.ndots.has_value()) conf_.ndots = *options_.ndots;
  if (options_.timeout.has_value()) conf_.timeout = *options_.timeout;
  if (options_.attempts.has_value()) conf_.attempts = *options_.attempts;
  absl::StatusOr<std::unique_ptr<Upstream>> made =
      factory_.make(factory_.context, conf_, upstream_statistics_);
  if (!made.ok()) {
    files_status_ = made.status();
    ++statistics_.file_errors;
    return;
  }
  std::vector<Flight*> again;
  to_ask_again_ = &again;
  upstream_ = *std::move(made);
  to_ask_again_ = nullptr;
  cache_.Clear();
  for (Flight* flight : again) upstream_->Ask(flight->question(), *flight);
}

std::vector<std::string> ResolverCore::Candidates(const DnsName& name) const {
  std::vector<std::string> candidates;
  const bool as_it_stands_first = name.absolute || name.dots >= conf_.ndots;
  if (as_it_stands_first) candidates.push_back(name.text);
  if (!name.absolute) {
    for (const std::string& domain : conf_.domains) {
      std::string candidate = name.text + "." + domain;
      if (candidate.size() <= kLongestDnsName) candidates.push_back(std::move(candidate));
    }
  }
  if (!as_it_stands_first) candidates.push_back(name.text);
  return candidates;
}

Task<absl::StatusOr<DnsAnswer>> ResolverCore::Ask(Question question) {
  if (closed_) co_return Destroyed();
  if (const DnsAnswer* known = cache_.Find(question, Scheduler::Current()->now())) {
    ++statistics_.hits;
    co_return *known;
  }
  ++statistics_.misses;
  co_return co_await Waiter(*this, std::move(question));
}

void ResolverCore::Join(Waiter& waiter) {
  if (const auto found = flights_.find(waiter.question()); found != flights_.end()) {
    ++statistics_.joined;
    found->second->waiters().PushBack(waiter);
    return;
  }
  if (flights_.size() >= options_.most_queries) {
    return waiter.Deliver(Annotate(
        waiter.question(),
        absl::ResourceExhaustedError(absl::StrCat("as many questions as may be are on their way (",
                                                  options_.most_queries, ")"))));
  }
  auto made = std::make_unique<Flight>(*this, waiter.question());
  Flight& flight = *made;
  flights_.emplace(waiter.question(), std::move(made));
  flight.waiters().PushBack(waiter);
  ++statistics_.queries;
  upstream_->Ask(flight.question(), flight);
}

void ResolverCore::Finish(Flight& flight, const UpstreamReply& reply) {
  if (to_ask_again_ != nullptr) {
    to_ask_again_->push_back(&flight);
    return;
  }
  const auto found = flights_.find(flight.question());
  const std::unique_ptr<Flight> ended = std::move(found->second);
  flights_.erase(found);
  absl::StatusOr<DnsAnswer> answer = reply.status.ok()
                                         ? ReadAnswer(reply.message, ended->question())
                                         : absl::StatusOr<DnsAnswer>(reply.status);
  if (answer.ok()) {
    cache_.Insert(ended->question(), *answer, Scheduler::Current()->PreciseNow());
  } else {
    ++statistics_.failures;
    answer = Annotate(ended->question(), answer.status());
  }
  while (Waiter* waiter = ended->waiters().PopFront()) waiter->Deliver(answer);
}

absl::Status ResolverCore::Annotate(const Question& question, const absl::Status& status) const {
  const std::string servers = closed_ ? "" : absl::StrCat(" (asked ", Servers(), ")");
  absl::Status result(status.code(),
                      absl::StrCat("resolve ", question.name, " (", RecordTypeName(question.type),
                                   "): ", status.message(), servers));
  status.ForEachPayload([&](auto type, const auto& payload) { result.SetPayload(type, payload); });
  return result;
}

ResolverStatistics ResolverCore::GetStatistics() const {
  ResolverStatistics result = statistics_;
  result.requests = upstream_statistics_.requests;
  result.timeouts = upstream_statistics_.timeouts;
  result.retries = result.requests > result.queries ? result.requests - result.queries : 0;
  result.evictions = cache_.evictions();
  result.cached = cache_.size();
  result.in_flight = flights_.size();
  return result;
}

}  // namespace pelton::io
