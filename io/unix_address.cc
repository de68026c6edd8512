#include "io/unix_address.h"

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton {
namespace {

constexpr size_t kNameOffset = offsetof(sockaddr_un, sun_path);

absl::Status Invalid(std::string_view text, std::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("local address \"", absl::CHexEscape(ToAbsl(text)), "\": ", ToAbsl(what)));
}

std::string TooLong(size_t bytes, size_t longest) {
  return absl::StrCat("has ", bytes, " bytes: expected at most ", longest);
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

absl::StatusOr<UnixAddress> AddressOf(int fd, NameCall call, std::string_view call_name) {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  if (call(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return ErrnoToStatus(errno, call_name, std::string(absl::StrCat("fd ", fd)));
  }
  return UnixAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace

UnixAddress::UnixAddress() : size_(sizeof(sa_family_t)) {
  std::memset(&storage_, 0, sizeof(storage_));
  storage_.sun_family = AF_UNIX;
}

absl::StatusOr<UnixAddress> UnixAddress::Parse(std::string_view text) {
  if (!text.empty() && text.front() == '@') return OfAbstract(text.substr(1));
  return OfPath(text);
}

absl::StatusOr<UnixAddress> UnixAddress::OfPath(std::string_view path) {
  if (path.empty()) return Invalid(path, "is empty: expected a path or @NAME");
  if (path.size() > kLongestPath) return Invalid(path, TooLong(path.size(), kLongestPath));
  if (path.find('\0') != path.npos) return Invalid(path, "holds a zero byte, which no path can");
  UnixAddress result;
  result.kind_ = Kind::kPath;
  path.copy(result.storage_.sun_path, path.size());
  result.size_ = static_cast<uint8_t>(kNameOffset + path.size() + 1);
  return result;
}

absl::StatusOr<UnixAddress> UnixAddress::OfAbstract(std::string_view name) {
  if (name.empty()) return Invalid("@", "names nothing: expected a name after the @");
  if (name.size() > kLongestName) return Invalid(name, TooLong(name.size(), kLongestName));
  UnixAddress result;
  result.kind_ = Kind::kAbstract;
  name.copy(result.storage_.sun_path + 1, name.size());
  result.size_ = static_cast<uint8_t>(kNameOffset + 1 + name.size());
  return result;
}

absl::StatusOr<UnixAddress> UnixAddress::FromSockaddr(const sockaddr* address, socklen_t size) {
  if (size <= sizeof(sa_family_t)) return UnixAddress();
  if (address->sa_family != AF_UNIX) {
    return absl::InvalidArgumentError(absl::StrCat("socket address of family ", address->sa_family,
                                                   ": expected AF_UNIX (", AF_UNIX, ")"));
  }
  if (size > sizeof(sockaddr_un) + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("local address of ", size, " bytes: expected at most ", sizeof(sockaddr_un)));
  }
  const char* const name = reinterpret_cast<const char*>(address) + kNameOffset;
  const size_t bytes = size - kNameOffset;
  if (name[0] == '\0') return OfAbstract({name + 1, bytes - 1});
  return OfPath({name, ::strnlen(name, bytes)});
}

std::string_view UnixAddress::name() const {
  switch (kind_) {
    case Kind::kUnnamed:
      break;
    case Kind::kPath:
      return {storage_.sun_path, size_ - kNameOffset - 1};
    case Kind::kAbstract:
      return {storage_.sun_path + 1, size_ - kNameOffset - 1};
  }
  return {};
}

std::string UnixAddress::ToString() const {
  switch (kind_) {
    case Kind::kUnnamed:
      break;
    case Kind::kPath:
      return std::string(name());
    case Kind::kAbstract:
      return absl::StrCat("@", absl::CHexEscape(ToAbsl(name())));
  }
  return "(unnamed)";
}

absl::StatusOr<UnixAddress> LocalUnixAddressOf(int fd) {
  return AddressOf(fd, &getsockname, "getsockname");
}

absl::StatusOr<UnixAddress> PeerUnixAddressOf(int fd) {
  return AddressOf(fd, &getpeername, "getpeername");
}

}  // namespace pelton
