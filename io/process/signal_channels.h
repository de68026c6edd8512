// Channels from signal handlers to shards: a fixed number of pipes in this process, of which each
// carries the signals that one owner has asked for. Private to io/process.
//
// A handler may be about to write on any thread when its signal is given back. So channels are kept for
// ever once they are made, and used again: a late record is dropped by the next owner, who did not ask
// for it, or is a signal like any other.
//
// Shard affinity: any thread. Cost: 2 descriptors a channel.

#ifndef PELTON_IO_PROCESS_SIGNAL_CHANNELS_H_
#define PELTON_IO_PROCESS_SIGNAL_CHANNELS_H_

#include <sys/types.h>

#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton::io {

// What a handler writes: less than PIPE_BUF, so whole or not at all.
struct SignalRecord {
  int signal;
  pid_t sender;
  uid_t sender_user;
};

// Takes a channel and connects `signals` to it. Yields its number. ERRORS: see Signals::Open().
absl::StatusOr<int> ConnectSignals(std::span<const int> signals);
// Gives the channel and its signals back.
void DisconnectSignals(int channel);
// Whether `signal` is connected to `channel`.
bool IsConnected(int signal, int channel);
// A new descriptor that reads records of the channel. ERRORS: EMFILE, ENFILE.
absl::StatusOr<int> OpenChannel(int channel);

}  // namespace pelton::io

#endif  // PELTON_IO_PROCESS_SIGNAL_CHANNELS_H_
