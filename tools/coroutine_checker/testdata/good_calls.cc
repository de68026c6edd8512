// Calls that do not block, or not in the coroutine.

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <future>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "framework/pelton.h"

namespace {

using pelton::Task;

std::mutex mutex;

// Namesakes of blocking functions.
namespace file {
int open(const char*);
int read(int);
}  // namespace file
int poll(int);
struct Channel {
  int send(int);
  Task<int> recv();
  void lock();
  int wait();
};

template <typename F>
Task<int> RunBlocking(F);
int Blocks(int fd) {
  char byte;
  return static_cast<int>(::read(fd, &byte, 1));
}

Task<void> CallsNamesakes(Channel channel) {
  file::read(file::open("a"));
  poll(1);
  channel.send(co_await channel.recv());
  channel.lock();
  channel.wait();
  (void)co_await pelton::SleepFor(absl::Seconds(1));
}

Task<void> HandsCallsAway(int fd, std::string path) {
  co_await RunBlocking([&] {
    usleep(1);
    std::lock_guard lock(mutex);
    return Blocks(fd);
  });
  co_await RunBlocking([path] { return std::ifstream(path).good() ? 1 : 0; });
  std::thread thread([] { usleep(1); });
  thread.detach();
}

Task<void> SaysNotToWait(int fd, std::string buffer) {
  pollfd entry = {};
  epoll_event event;
  recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  send(fd, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::poll(&entry, 1, 0);
  epoll_wait(fd, &event, 1, 0);
  waitpid(-1, nullptr, WNOHANG);
  flock(fd, LOCK_EX | LOCK_NB);
  fcntl(fd, F_GETFL);
  (void)lockf(fd, F_TLOCK, 0);
  co_return;
}

Task<void> TriesLocks(std::future<int> future) {
  std::unique_lock<std::mutex> none;
  std::unique_lock deferred(mutex, std::defer_lock);
  std::unique_lock tried(mutex, std::try_to_lock);
  std::unique_lock moved(std::move(tried));
  if (mutex.try_lock()) mutex.unlock();
  if (future.wait_for(std::chrono::seconds(0)) == std::future_status::ready) co_return;
  std::ifstream not_open;
  std::istringstream in_memory("a b");
  std::string word;
  std::getline(in_memory, word, ' ');
  co_return;
}

Task<void> LetsGoBeforeAnAwait() {
  {
    std::unique_lock lock(mutex, std::try_to_lock);
  }
  co_await pelton::Yield();
  std::unique_lock lock(mutex, std::try_to_lock);
  lock.unlock();
  co_await pelton::Yield();
  std::unique_lock handed_over(mutex, std::try_to_lock);
  auto later = []() -> Task<void> { co_await pelton::Yield(); };
  (void)later;
}

Task<void> IsNotEvaluated(int fd) {
  static_assert(sizeof(usleep(1)) == sizeof(int));
  static_assert(noexcept(pause()) || true);
  std::decay_t<decltype(usleep(1))> value = 0;
  if constexpr (sizeof(value) == 1) usleep(1);
  (void)value;
  co_return;
}

Task<void> IsExcused(int fd) {
  usleep(1);  // NOLINT(pelton-blocking-call): a comment may go on
  // NOLINTNEXTLINE(pelton-blocking-call)
  usleep(1);
  co_await pelton::Yield();
}

int ExcusedInside(int fd) {
  return fsync(fd);  // NOLINT(pelton-blocking-call): a memory file
}

Task<int> CallsWhatIsExcused(int fd) { co_return ExcusedInside(fd); }

void PlainFunctionsMayBlock() {
  std::lock_guard lock(mutex);
  usleep(1);
}

}  // namespace
