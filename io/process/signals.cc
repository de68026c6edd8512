#include "io/process/signals.h"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include "framework/base/status.h"
#include "io/process/pipe.h"
#include "io/process/signal_channels.h"

namespace pelton {

class Signals::State {
 public:
  explicit State(int channel) : channel_(channel) {}
  ~State() { io::DisconnectSignals(channel_); }

  absl::Status Open() {
    PELTON_ASSIGN_OR_RETURN(const int descriptor, io::OpenChannel(channel_));
    reader_ = PipeReader::Adopt(descriptor, "signals");
    return absl::OkStatus();
  }

  Task<absl::StatusOr<SignalEvent>> Next() {
    for (;;) {
      while (end_ - begin_ < sizeof(io::SignalRecord)) {
        // Records are written whole; a read may end within one all the same.
        std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
        PELTON_CO_ASSIGN_OR_RETURN(const size_t count,
                                   co_await reader_.ReadInto(std::span(bytes_).subspan(end_)));
        end_ += count;
      }
      io::SignalRecord record;
      std::memcpy(&record, bytes_.data() + begin_, sizeof(record));
      begin_ += sizeof(record);
      // What the channel's owner before had asked for may still come.
      if (!io::IsConnected(record.signal, channel_)) continue;
      co_return SignalEvent{record.signal, record.sender, record.sender_user};
    }
  }

 private:
  const int channel_;
  PipeReader reader_;
  std::array<char, 16 * sizeof(io::SignalRecord)> bytes_;
  size_t begin_ = 0;  // of what was not told
  size_t end_ = 0;
};

absl::StatusOr<Signals> Signals::Open(std::initializer_list<int> signals) {
  if (signals.size() == 0) {
    return absl::InvalidArgumentError("Signals::Open() without signals: none would ever come");
  }
  PELTON_ASSIGN_OR_RETURN(const int channel,
                          io::ConnectSignals(std::span(signals.begin(), signals.size())));
  auto state = std::make_unique<State>(channel);
  PELTON_RETURN_IF_ERROR(state->Open());
  return Signals(std::move(state));
}

Signals::Signals(std::unique_ptr<State> state) : state_(std::move(state)) {}
Signals::Signals(Signals&& other) noexcept = default;
Signals& Signals::operator=(Signals&& other) noexcept = default;
Signals::~Signals() = default;

Task<absl::StatusOr<SignalEvent>> Signals::Next() { return state_->Next(); }

}  // namespace pelton
