#include "tests/support/dns_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "framework/base/check.h"
#include "framework/base/status.h"
#include "tests/support/dns_message_writer.h"

namespace pelton::testing {
namespace {

using io::RecordType;

constexpr int kServerFailureCode = 2;
constexpr int kNoSuchNameCode = 3;
constexpr int kRefusedCode = 5;
constexpr size_t kHeaderBytes = 12;
// A pointer to the name of the question.
constexpr char kPointerToQuestion[] = "\xc0\x0c";

uint16_t NumberOf(std::string_view message) {
  return static_cast<uint16_t>(static_cast<uint8_t>(message[0]) << 8 |
                               static_cast<uint8_t>(message[1]));
}

Descriptor DatagramSocket(const SocketAddress& address) {
  Descriptor descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  PELTON_CHECK(descriptor.get() >= 0) << ErrnoName(errno);
  if (::bind(descriptor.get(), address.data(), address.size()) != 0) return Descriptor();
  return descriptor;
}

}  // namespace

DnsServer::DnsServer() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  // One port for both; somebody else may have one of the two.
  for (int attempt = 0; udp_.get() < 0; ++attempt) {
    PELTON_CHECK(attempt < 100) << "no port is free over both UDP and TCP";
    Listener listener = ListenOnLoopback();
    address_ = listener.address;
    tcp_ = std::move(listener.descriptor);
    udp_ = DatagramSocket(address_);
  }
  thread_ = std::thread([this] { Run(); });
}

DnsServer::~DnsServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
}

void DnsServer::Run() {
  while (true) {
    std::vector<pollfd> entries = {
        {wake_.get(), POLLIN, 0}, {udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}};
    for (const Connection& connection : connections_) {
      entries.push_back({connection.descriptor.get(), POLLIN, 0});
    }
    ::poll(entries.data(), entries.size(), -1);
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    if (entries[1].revents != 0) ReceiveDatagrams();
    for (size_t i = 3; i < entries.size(); ++i) {
      if (entries[i].revents != 0) ReceiveFrom(connections_[i - 3]);
    }
    std::erase_if(connections_, [](const Connection& one) { return one.descriptor.get() < 0; });
    if (entries[2].revents != 0) {
      const int fd = ::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) connections_.push_back({Descriptor(fd), ""});
    }
  }
}

void DnsServer::ReceiveDatagrams() {
  while (true) {
    char buffer[4096];
    sockaddr_storage peer = {};
    socklen_t bytes = sizeof(peer);
    const ssize_t count = ::recvfrom(udp_.get(), buffer, sizeof(buffer), 0,
                                     reinterpret_cast<sockaddr*>(&peer), &bytes);
    if (count < 0) return;
    Query query;
    query.message.assign(buffer, static_cast<size_t>(count));
    query.peer = *SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&peer), bytes);
    Handle(std::move(query));
  }
}

void DnsServer::ReceiveFrom(Connection& connection) {
  char buffer[4096];
  const ssize_t count = ::recv(connection.descriptor.get(), buffer, sizeof(buffer), 0);
  if (count <= 0) {
    if (count == 0 || errno != EAGAIN) connection.descriptor.Reset();
    return;
  }
  connection.input.append(buffer, static_cast<size_t>(count));
  while (connection.input.size() > 2) {
    const size_t length = NumberOf(connection.input);
    if (connection.input.size() < 2 + length) return;
    Query query;
    query.message = connection.input.substr(2, length);
    query.tcp_descriptor = connection.descriptor.get();
    connection.input.erase(0, 2 + length);
    Handle(std::move(query));
  }
}

void DnsServer::Handle(Query query) {
  if (query.message.size() <= kHeaderBytes) return;
  size_t at = kHeaderBytes;
  while (at < query.message.size() && query.message[at] != 0) {
    const auto length = static_cast<uint8_t>(query.message[at]);
    if (!query.name.empty()) query.name += '.';
    query.name += query.message.substr(at + 1, length);
    at += size_t{1} + length;
  }
  PELTON_CHECK(at + 5 <= query.message.size()) << "the client sent half a question";
  query.type = static_cast<RecordType>(NumberOf(std::string_view(query.message).substr(at + 1)));
  query.question_end = at + 5;

  const std::lock_guard lock(mutex_);
  ++total_;
  ++questions_[query.name];
  if (query.tcp_descriptor >= 0) ++tcp_questions_;
  const uint16_t number = NumberOf(query.message);
  const std::string question =
      query.message.substr(kHeaderBytes, query.question_end - kHeaderBytes);
  const DnsBehaviour behaviour = Choose(query);
  switch (behaviour) {
    case DnsBehaviour::kDrop:
      return;
    case DnsBehaviour::kHold:
      held_.push_back(std::move(query));
      return;
    case DnsBehaviour::kTruncate:
      if (query.tcp_descriptor >= 0) break;
      return Reply(query, AnswerHeader(number, 0, 0, 0, /*truncated=*/true) + question);
    case DnsBehaviour::kServerFailure:
      return Reply(query, Answer(query, kServerFailureCode));
    case DnsBehaviour::kRefuse:
      return Reply(query, Answer(query, kRefusedCode));
    case DnsBehaviour::kWrongNumber:
      Reply(query, AnswerHeader(number + 1, kNoSuchNameCode, 0) + question);
      break;
    case DnsBehaviour::kWrongQuestion:
      Reply(query,
            AnswerHeader(number, kNoSuchNameCode, 0) + QuestionBytes("another.test", query.type));
      break;
    case DnsBehaviour::kGarbage:
      Reply(query, Bytes16(number) + Pattern(99));
      break;
    case DnsBehaviour::kFlood:
      for (int i = 0; i < 100; ++i) Reply(query, Bytes16(number) + Pattern(99));
      break;
    case DnsBehaviour::kEmptyDatagram:
      Reply(query, "");
      break;
    case DnsBehaviour::kNameLoop: {
      const std::string header = AnswerHeader(number, 0, 1) + question;
      // A pointer to its own place.
      return Reply(query,
                   header + RecordBytes(Bytes16(0xc000u | static_cast<uint32_t>(header.size())),
                                        query.type, 60, std::string(4, '\1')));
    }
    case DnsBehaviour::kShort: {
      const std::string record =
          RecordBytes(kPointerToQuestion, query.type, 60, std::string(16, '\1'));
      return Reply(query,
                   AnswerHeader(number, 0, 1) + question + record.substr(0, record.size() - 3));
    }
    case DnsBehaviour::kLongAddress:
      return Reply(query,
                   AnswerHeader(number, 0, 1) + question +
                       RecordBytes(kPointerToQuestion, query.type, 60, std::string(23, '\1')));
    case DnsBehaviour::kAnswer:
      break;
  }
  Reply(query, Answer(query));
}

void DnsServer::Reply(const Query& query, const std::string& message) {
  if (query.tcp_descriptor >= 0) {
    const std::string framed = Bytes16(static_cast<uint32_t>(message.size())) + message;
    ::send(query.tcp_descriptor, framed.data(), framed.size(), MSG_NOSIGNAL);
    return;
  }
  ::sendto(udp_.get(), message.data(), message.size(), 0, query.peer.data(), query.peer.size());
}

DnsBehaviour DnsServer::Choose(const Query& query) {
  for (Rule& rule : rules_[query.name]) {
    if (rule.times == 0 || rule.type.value_or(query.type) != query.type) continue;
    if (rule.times > 0) --rule.times;
    return rule.behaviour;
  }
  return DnsBehaviour::kAnswer;
}

std::string DnsServer::Answer(const Query& query, int code) const {
  constexpr int kMostAliases = 30;
  std::string answers;
  size_t count = 0;
  std::string name = query.name;
  bool exists = true;
  for (int step = 0; step < kMostAliases; ++step) {
    const auto found = records_.find(name);
    exists = found != records_.end();
    if (!exists) break;
    std::string target;
    for (const Record& record : found->second) {
      if (record.type != query.type && record.type != RecordType::kAlias) continue;
      answers += RecordBytes(NameBytes(name), record.type, record.seconds, record.data);
      ++count;
      if (record.type != RecordType::kAlias || query.type == RecordType::kAlias) continue;
      for (size_t at = 0; record.data[at] != 0;) {
        const auto length = static_cast<uint8_t>(record.data[at]);
        if (!target.empty()) target += '.';
        target += record.data.substr(at + 1, length);
        at += size_t{1} + length;
      }
    }
    if (target.empty()) break;
    name = target;
  }
  if (code < 0) code = exists ? 0 : kNoSuchNameCode;
  const bool says_for_how_long = count == 0 && negative_seconds_.has_value();
  std::string message = AnswerHeader(NumberOf(query.message), code, count, says_for_how_long) +
                        query.message.substr(kHeaderBytes, query.question_end - kHeaderBytes) +
                        answers;
  if (says_for_how_long) {
    message += RecordBytes(NameBytes("test"), RecordType::kAuthority, *negative_seconds_,
                           AuthorityData(*negative_seconds_));
  }
  return message;
}

void DnsServer::AddRecord(const std::string& name, Record record) {
  const std::lock_guard lock(mutex_);
  records_[name].push_back(std::move(record));
}

void DnsServer::AddAddress(const std::string& name, const std::string& host, uint32_t seconds) {
  const bool is_ipv6 = host.find(':') != host.npos;
  std::string data(is_ipv6 ? 16 : 4, '\0');
  PELTON_CHECK(::inet_pton(is_ipv6 ? AF_INET6 : AF_INET, host.c_str(), data.data()) == 1);
  AddRecord(name, {is_ipv6 ? RecordType::kAddress6 : RecordType::kAddress, seconds, data});
}

void DnsServer::AddAlias(const std::string& name, const std::string& target, uint32_t seconds) {
  AddRecord(name, {RecordType::kAlias, seconds, NameBytes(target)});
}

void DnsServer::AddPointer(const std::string& name, const std::string& target, uint32_t seconds) {
  AddRecord(name, {RecordType::kPointer, seconds, NameBytes(target)});
}

void DnsServer::AddText(const std::string& name, const std::vector<std::string>& pieces) {
  std::string data;
  for (const std::string& piece : pieces) {
    data += static_cast<char>(piece.size());
    data += piece;
  }
  AddRecord(name, {RecordType::kText, 60, data});
}

void DnsServer::AddService(const std::string& name, const SrvRecord& service) {
  AddRecord(name, {RecordType::kService, 60,
                   Bytes16(service.priority) + Bytes16(service.weight) + Bytes16(service.port) +
                       NameBytes(service.target)});
}

void DnsServer::AddMail(const std::string& name, const MxRecord& exchange) {
  AddRecord(name,
            {RecordType::kMail, 60, Bytes16(exchange.preference) + NameBytes(exchange.exchange)});
}

void DnsServer::Remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  records_.erase(name);
}

void DnsServer::SetNegativeSeconds(std::optional<uint32_t> seconds) {
  const std::lock_guard lock(mutex_);
  negative_seconds_ = seconds;
}

void DnsServer::Behave(const std::string& name, DnsBehaviour behaviour, int times) {
  const std::lock_guard lock(mutex_);
  rules_[name].push_back({std::nullopt, behaviour, times});
}

void DnsServer::Behave(const std::string& name, RecordType type, DnsBehaviour behaviour,
                       int times) {
  const std::lock_guard lock(mutex_);
  rules_[name].push_back({type, behaviour, times});
}

void DnsServer::Release() {
  const std::lock_guard lock(mutex_);
  for (const Query& query : held_) Reply(query, Answer(query));
  held_.clear();
}

size_t DnsServer::questions(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = questions_.find(name);
  return found == questions_.end() ? 0 : found->second;
}

size_t DnsServer::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

size_t DnsServer::tcp_questions() const {
  const std::lock_guard lock(mutex_);
  return tcp_questions_;
}

size_t DnsServer::held() const {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

}  // namespace pelton::testing
