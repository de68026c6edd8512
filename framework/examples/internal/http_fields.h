// What the header fields of a request say about its body, its host and its connection.

#ifndef PELTON_FRAMEWORK_EXAMPLES_INTERNAL_HTTP_FIELDS_H_
#define PELTON_FRAMEWORK_EXAMPLES_INTERNAL_HTTP_FIELDS_H_

#include <cstdint>
#include <string_view>

namespace pelton::http_internal {

// Why a field is not taken.
struct Refusal {
  int status;
  std::string_view reason;
};

// Collects it, field by field. A value of 16 bytes.
class HttpFields {
 public:
  // Takes the next field; nullptr, or why the request must be refused (static). `minor_version` is
  // that of the request.
  const Refusal* Take(std::string_view name, std::string_view value, int minor_version) {
    // Those that matter have five lengths; most others are known by theirs.
    constexpr uint32_t kLengths = 1u << 4 | 1u << 6 | 1u << 10 | 1u << 14 | 1u << 17;
    if (name.size() > 17 || (kLengths >> name.size() & 1) == 0) return nullptr;
    return TakeKnown(name, value, minor_version);
  }

  bool has_host() const { return has_host_; }
  bool is_chunked() const { return is_chunked_; }
  uint64_t content_length() const { return content_length_; }
  bool expects_continue() const { return expects_continue_; }
  bool says_close() const { return says_close_; }
  bool says_keep_alive() const { return says_keep_alive_; }

 private:
  const Refusal* TakeKnown(std::string_view name, std::string_view value, int minor_version);
  const Refusal* TakeHost(std::string_view value);
  const Refusal* TakeExpect(std::string_view value);
  void TakeConnection(std::string_view value);
  const Refusal* TakeContentLength(std::string_view value);
  const Refusal* TakeTransferEncoding(std::string_view value, int minor_version);

  uint64_t content_length_ = 0;
  bool has_host_ = false;
  bool has_content_length_ = false;
  bool is_chunked_ = false;
  bool expects_continue_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
};

}  // namespace pelton::http_internal

#endif  // PELTON_FRAMEWORK_EXAMPLES_INTERNAL_HTTP_FIELDS_H_
