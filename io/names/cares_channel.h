// Asks name servers by means of c-ares: what it sends when, to whom, over UDP or TCP, and which
// answers it believes are c-ares' business; its sockets and its time-outs are this shard's.
//
// c-ares starts no thread, reads no file and blocks nowhere as it is set up here: servers and
// options come from resolv.conf as ResolvConf has them, its sockets are made and watched here, and
// its time-outs are a timer of the shard's wheel.
//
// Shard affinity: the shard that made it.
// Ownership: owns the channel; sockets close themselves (watched_socket.h). Destroying it answers
// everything that is still asked with CANCELLED.
// Invariant: a turn takes a bounded number of messages from a socket, however many there are.
// Cost: a question allocates, sends one datagram, and, when none was going on, opens a socket: so
// that each burst of questions has a source port of its own, which whoever wants to forge an answer
// must guess.

#ifndef PELTON_IO_NAMES_CARES_CHANNEL_H_
#define PELTON_IO_NAMES_CARES_CHANNEL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/names/resolv_conf.h"
#include "io/names/upstream.h"
#include "io/names/watched_socket.h"
#include "sched/scheduler.h"

struct ares_channeldata;

namespace pelton::io {

class CaresChannel final : public Upstream, private SocketOwner, private Timer {
 public:
  // Messages that are taken from a socket in a turn at most.
  static constexpr int kMessagesPerTurn = 32;

  // `statistics` must outlive the channel. ERRORS: RESOURCE_EXHAUSTED without memory.
  static absl::StatusOr<std::unique_ptr<Upstream>> Create(const ResolvConf& conf,
                                                          UpstreamStatistics& statistics);
  ~CaresChannel() override;
  CaresChannel(const CaresChannel&) = delete;
  CaresChannel& operator=(const CaresChannel&) = delete;

  void Ask(const Question& question, ReplySink& sink) override;
  std::string Servers() const override;

 private:
  struct SocketCalls;  // what c-ares calls instead of the system
  struct Asked;

  CaresChannel(const ResolvConf& conf, UpstreamStatistics& statistics)
      : servers_(conf.servers), timeout_(conf.timeout), statistics_(statistics) {}

  void OnReadable(WatchedSocket& socket) override;
  void OnWritable(WatchedSocket& socket) override;
  void Fire() override;

  WatchedSocket* Find(int descriptor) const;
  void Forget(int descriptor);
  // Sees to it that the timer fires when the first time-out is due.
  void ArmTimer();

  const std::vector<SocketAddress> servers_;
  const absl::Duration timeout_;
  UpstreamStatistics& statistics_;
  ares_channeldata* channel_ = nullptr;
  std::vector<WatchedSocket*> sockets_;  // those that c-ares has open
  size_t asked_ = 0;                     // questions that are not answered
  int reads_left_ = 0;                   // that c-ares may still make in this turn
  bool received_ = false;                // c-ares has read from a socket since this was cleared
  bool drained_ = false;                 // and there was nothing more
  int open_error_ = 0;                   // the errno that the last socket could not be opened for
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_CARES_CHANNEL_H_
