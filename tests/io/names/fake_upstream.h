// An upstream that answers from a table after a delay of the shard's clock, without any socket.

#ifndef PELTON_TESTS_IO_NAMES_FAKE_UPSTREAM_H_
#define PELTON_TESTS_IO_NAMES_FAKE_UPSTREAM_H_

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "io/names/resolver_core.h"
#include "io/names/upstream.h"
#include "sched/scheduler.h"
#include "tests/support/dns_message_writer.h"

namespace pelton::testing {

// What the fake knows, and what it was asked. Outlives the resolvers that ask it.
struct FakeZone {
  struct Entry {
    absl::Duration delay;
    std::string message;  // empty: the status is the reply
    absl::Status status;
  };

  // An address that is good for `seconds`; an empty text says that there is no such name.
  void Add(const std::string& name, io::RecordType type, const std::string& data, uint32_t seconds,
           absl::Duration delay = absl::Milliseconds(10)) {
    const std::string question = QuestionBytes(name, type);
    entries[{name, type}] = {
        delay,
        data.empty()
            ? AnswerHeader(1, 3, 0, 1) + question +
                  RecordBytes(NameBytes(name), io::RecordType::kAuthority, seconds,
                              AuthorityData(seconds))
            : AnswerHeader(1, 0, 1) + question + RecordBytes(NameBytes(name), type, seconds, data),
        absl::OkStatus()};
  }
  void Fail(const std::string& name, io::RecordType type, absl::Status status,
            absl::Duration delay = absl::Milliseconds(10)) {
    entries[{name, type}] = {delay, "", std::move(status)};
  }
  io::UpstreamFactory Factory();

  std::map<std::pair<std::string, io::RecordType>, Entry> entries;
  int asked = 0;
};

class FakeUpstream final : public io::Upstream {
 public:
  explicit FakeUpstream(FakeZone& zone) : zone_(zone) {}
  ~FakeUpstream() override {
    while (!pending_.empty()) {
      const std::unique_ptr<Pending> last = std::move(pending_.back());
      pending_.pop_back();
      Scheduler::Current()->timers().Cancel(*last);
      last->sink.OnReply(
          {.status = absl::CancelledError("the resolver was destroyed"), .message = {}});
    }
  }

  void Ask(const io::Question& question, io::ReplySink& sink) override {
    ++zone_.asked;
    const auto found = zone_.entries.find({question.name, question.type});
    PELTON_CHECK(found != zone_.entries.end()) << question.name << " is not in the fake zone";
    pending_.push_back(std::make_unique<Pending>(*this, sink, found->second));
    Scheduler::Current()->timers().Arm(
        *pending_.back(), (Scheduler::Current()->PreciseNow() + found->second.delay).nanoseconds());
  }
  std::string Servers() const override { return "the fake"; }

 private:
  struct Pending final : Timer {
    Pending(FakeUpstream& the_upstream, io::ReplySink& the_sink, FakeZone::Entry the_entry)
        : upstream(the_upstream), sink(the_sink), entry(std::move(the_entry)) {}
    void Fire() override { upstream.Reply(*this); }

    FakeUpstream& upstream;
    io::ReplySink& sink;
    const FakeZone::Entry entry;
  };

  void Reply(Pending& pending) {
    const auto found = std::find_if(pending_.begin(), pending_.end(),
                                    [&](const auto& one) { return one.get() == &pending; });
    const std::unique_ptr<Pending> ended = std::move(*found);
    pending_.erase(found);
    ended->sink.OnReply({.status = ended->entry.status, .message = ended->entry.message});
  }

  FakeZone& zone_;
  std::vector<std::unique_ptr<Pending>> pending_;
};

inline io::UpstreamFactory FakeZone::Factory() {
  return {.make = [](void* zone, const io::ResolvConf&,
                     io::UpstreamStatistics&) -> absl::StatusOr<std::unique_ptr<io::Upstream>> {
            return std::make_unique<FakeUpstream>(*static_cast<FakeZone*>(zone));
          },
          .context = this};
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_IO_NAMES_FAKE_UPSTREAM_H_
