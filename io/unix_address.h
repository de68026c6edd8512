// The address of a local (AF_UNIX) socket: a path, a name in the abstract namespace, or none.
//
// A plain value, trivially copyable, without shard affinity.
//
// Invariants
//  1. What follows the name is zero, so equal addresses have equal bytes.
//  2. Parse(address.ToString()) gives the address back, unless it is unnamed or its bytes cannot be
//     printed.
//
// Cost: no allocation but for ToString() and errors; no system call but where a descriptor is looked
// up. Source: man unix(7).
//
//   PELTON_ASSIGN_OR_RETURN(UnixAddress address, UnixAddress::Parse("/run/service.sock"));
//   PELTON_ASSIGN_OR_RETURN(UnixAddress abstract, UnixAddress::Parse("@service"));

#ifndef PELTON_IO_UNIX_ADDRESS_H_
#define PELTON_IO_UNIX_ADDRESS_H_

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/statusor.h"

namespace pelton {

class UnixAddress {
 public:
  enum class Kind : uint8_t {
    kUnnamed,   // of a socket that nobody has bound
    kPath,      // a socket file
    kAbstract,  // a name of Linux's that is no file, and goes with its last socket
  };

  // The most bytes of a path; one fewer than sun_path holds, which ends in a zero.
  static constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
  // The most bytes of an abstract name.
  static constexpr size_t kLongestName = sizeof(sockaddr_un::sun_path) - 1;

  // The unnamed address; a socket that is bound to it gets an abstract name that the kernel
  // chooses.
  UnixAddress();

  // Reads "@NAME", an abstract name, or anything else as a path.
  // ERRORS: InvalidArgument when it is empty, too long (107 bytes), or a path with a zero byte.
  static absl::StatusOr<UnixAddress> Parse(std::string_view text);
  // ERRORS: InvalidArgument, as of Parse().
  static absl::StatusOr<UnixAddress> OfPath(std::string_view path);
  // `name` may hold any bytes, without the "@". ERRORS: InvalidArgument, as of Parse().
  static absl::StatusOr<UnixAddress> OfAbstract(std::string_view name);
  // The address that a kernel call has written to `address`, `size` bytes long (0: none).
  // ERRORS: InvalidArgument when the family is another one, or `size` is more than one can have.
  static absl::StatusOr<UnixAddress> FromSockaddr(const sockaddr* address, socklen_t size);

  Kind kind() const { return kind_; }
  // The path, or the abstract name; empty when there is none. Valid as long as this object.
  std::string_view name() const;

  // What bind, connect and sendto take. The pointer lives as long as this object.
  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }

  // The path, "@NAME" (bytes that cannot be printed as \xNN), or "(unnamed)". COST: allocates.
  std::string ToString() const;

  friend bool operator==(const UnixAddress& a, const UnixAddress& b) {
    return a.size_ == b.size_ && std::memcmp(&a.storage_, &b.storage_, a.size_) == 0;
  }
  template <typename H>
  friend H AbslHashValue(H state, const UnixAddress& address) {
    return H::combine_contiguous(
        std::move(state), reinterpret_cast<const unsigned char*>(&address.storage_), address.size_);
  }
  friend std::ostream& operator<<(std::ostream& out, const UnixAddress& address) {
    return out << address.ToString();
  }

 private:
  sockaddr_un storage_;
  uint8_t size_;
  Kind kind_ = Kind::kUnnamed;
};

static_assert(sizeof(UnixAddress) == 112);
static_assert(std::is_trivially_copyable_v<UnixAddress>);

// The address that the socket `fd` is bound to. ERRORS: the errno of getsockname; InvalidArgument
// for a socket that is not local. COST: a system call.
absl::StatusOr<UnixAddress> LocalUnixAddressOf(int fd);
// The address of the socket that `fd` is connected to. ERRORS: the same of getpeername, ENOTCONN
// among them.
absl::StatusOr<UnixAddress> PeerUnixAddressOf(int fd);

}  // namespace pelton

#endif  // PELTON_IO_UNIX_ADDRESS_H_
