#include "framework/examples/http_parser.h"

#include <algorithm>

#include "framework/base/check.h"
#include "framework/examples/internal/http_syntax.h"

namespace pelton {
namespace http_internal {
namespace {

// Longer than any registered method.
constexpr size_t kMostMethodBytes = 32;
constexpr std::string_view kVersionStart = "HTTP/1.";
constexpr size_t kVersionLineBytes = 10;  // HTTP/1.1 CR LF

enum class Step { kNext, kNeedMore, kDone, kError };

// One call of ParseHead. Each Read function reads one phase from its beginning or from where it had
// to stop.
class HeadReader {
 public:
  HeadReader(std::string_view buffer, const HttpLimits& limits, HeadState& state,
             HttpParseError& error, HttpRequest& request)
      : base_(buffer.data()),
        end_(buffer.data() + std::min(buffer.size(), limits.max_head_bytes)),
        limits_(limits),
        state_(state),
        error_(error),
        request_(request) {}

  Step Read();

 private:
  using Phase = HeadState::Phase;

  Step ReadPhase();
  Step ReadEmptyLine();
  Step ReadMethod();
  Step ReadTargetForm();
  template <Alphabet alphabet>
  Step ReadTarget();
  Step FinishTarget(const char* end);
  Step FinishUri(std::string_view target);
  Step ReadVersion();
  Step ReadFieldName();
  Step ReadFieldValue();
  Step FinishHead(const char* head_end);

  const char* At(size_t offset) const { return base_ + offset; }
  static std::string_view View(const char* begin, const char* end) {
    return {begin, static_cast<size_t>(end - begin)};
  }

  // The next phase starts at `begin`.
  Step Begin(Phase phase, const char* begin) {
    state_.phase = phase;
    state_.begin = state_.scanned = static_cast<uint32_t>(begin - base_);
    return Step::kNext;
  }
  // All bytes are used up; the phase goes on at `scanned`.
  Step NeedMore(const char* scanned) {
    state_.scanned = static_cast<uint32_t>(scanned - base_);
    return Step::kNeedMore;
  }
  Step Fail(int status, const char* where, std::string_view reason) {
    error_ = {.status = status, .reason = reason, .offset = static_cast<size_t>(where - base_)};
    return Step::kError;
  }

  const char* const base_;
  const char* const end_;
  const HttpLimits& limits_;
  HeadState& state_;
  HttpParseError& error_;
  HttpRequest& request_;
};

Step HeadReader::Read() {
  Step step = Step::kNext;
  while (step == Step::kNext) step = ReadPhase();
  if (step == Step::kNeedMore && View(base_, end_).size() == limits_.max_head_bytes) {
    const bool is_in_request_line = state_.phase < Phase::kFieldName;
    return is_in_request_line ? Fail(414, end_, "request line too long")
                              : Fail(431, end_, "head too long");
  }
  return step;
}

Step HeadReader::ReadPhase() {
  switch (state_.phase) {
    case Phase::kEmptyLine:
      return ReadEmptyLine();
    case Phase::kMethod:
      return ReadMethod();
    case Phase::kTarget:
      return ReadTargetForm();
    case Phase::kPath:
      return ReadTarget<kPath>();
    case Phase::kQuery:
      return ReadTarget<kQuery>();
    case Phase::kUri:
      return ReadTarget<kUri>();
    case Phase::kVersion:
      return ReadVersion();
    case Phase::kFieldName:
      return ReadFieldName();
    case Phase::kFieldValue:
      return ReadFieldValue();
  }
  PELTON_FATAL() << "phase " << static_cast<int>(state_.phase);
}

// Some clients end the body before with an empty line too many (RFC 9112, 2.2).
Step HeadReader::ReadEmptyLine() {
  if (base_ == end_) return NeedMore(base_);
  if (base_[0] != '\r') return Begin(Phase::kMethod, base_);
  if (end_ - base_ == 1) return NeedMore(end_);
  if (base_[1] != '\n') return Fail(400, base_, "bare CR");
  return Begin(Phase::kMethod, base_ + 2);
}

Step HeadReader::ReadMethod() {
  const char* begin = At(state_.begin);
  const char* stop = begin + std::min<size_t>(end_ - begin, kMostMethodBytes + 1);
  const char* p = Skip<kToken>(At(state_.scanned), stop);
  if (View(begin, p).size() > kMostMethodBytes) return Fail(501, begin, "method too long");
  if (p == end_) return NeedMore(p);
  if (*p != ' ' || p == begin) return Fail(400, p, "no method, or a byte that none may have");
  request_.method = View(begin, p);
  state_.is_connect = request_.method == "CONNECT";
  state_.is_options = request_.method == "OPTIONS";
  return Begin(Phase::kTarget, p + 1);
}

Step HeadReader::ReadTargetForm() {
  const char* begin = At(state_.begin);
  if (begin == end_) return NeedMore(begin);
  return Begin(*begin == '/' ? Phase::kPath : Phase::kUri, begin);
}

template <Alphabet alphabet>
Step HeadReader::ReadTarget() {
  const char* begin = At(state_.begin);
  const size_t most = limits_.max_target_bytes;
  const char* stop = begin + std::min<size_t>(end_ - begin, most + 1);
  const char* p = At(state_.scanned);
  for (;;) {
    p = Skip<alphabet>(p, stop);
    if (View(begin, p).size() > most) return Fail(414, begin + most, "target too long");
    if (p == end_) return NeedMore(p);
    if (*p != '%') break;
    for (int i = 1; i <= 2; ++i) {
      if (end_ - p == i) return NeedMore(p);
      if (HexDigit(p[i]) < 0) return Fail(400, p, "percent sign without two hexadecimal digits");
    }
    p += 3;
  }
  if (alphabet == kPath && *p == '?') {
    state_.phase = Phase::kQuery;
    state_.query_offset = state_.scanned = static_cast<uint32_t>(p + 1 - base_);
    return Step::kNext;
  }
  if (*p != ' ')
    return Fail(400, p, "byte that no target may have, or no version after the target");
  return FinishTarget(p);
}

Step HeadReader::FinishTarget(const char* end) {
  const char* begin = At(state_.begin);
  request_.target = View(begin, end);
  request_.host = {};
  request_.query = {};
  if (state_.phase == Phase::kUri) {
    const Step step = FinishUri(request_.target);
    if (step != Step::kNext) return step;
  } else if (state_.is_connect) {
    return Fail(400, begin, "CONNECT takes HOST:PORT as its target");
  } else if (state_.phase == Phase::kQuery) {
    request_.path = View(begin, At(state_.query_offset) - 1);
    request_.query = View(At(state_.query_offset), end);
  } else {
    request_.path = request_.target;
  }
  return Begin(Phase::kVersion, end + 1);
}

// A target that is no path: "*", HOST:PORT, or a whole URL as proxies are sent it (RFC 9112, 3.2).
Step HeadReader::FinishUri(std::string_view target) {
  const char* begin = At(state_.begin);
  if (state_.is_connect) {
    if (!IsAuthority(target, /*needs_port=*/true)) {
      return Fail(400, begin, "CONNECT takes HOST:PORT as its target");
    }
    request_.host = target;
    request_.path = {};
    state_.target_has_host = true;
    return Step::kNext;
  }
  if (target == "*" && state_.is_options) {
    request_.path = target;
    return Step::kNext;
  }
  const size_t scheme_bytes = EqualsIgnoringCase(target.substr(0, 7), "http://")    ? 7
                              : EqualsIgnoringCase(target.substr(0, 8), "https://") ? 8
                                                                                    : 0;
  if (scheme_bytes == 0) return Fail(400, begin, "target is neither a path nor an http URL");
  const std::string_view rest = target.substr(scheme_bytes);
  const size_t host_bytes = std::min(rest.find_first_of("/?"), rest.size());
  request_.host = rest.substr(0, host_bytes);
  if (!IsAuthority(request_.host, /*needs_port=*/false)) {
    return Fail(400, begin, "target has no valid host");
  }
  const std::string_view path_and_query = rest.substr(host_bytes);
  const size_t question_mark = std::min(path_and_query.find('?'), path_and_query.size());
  request_.path = path_and_query.substr(0, question_mark);
  if (request_.path.empty()) request_.path = "/";
  if (question_mark < path_and_query.size()) {
    request_.query = path_and_query.substr(question_mark + 1);
  }
  // The digits after each percent sign have been seen to.
  for (char c : request_.path) {
    if (!IsOf(kPath, c) && c != '%') return Fail(400, begin, "byte that no path may have");
  }
  state_.target_has_host = true;
  return Step::kNext;
}

Step HeadReader::ReadVersion() {
  const char* begin = At(state_.begin);
  const size_t available = std::min<size_t>(end_ - begin, kVersionLineBytes);
  for (size_t i = 0; i < available; ++i) {
    const char c = begin[i];
    const bool is_digit = c >= '0' && c <= '9';
    const char* where = begin + i;
    if (i < kVersionStart.size()) {
      if (c == kVersionStart[i]) continue;
      const bool is_other_major = i == 5 && is_digit;
      return is_other_major ? Fail(505, where, "major version is not 1")
                            : Fail(400, where, "expected HTTP/1.1 after one space");
    }
    if (i == 7 && !is_digit) return Fail(400, where, "minor version is not a digit");
    if (i == 8 && c != '\r') return Fail(400, where, "expected CR LF after the version");
    if (i == 9 && c != '\n') return Fail(400, where - 1, "bare CR");
  }
  if (available < kVersionLineBytes) return NeedMore(begin + available);
  // A later 1.x is read as the latest that is known (RFC 9110, 2.5).
  state_.minor_version = begin[7] == '0' ? 0 : 1;
  return Begin(Phase::kFieldName, begin + kVersionLineBytes);
}

Step HeadReader::ReadFieldName() {
  const char* begin = At(state_.begin);
  if (begin == end_) return NeedMore(begin);
  const char* p = Skip<kToken>(At(state_.scanned), end_);
  if (p == begin) {
    if (*p == '\r') {
      if (end_ - p == 1) return NeedMore(p);
      return p[1] == '\n' ? FinishHead(p + 2) : Fail(400, p, "bare CR");
    }
    return *p == ' ' || *p == '\t' ? Fail(400, p, "folded field, or white space before a field")
                                   : Fail(400, p, "field without a name");
  }
  if (state_.header_count >= limits_.max_headers) return Fail(431, begin, "too many fields");
  if (p == end_) return NeedMore(p);
  if (*p != ':') {
    return *p == ' ' || *p == '\t' ? Fail(400, p, "white space in or after a field name")
                                   : Fail(400, p, "byte that no field name may have");
  }
  state_.name_bytes = static_cast<uint32_t>(p - begin);
  state_.scanned = static_cast<uint32_t>(p + 1 - base_);
  state_.phase = Phase::kFieldValue;
  return Step::kNext;
}

Step HeadReader::ReadFieldValue() {
  const char* p = SkipFieldText(At(state_.scanned), end_);
  if (p == end_ || (*p == '\r' && end_ - p == 1)) return NeedMore(p);
  if (*p != '\r')
    return Fail(400, p, *p == '\n' ? "bare LF" : "control character in a field value");
  if (p[1] != '\n') return Fail(400, p, "bare CR");

  const char* begin = At(state_.begin);
  const std::string_view name(begin, state_.name_bytes);
  const std::string_view value = Trim(View(begin + state_.name_bytes + 1, p));
  const bool had_host = state_.fields.has_host();
  const Refusal* refusal = state_.fields.Take(name, value, state_.minor_version);
  if (refusal != nullptr) return Fail(refusal->status, begin, refusal->reason);
  if (state_.fields.has_host() != had_host && !state_.target_has_host) request_.host = value;
  request_.header_storage[state_.header_count++] = {name, value};
  return Begin(Phase::kFieldName, p + 2);
}

Step HeadReader::FinishHead(const char* head_end) {
  const HttpFields& fields = state_.fields;
  const bool is_1_0 = state_.minor_version == 0;
  if (!is_1_0 && !fields.has_host()) return Fail(400, At(state_.begin), "no Host");
  if (fields.content_length() > limits_.max_body_bytes) {
    return Fail(413, At(state_.begin), "body too long");
  }
  request_.minor_version = state_.minor_version;
  request_.keep_alive = !fields.says_close() && (!is_1_0 || fields.says_keep_alive());
  request_.body = fields.is_chunked()            ? HttpBodyKind::kChunked
                  : fields.content_length() != 0 ? HttpBodyKind::kLength
                                                 : HttpBodyKind::kNone;
  request_.content_length = fields.content_length();
  // HTTP/1.0 has no "100 Continue", and without a body there is nothing to wait for (RFC
  // 9110, 10.1.1).
  request_.expect_continue =
      fields.expects_continue() && !is_1_0 && request_.body != HttpBodyKind::kNone;
  request_.head_bytes = head_end - base_;
  request_.header_count = state_.header_count;
  return Step::kDone;
}

}  // namespace
}  // namespace http_internal

HttpParseState HttpHeadParser::ParseHead(std::string_view buffer, const HttpLimits& limits,
                                         HttpRequest& request) {
  using http_internal::HeadReader;
  using http_internal::HeadState;
  using http_internal::Step;
  PELTON_CHECK(limits.max_headers <= kMostHttpHeaders && limits.max_head_bytes <= 1u << 30);
  PELTON_CHECK(std::min(buffer.size(), limits.max_head_bytes) >= state_.scanned)
      << "the buffer has lost bytes of this head";
  if (error_.status != 0) return HttpParseState::kError;
  const bool is_resumed = state_.scanned != 0;
  Step step = HeadReader(buffer, limits, state_, error_, request).Read();
  if (step == Step::kDone && is_resumed) {
    // What earlier calls read they wrote into other requests or with views of an older buffer.
    state_ = HeadState();
    step = HeadReader(buffer, limits, state_, error_, request).Read();
  }
  if (step == Step::kNeedMore) return HttpParseState::kNeedMore;
  state_ = HeadState();
  return step == Step::kDone ? HttpParseState::kDone : HttpParseState::kError;
}

std::optional<std::string_view> HttpRequest::Header(std::string_view lower_case_name) const {
  for (const HttpHeader& header : headers()) {
    if (http_internal::EqualsIgnoringCase(header.name, lower_case_name)) return header.value;
  }
  return std::nullopt;
}

}  // namespace pelton
