#include "framework/examples/http_response.h"

#include <charconv>
#include <cstring>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "framework/base/check.h"

namespace pelton {

std::string_view HttpDate::At(Timestamp turn) {
  if (turn >= valid_until_) {
    const absl::Time now = absl::Now();
    text_ = absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now, absl::UTCTimeZone());
    valid_until_ = turn + (absl::FromUnixSeconds(absl::ToUnixSeconds(now) + 1) - now);
  }
  return text_;
}

std::string_view HttpReason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

void HttpOutput::Clear() {
  used_ = 0;
  chunk_ = Chunk();
  heap_ = std::string();
}

void HttpOutput::Append(std::string_view text) {
  if (used_ == 0 && chunk_.empty() && heap_.empty()) {
    chunk_ = Chunk::TryAllocate();
    if (chunk_.empty()) heap_.resize(kCapacity);
  }
  PELTON_CHECK(used_ + text.size() <= kCapacity);
  char* target = (chunk_.empty() ? heap_.data() : chunk_.bytes().data()) + used_;
  std::memcpy(target, text.data(), text.size());
  used_ += text.size();
}

void HttpOutput::AppendNumber(uint64_t number) {
  char digits[20];
  const std::to_chars_result end = std::to_chars(digits, digits + sizeof(digits), number);
  Append({digits, static_cast<size_t>(end.ptr - digits)});
}

void HttpOutput::AppendContinue() { Append("HTTP/1.1 100 Continue\r\n\r\n"); }

bool HttpOutput::AppendResponse(const HttpReply& reply, std::string_view date, bool close,
                                bool omit_body) {
  Append("HTTP/1.1 ");
  AppendNumber(static_cast<uint64_t>(reply.status));
  Append(" ");
  Append(HttpReason(reply.status));
  Append("\r\nContent-Length: ");
  AppendNumber(reply.body.size());
  Append("\r\nContent-Type: ");
  Append(reply.content_type);
  Append("\r\nDate: ");
  Append(date);
  if (!reply.allow.empty()) {
    Append("\r\nAllow: ");
    Append(reply.allow);
  }
  if (close) Append("\r\nConnection: close");
  Append("\r\nServer: pelton\r\n\r\n");
  if (omit_body) return true;
  if (reply.body.size() > kSmallBody) return false;
  Append(reply.body);
  return true;
}

}  // namespace pelton
