// Every kind of operation is cancelled in flight, many times, at random moments: each has exactly
// one final completion, nothing is leaked, and what the kernel might still write is watched.
//
// How many times: kCancellations, or PELTON_CANCELLATIONS of the environment; the figure that
// counts, 10000, is run by `tests/conformance/cancel_all`.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "io/file_operation.h"
#include "sched/random.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::Completion;
using io::FileOperation;
using io::Operation;
using io::OperationKind;

// Per kind and way of completing, in the suite; enough for every order of two events.
constexpr int kCancellations = 300;
constexpr size_t kAtOnce = 16;  // in flight
constexpr size_t kBytes = 64;   // of a buffer
constexpr char kCanary = '\x5a';

int Cancellations() {
  const char* const wanted = std::getenv("PELTON_CANCELLATIONS");
  return wanted == nullptr ? kCancellations : std::atoi(wanted);
}

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

// An operation with all that it points to, in memory of its own that is given back to be watched.
class Victim final : public FileOperation {
 public:
  explicit Victim(OperationKind kind) : FileOperation(kind) { bytes.fill(kCanary); }
  ~Victim() { PELTON_CHECK(idle()) << "a test ends while its operation is in flight"; }

  void OnCompletion(const Completion& completion) override {
    ++completions;
    last = completion;
    if (completion.result >= 0 &&
        (kind == OperationKind::kAccept || kind == OperationKind::kOpen)) {
      ::close(completion.result);  // nothing was started on it
    }
    if (completion.chunk != Completion::kNoChunk) {
      io::Reactor::Current()->chunks().Release(completion.chunk);
    }
    if (completion.more) return;
    ++finals;
    // From here on the memory is its owner's.
    bytes.fill(kCanary);
    std::memset(&status, kCanary, sizeof(status));
  }

  // Whether nobody has written what was given back.
  bool IsUntouched() const {
    for (const char byte : bytes) {
      if (byte != kCanary) return false;
    }
    const char* const begin = reinterpret_cast<const char*>(&status);
    for (size_t i = 0; i < sizeof(status); ++i) {
      if (begin[i] != kCanary) return false;
    }
    return true;
  }

  std::array<char, kBytes> bytes;
  struct statx status;
  iovec vectors[2] = {{bytes.data(), kBytes / 2}, {bytes.data() + kBytes / 2, kBytes / 2}};
  mmsghdr messages[1] = {};
  open_how how = {};
  std::string path;
  std::string second_path;
  SocketAddress peer;
  int completions = 0;
  int finals = 0;
  Completion last = {.result = 0};
};

struct Case {
  OperationKind kind;
  bool multishot = false;
};

constexpr Case kCases[] = {
    {OperationKind::kNop},
    {OperationKind::kAccept},
    {OperationKind::kAccept, true},
    {OperationKind::kConnect},
    {OperationKind::kReceive},
    {OperationKind::kReceiveChunk},
    {OperationKind::kReceiveChunk, true},
    {OperationKind::kReceiveMessage},
    {OperationKind::kReceiveMessageChunk, true},
    {OperationKind::kReceiveMessages},
    {OperationKind::kSend},
    {OperationKind::kSendMessage},
    {OperationKind::kSendMessages},
    {OperationKind::kSendZeroCopy},
    {OperationKind::kClose},
    {OperationKind::kPoll},
    {OperationKind::kPoll, true},
    {OperationKind::kStreamRead},
    {OperationKind::kStreamWrite},
    {OperationKind::kRead},
    {OperationKind::kWrite},
    {OperationKind::kReadVector},
    {OperationKind::kWriteVector},
    {OperationKind::kSync},
    {OperationKind::kAllocate},
    {OperationKind::kTruncate},
    {OperationKind::kAdvise},
    {OperationKind::kOpen},
    {OperationKind::kStat},
    {OperationKind::kRename},
    {OperationKind::kLink},
    {OperationKind::kSymbolicLink},
    {OperationKind::kUnlink},
    {OperationKind::kMakeDirectory},
    {OperationKind::kSplice},
    {OperationKind::kCall},
};

constexpr int KindsCovered() {
  bool covered[io::kOperationKinds] = {};
  for (const Case& one : kCases) covered[static_cast<int>(one.kind)] = true;
  int count = 0;
  for (const bool one : covered) count += one ? 1 : 0;
  return count;
}
static_assert(KindsCovered() == io::kOperationKinds, "every kind is cancelled");

std::string NameOf(const ::testing::TestParamInfo<Case>& test) {
  std::string name = OperationKindName(test.param.kind);
  if (test.param.multishot) name += "_multishot";
  return name;
}

class CancelTortureTest : public DriverTest, public ::testing::WithParamInterface<Case> {
 protected:
  CancelTortureTest() : DriverTest({.chunks = 64}, FaultProfile::kTiming) {}

  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped()) return;
    std::string name = ::testing::TempDir() + "/pelton_torture_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    file_ = Descriptor(::open((directory_ + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(file_.get(), std::string(4096, 'f').data(), 4096), 4096);
    listener_ = ListenOnLoopback();
    stream_ = UnixPair();
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    datagrams_ = {Descriptor(ends[0]), Descriptor(ends[1])};
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    pipe_ = {Descriptor(ends[0]), Descriptor(ends[1])};
    stalled_ = std::make_unique<StallingListener>();
  }
  void TearDown() override {
    DriverTest::TearDown();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  void Prepare(Victim& victim);
  void PrepareOnSocket(Victim& victim);
  void PrepareOnFile(Victim& victim);
  void PrepareOnPath(Victim& victim);
  void Provoke();
  void Drain();
  void CleanUpAfter(Victim& victim);
  void Round(Random& random);

  std::string NewPath() { return directory_ + "/" + std::to_string(++paths_); }

  uint64_t cancelled_ = 0;
  uint64_t completed_ = 0;
  uint64_t touched_ = 0;
  uint64_t wrong_finals_ = 0;

 private:
  std::string directory_;
  int paths_ = 0;
  Descriptor file_;
  Listener listener_;
  SocketPair stream_;
  SocketPair datagrams_;
  SocketPair pipe_;
  std::unique_ptr<StallingListener> stalled_;
  std::vector<std::unique_ptr<Victim>> watched_;  // of the round before
};

INSTANTIATE_TEST_SUITE_P(Kinds, CancelTortureTest, ::testing::ValuesIn(kCases), NameOf);

// Fills in what the victim needs in order to wait, or to do something.
void CancelTortureTest::Prepare(Victim& victim) {
  victim.multishot = GetParam().multishot;
  victim.address = victim.bytes.data();
  victim.length = kBytes;
  if (io::IsPathKind(victim.kind)) return PrepareOnPath(victim);
  if (io::IsFileKind(victim.kind)) return PrepareOnFile(victim);
  PrepareOnSocket(victim);
}

void CancelTortureTest::PrepareOnSocket(Victim& victim) {
  msghdr& message = victim.messages[0].msg_hdr;
  message.msg_iov = victim.vectors;
  message.msg_iovlen = 2;
  switch (victim.kind) {
    case OperationKind::kAccept:
      victim.descriptor = listener_.descriptor.get();
      break;
    case OperationKind::kConnect:
      victim.descriptor = TcpSocket().Release();
      victim.peer = paths_++ % 2 == 0 ? stalled_->address() : listener_.address;
      victim.address = const_cast<sockaddr*>(victim.peer.data());
      victim.length = victim.peer.size();
      break;
    case OperationKind::kClose:
      victim.descriptor = TcpSocket().Release();
      break;
    case OperationKind::kReceiveMessage:
    case OperationKind::kReceiveMessageChunk:
      victim.length = 0;
      [[fallthrough]];
    case OperationKind::kSendMessage:
      victim.descriptor = datagrams_.ours.get();
      victim.address = &message;
      break;
    case OperationKind::kReceiveMessages:
    case OperationKind::kSendMessages:
      victim.descriptor = datagrams_.ours.get();
      victim.address = victim.messages;
      victim.length = 1;
      break;
    case OperationKind::kPoll:
      victim.descriptor = stream_.ours.get();
      victim.length = POLLIN;
      break;
    case OperationKind::kStreamRead:
      victim.descriptor = pipe_.ours.get();
      break;
    case OperationKind::kStreamWrite:
      victim.descriptor = pipe_.theirs.get();
      break;
    default:
      victim.descriptor = stream_.ours.get();
      break;
  }
}

void CancelTortureTest::PrepareOnFile(Victim& victim) {
  victim.descriptor = file_.get();
  switch (victim.kind) {
    case OperationKind::kReadVector:
    case OperationKind::kWriteVector:
      victim.address = victim.vectors;
      victim.length = 2;
      break;
    case OperationKind::kAllocate:
      victim.second_offset = 8192;
      break;
    case OperationKind::kTruncate:
      victim.offset = 4096;
      break;
    case OperationKind::kAdvise:
      victim.flags = POSIX_FADV_RANDOM;
      break;
    case OperationKind::kSplice:
      victim.second_descriptor = pipe_.ours.get();
      victim.second_offset = FileOperation::kNoOffset;
      break;
    case OperationKind::kCall:
      victim.address = &victim;
      victim.second_address = reinterpret_cast<const void*>(+[](void* argument) {
        static_cast<Victim*>(argument)->bytes[0] = 'c';
        return 0;
      });
      break;
    default:
      break;
  }
}

void CancelTortureTest::PrepareOnPath(Victim& victim) {
  victim.path = directory_ + "/file";
  victim.second_path = NewPath();
  victim.descriptor = victim.second_descriptor = AT_FDCWD;
  victim.second_address = victim.second_path.c_str();
  switch (victim.kind) {
    case OperationKind::kOpen:
      victim.path = NewPath();
      victim.how.flags = O_RDWR | O_CREAT | O_CLOEXEC;
      victim.how.mode = 0600;
      victim.second_address = &victim.how;
      break;
    case OperationKind::kStat:
      victim.length = STATX_BASIC_STATS;
      victim.second_address = &victim.status;
      break;
    case OperationKind::kRename:
    case OperationKind::kUnlink:
      victim.path = NewPath();
      Descriptor(::open(victim.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)).Reset();
      break;
    case OperationKind::kMakeDirectory:
      victim.path = NewPath();
      victim.length = 0700;
      break;
    default:
      break;
  }
  victim.address = victim.path.data();
}

// Lets one of those that wait go on.
void CancelTortureTest::Provoke() {
  const std::string bytes(kBytes / 2, 'p');
  switch (GetParam().kind) {
    case OperationKind::kAccept:
      ConnectTo(listener_.address).Reset();
      break;
    case OperationKind::kReceive:
    case OperationKind::kReceiveChunk:
    case OperationKind::kPoll:
      (void)::send(stream_.theirs.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      break;
    case OperationKind::kReceiveMessage:
    case OperationKind::kReceiveMessageChunk:
    case OperationKind::kReceiveMessages:
      (void)::send(datagrams_.theirs.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      break;
    case OperationKind::kStreamRead:
    case OperationKind::kSplice:
      EXPECT_NE(::write(pipe_.theirs.get(), bytes.data(), bytes.size()), 0);
      break;
    default:
      Drain();
      break;
  }
}

// Makes room for whoever sends.
void CancelTortureTest::Drain() {
  char bytes[4096];
  while (::recv(stream_.theirs.get(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
  }
  while (::recv(datagrams_.theirs.get(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
  }
  if (GetParam().kind != OperationKind::kStreamWrite) return;
  while (::read(pipe_.ours.get(), bytes, sizeof(bytes)) > 0) {
  }
}

// Closes what is the victim's own, as the contract wants it.
void CancelTortureTest::CleanUpAfter(Victim& victim) {
  if (victim.kind == OperationKind::kConnect) Close(Descriptor(victim.descriptor));
  if (victim.kind == OperationKind::kClose && victim.last.result == -ECANCELED) {
    Close(Descriptor(victim.descriptor));
  }
  std::error_code ignored;
  if (io::IsPathKind(victim.kind)) {
    if (victim.path != directory_ + "/file") std::filesystem::remove(victim.path, ignored);
    std::filesystem::remove(victim.second_path, ignored);
  }
}

// Starts some, and cancels each at a moment of its own: before, while and after it is done.
void CancelTortureTest::Round(Random& random) {
  std::vector<std::unique_ptr<Victim>> victims;
  std::vector<uint64_t> moments;
  for (size_t i = 0; i < kAtOnce; ++i) {
    victims.push_back(std::make_unique<Victim>(GetParam().kind));
    Prepare(*victims.back());
    moments.push_back(random.Below(5));
    reactor().Start(*victims.back());
  }
  for (uint64_t moment = 0; moment < 5; ++moment) {
    if (random.Below(2) == 0) Provoke();
    const bool between = random.Below(2) == 0;
    if (between) driver().Submit(reactor());
    for (size_t i = 0; i < kAtOnce; ++i) {
      if (moments[i] == moment) reactor().Cancel(*victims[i]);
    }
    if (random.Below(4) == 0) Provoke();
    harness().Turn();
  }
  ASSERT_TRUE(harness().TurnUntil([&] { return reactor().in_flight() == 0; }));
  for (const std::unique_ptr<Victim>& victim : victims) {
    wrong_finals_ += victim->finals == 1 ? 0 : 1;
    ++(victim->last.result == -ECANCELED ? cancelled_ : completed_);
    CleanUpAfter(*victim);
  }
  // Those of the round before have been idle for a while.
  for (const std::unique_ptr<Victim>& victim : watched_) {
    wrong_finals_ += victim->finals == 1 ? 0 : 1;
    touched_ += victim->IsUntouched() ? 0 : 1;
  }
  watched_ = std::move(victims);
}

TEST_P(CancelTortureTest, AtAnyMomentItCompletesOnceAndItsMemoryIsGivenBack) {
  Random random(20);
  Round(random);  // opens what stays open
  const size_t descriptors = OpenDescriptors();
  const int rounds = (Cancellations() + static_cast<int>(kAtOnce) - 1) / static_cast<int>(kAtOnce);
  cancelled_ = completed_ = 0;
  for (int round = 0; round < rounds && !HasFatalFailure(); ++round) Round(random);
  EXPECT_EQ(wrong_finals_, 0u);
  EXPECT_EQ(touched_, 0u) << "buffers written after their operation had completed";
  // Connections that nobody has accepted are not among them.
  EXPECT_EQ(OpenDescriptors(), descriptors);
  std::cout << "cancelled " << NameOf({GetParam(), 0}) << ": " << cancelled_ + completed_
            << " times, of which " << cancelled_ << " came in time\n";
}

}  // namespace
}  // namespace pelton::testing
