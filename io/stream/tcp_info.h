// TcpInfo: what the kernel knows of a TCP connection.
//
// A value, as of the moment that it was read. Fields that the kernel is too old for are 0.
// Shard affinity: none. Source: struct tcp_info of linux/tcp.h; man tcp(7).

#ifndef PELTON_IO_STREAM_TCP_INFO_H_
#define PELTON_IO_STREAM_TCP_INFO_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace pelton {

struct TcpInfo {
  // The connection's state (RFC 9293).
  enum class State : uint8_t {
    kEstablished = 1,
    kSynSent,
    kSynReceived,
    kFinWait1,
    kFinWait2,
    kTimeWait,
    kClosed,
    kCloseWait,
    kLastAck,
    kListen,
    kClosing,
  };

  State state = State::kClosed;
  absl::Duration round_trip_time;  // smoothed
  absl::Duration round_trip_variation;
  absl::Duration least_round_trip_time;
  absl::Duration retransmission_timeout;
  uint32_t segment_bytes = 0;           // that are sent at most
  uint32_t congestion_window = 0;       // in segments
  uint32_t slow_start_threshold = 0;    // in segments
  uint32_t unacknowledged = 0;          // segments in flight
  uint32_t lost = 0;                    // of them, those that count as lost
  uint32_t retransmitted_segments = 0;  // in all
  uint64_t bytes_acknowledged = 0;
  uint64_t bytes_received = 0;
  uint64_t bytes_sent = 0;  // with those that were sent again
  uint64_t bytes_retransmitted = 0;
  uint64_t unsent_bytes = 0;  // that wait in the kernel
  uint64_t delivery_bytes_per_second = 0;
  uint32_t peer_window_bytes = 0;  // that the peer has room for
  absl::Duration since_last_sent;
  absl::Duration since_last_received;
};

// Reads TCP_INFO of `descriptor`. ERRORS: the errno of getsockopt. COST: a system call.
absl::StatusOr<TcpInfo> TcpInfoOf(int descriptor);

}  // namespace pelton

#endif  // PELTON_IO_STREAM_TCP_INFO_H_
