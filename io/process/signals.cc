#include "io/process/signals.h"

#include <array>
#include <cstddef>
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
      while (taken_ == read_) {
        taken_ = read_ = 0;
        const std::span<char> target(reinterpret_cast<char*>(records_.data()), sizeof(records_));
        PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await reader_.ReadInto(target));
        read_ =
            bytes / sizeof(io::SignalRecord);  // records are written whole, and lie so in the pipe
      }
      const io::SignalRecord record = records_[taken_++];
      // What the channel's owner before had asked for may still come.
      if (!io::IsConnected(record.signal, channel_)) continue;
      co_return SignalEvent{record.signal, record.sender, record.sender_user};
    }
  }

 private:
  const int channel_;
  PipeReader reader_;
  std::array<io::SignalRecord, 16> records_;
  size_t taken_ = 0;
  size_t read_ = 0;
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
