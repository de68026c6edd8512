#include "io/stream/tcp_info.h"

// Not netinet/tcp.h, whose structure ends where that of Linux 2.6 did.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "framework/base/status.h"

namespace pelton {

absl::StatusOr<TcpInfo> TcpInfoOf(int descriptor) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return ErrnoToStatus(errno, "getsockopt TCP_INFO");
  }
  return TcpInfo{
      .state = static_cast<TcpInfo::State>(info.tcpi_state),
      .round_trip_time = absl::Microseconds(info.tcpi_rtt),
      .round_trip_variation = absl::Microseconds(info.tcpi_rttvar),
      .least_round_trip_time = absl::Microseconds(info.tcpi_min_rtt),
      .retransmission_timeout = absl::Microseconds(info.tcpi_rto),
      .segment_bytes = info.tcpi_snd_mss,
      .congestion_window = info.tcpi_snd_cwnd,
      .slow_start_threshold = info.tcpi_snd_ssthresh,
      .unacknowledged = info.tcpi_unacked,
      .lost = info.tcpi_lost,
      .retransmitted_segments = info.tcpi_total_retrans,
      .bytes_acknowledged = info.tcpi_bytes_acked,
      .bytes_received = info.tcpi_bytes_received,
      .bytes_sent = info.tcpi_bytes_sent,
      .bytes_retransmitted = info.tcpi_bytes_retrans,
      .unsent_bytes = info.tcpi_notsent_bytes,
      .delivery_bytes_per_second = info.tcpi_delivery_rate,
      .peer_window_bytes = info.tcpi_snd_wnd,
      .since_last_sent = absl::Milliseconds(info.tcpi_last_data_sent),
      .since_last_received = absl::Milliseconds(info.tcpi_last_data_recv),
  };
}

}  // namespace pelton
