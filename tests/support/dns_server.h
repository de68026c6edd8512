// A name server of the test's own on a port of 127.0.0.1, over UDP and TCP, on a thread of its own:
// it answers, delays, truncates, lies, refuses, and keeps silent, as it is told.
//
// Names are in lower case without a dot at the end. Errors of its sockets end the test program.
// Shard affinity: any thread.

#ifndef PELTON_TESTS_SUPPORT_DNS_SERVER_H_
#define PELTON_TESTS_SUPPORT_DNS_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "io/names/dns_message.h"
#include "io/socket_address.h"
#include "tests/support/sockets.h"

namespace pelton::testing {

// What the server does with a question.
enum class DnsBehaviour {
  kAnswer,
  kDrop,      // nothing
  kHold,      // answers when Release() is called
  kTruncate,  // over UDP says that the answer is too long
  kServerFailure,
  kRefuse,
  // A lie, and then the answer.
  kWrongNumber,
  kWrongQuestion,
  kGarbage,
  kEmptyDatagram,
  kFlood,  // a hundred datagrams of garbage
  // An answer that cannot be read.
  kNameLoop,  // a name that points to itself
  kShort,     // ends within a record
  kLongAddress,
};

class DnsServer {
 public:
  DnsServer();
  ~DnsServer();

  const SocketAddress& address() const { return address_; }

  // Adds records. `seconds` is for how long they are good.
  void AddAddress(const std::string& name, const std::string& host, uint32_t seconds = 60);
  void AddAlias(const std::string& name, const std::string& target, uint32_t seconds = 60);
  void AddPointer(const std::string& name, const std::string& target, uint32_t seconds = 60);
  void AddText(const std::string& name, const std::vector<std::string>& pieces);
  void AddService(const std::string& name, const SrvRecord& service);
  void AddMail(const std::string& name, const MxRecord& exchange);
  // Removes all records of a name.
  void Remove(const std::string& name);
  // For how long a "no" is good; none: it does not say.
  void SetNegativeSeconds(std::optional<uint32_t> seconds);

  // What to do with the next `times` questions for `name`, of any type; a negative number: with all.
  void Behave(const std::string& name, DnsBehaviour behaviour, int times = -1);
  // The same for one type.
  void Behave(const std::string& name, io::RecordType type, DnsBehaviour behaviour, int times = -1);
  // Answers what is held.
  void Release();

  // Questions that have come for `name`.
  size_t questions(const std::string& name) const;
  // Questions that have come at all, and over TCP.
  size_t total() const;
  size_t tcp_questions() const;
  // Questions that are held.
  size_t held() const;

 private:
  struct Record {
    io::RecordType type;
    uint32_t seconds;
    std::string data;
  };
  struct Rule {
    std::optional<io::RecordType> type;
    DnsBehaviour behaviour;
    int times;
  };
  struct Query {
    std::string message;
    std::string name;
    io::RecordType type;
    size_t question_end;
    int tcp_descriptor = -1;
    SocketAddress peer;
  };
  struct Connection {
    Descriptor descriptor;
    std::string input;
  };

  void Run();
  void ReceiveDatagrams();
  void ReceiveFrom(Connection& connection);
  void Handle(Query query);
  void Reply(const Query& query, const std::string& message);
  DnsBehaviour Choose(const Query& query);
  // A message with `code`, and the records that answer the question.
  std::string Answer(const Query& query, int code = -1) const;
  void AddRecord(const std::string& name, Record record);

  SocketAddress address_;
  Descriptor udp_;
  Descriptor tcp_;
  Descriptor wake_;  // an eventfd
  std::vector<Connection> connections_;

  mutable std::mutex mutex_;  // of everything below
  bool stopping_ = false;
  std::map<std::string, std::vector<Record>> records_;
  std::map<std::string, std::vector<Rule>> rules_;
  std::map<std::string, size_t> questions_;
  std::vector<Query> held_;
  std::optional<uint32_t> negative_seconds_ = 60;
  size_t total_ = 0;
  size_t tcp_questions_ = 0;
  std::thread thread_;
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SUPPORT_DNS_SERVER_H_
