// The seam between the resolver and whoever asks the name servers.
//
// Shard affinity: one shard.

#ifndef PELTON_IO_NAMES_UPSTREAM_H_
#define PELTON_IO_NAMES_UPSTREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/names/dns_message.h"
#include "io/names/resolv_conf.h"

namespace pelton::io {

// What came of a question.
struct UpstreamReply {
  absl::Status status;       // why there is no message, without the name and the servers
  std::string_view message;  // a server's whole answer, good during the call
};

// Whoever asked.
class ReplySink {
 public:
  // Called once. Resumes nothing, asks nothing of the same upstream, and does not destroy it.
  virtual void OnReply(const UpstreamReply& reply) = 0;

 protected:
  ~ReplySink() = default;
};

struct UpstreamStatistics {
  uint64_t requests = 0;  // sent to a server: datagrams, and writes to TCP connections
  uint64_t timeouts = 0;  // requests that were not answered in time
};

class Upstream {
 public:
  // Answers everything that is still asked with CANCELLED.
  virtual ~Upstream() = default;

  // Asks; `sink` gets the reply once, perhaps within this call.
  virtual void Ask(const Question& question, ReplySink& sink) = 0;

  // Whom it asks, for messages: "127.0.0.1:53, [::1]:53".
  virtual std::string Servers() const = 0;
};

// Makes what asks the servers of `conf`. `statistics` outlives it.
struct UpstreamFactory {
  absl::StatusOr<std::unique_ptr<Upstream>> (*make)(void* context, const ResolvConf& conf,
                                                    UpstreamStatistics& statistics);
  void* context = nullptr;
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_UPSTREAM_H_
