#include "framework/examples/http_response.h"

#include <charconv>
#include <cstring>
#include <span>

#include "absl/time/civil_time.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "framework/base/check.h"

namespace pelton {
namespace {

// Writes `number` with leading zeros over the whole of `field`.
void PutDigits(int64_t number, std::span<char> field) {
  for (size_t i = field.size(); i > 0; --i, number /= 10) {
    field[i - 1] = static_cast<char>('0' + number % 10);
  }
}

}  // namespace

std::string_view HttpDate::At(Timestamp turn) {
  if (turn >= valid_until_) {
    const absl::Time now = absl::Now();
    text_ = Format(now);
    valid_until_ = turn + (absl::FromUnixSeconds(absl::ToUnixSeconds(now) + 1) - now);
  }
  return {text_.data(), text_.size()};
}

HttpDate::Text HttpDate::Format(absl::Time at) {
  static constexpr char kDays[] = "MonTueWedThuFriSatSun";
  static constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const absl::CivilSecond time = absl::ToCivilSecond(at, absl::UTCTimeZone());
  Text text;
  const std::span<char> field = text;
  std::memcpy(text.data(), "Day, 00 Mon 0000 00:00:00 GMT", text.size());
  std::memcpy(&text[0], kDays + 3 * static_cast<int>(absl::GetWeekday(time)), 3);
  std::memcpy(&text[8], kMonths + 3 * (time.month() - 1), 3);
  PutDigits(time.day(), field.subspan(5, 2));
  PutDigits(time.year(), field.subspan(12, 4));
  PutDigits(time.hour(), field.subspan(17, 2));
  PutDigits(time.minute(), field.subspan(20, 2));
  PutDigits(time.second(), field.subspan(23, 2));
  return text;
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
  if (text.empty()) return;  // it may have no address
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
