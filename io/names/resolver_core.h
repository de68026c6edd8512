// What is behind a Resolver: configuration, hosts, cache, and the questions that are on their way.
//
// Shard affinity: the shard that made it.
// Ownership: shared, by a count, between the Resolver, the tasks that look something up, and a load
// of the files that is going on. Whoever waits when the Resolver is destroyed is told CANCELLED; the
// record goes with the last of them.
// Invariants: 1. one question is on its way once, however many wait for it; 2. a question that
// nobody waits for any more goes on, and its answer is kept.
// Cost: a hit allocates what it hands out; a miss a record, and what asking costs.

#ifndef PELTON_IO_NAMES_RESOLVER_CORE_H_
#define PELTON_IO_NAMES_RESOLVER_CORE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/intrusive_list.h"
#include "io/file_operation.h"
#include "io/names/dns_cache.h"
#include "io/names/dns_message.h"
#include "io/names/dns_name.h"
#include "io/names/lru_map.h"
#include "io/names/name_files.h"
#include "io/names/resolver_options.h"
#include "io/names/upstream.h"
#include "sched/scheduler.h"
#include "sched/sync/event.h"
#include "sched/task.h"

namespace pelton::io {

class ResolverCore final {
 public:
  // Keeps the core alive.
  class Hold {
   public:
    explicit Hold(ResolverCore& core) : core_(&core) { ++core.holds_; }
    Hold(const Hold& other) : Hold(*other.core_) {}
    Hold& operator=(const Hold&) = delete;
    ~Hold() {
      if (--core_->holds_ == 0) delete core_;
    }
    ResolverCore* operator->() const { return core_; }
    ResolverCore& operator*() const { return *core_; }

   private:
    ResolverCore* const core_;
  };

  // What the factory refers to must outlive the core.
  static Hold Create(const ResolverOptions& options, const UpstreamFactory& factory) {
    return Hold(*new ResolverCore(options, factory));
  }
  ResolverCore(const ResolverCore&) = delete;
  ResolverCore& operator=(const ResolverCore&) = delete;

  // Ends everything that is on its way. Whoever comes later is refused.
  void Close();
  bool closed() const { return closed_; }

  // Sees to it that the files are read, and read again when they are due and have changed. ERRORS:
  // resolv.conf cannot be read, and never could; CANCELLED; the stop status.
  Task<absl::Status> Prepare();
  // Whether Prepare() has something to do.
  bool NeedsPreparation() const {
    return closed_ || upstream_ == nullptr || Scheduler::Current()->now() >= next_check_;
  }

  // Asks, unless the answer is known. ERRORS: as Resolver's, naming the question and the servers.
  // REQUIRES: Prepare() has succeeded.
  Task<absl::StatusOr<DnsAnswer>> Ask(Question question);

  // The names to try for `name`, in order.
  std::vector<std::string> Candidates(const DnsName& name) const;
  const HostsTable& hosts() const { return hosts_; }
  // The address that a connection to `destination` was made with last.
  LruMap<std::string, SocketAddress>& last_good() { return last_good_; }

  std::string Servers() const { return upstream_ == nullptr ? "nobody" : upstream_->Servers(); }
  ResolverStatistics GetStatistics() const;
  // What went wrong when the files were read last.
  const absl::Status& files_status() const { return files_status_; }

 private:
  // A question that is on its way.
  class Flight;
  // A task that waits for one.
  class Waiter;
  // Reads the files, on a thread that may block.
  class Load;

  ResolverCore(const ResolverOptions& options, const UpstreamFactory& factory);
  ~ResolverCore();

  void StartLoading();
  void OnLoaded(int result);
  void Configure(ResolvConf conf);
  // Adds the waiter to the question's flight, which starts when there is none.
  void Join(Waiter& waiter);
  void Finish(Flight& flight, const UpstreamReply& reply);
  absl::Status Annotate(const Question& question, const absl::Status& status) const;

  const ResolverOptions options_;
  const UpstreamFactory factory_;
  int holds_ = 0;
  bool closed_ = false;

  NameFilesJob job_;
  std::unique_ptr<Load> load_;  // while the files are being read
  Event loaded_;
  Timestamp next_check_;
  absl::Status files_status_;
  ResolvConf conf_;
  HostsTable hosts_;

  UpstreamStatistics upstream_statistics_;
  ResolverStatistics statistics_;
  DnsCache cache_;
  LruMap<std::string, SocketAddress> last_good_;
  absl::flat_hash_map<Question, std::unique_ptr<Flight>> flights_;
  // While the upstream is replaced: what its predecessor was still asked.
  std::vector<Flight*>* to_ask_again_ = nullptr;
  std::unique_ptr<Upstream> upstream_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_RESOLVER_CORE_H_
