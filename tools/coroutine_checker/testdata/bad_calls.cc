// Calls that block the thread, by family.

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/time/clock.h"
#include "framework/pelton.h"

extern "C" int sqlite3_step(void*);

namespace {

using pelton::Task;

Task<void> Sleeps() {
  timespec pause_for = {.tv_sec = 1};
  sleep(1);                                                  // expect: pelton-blocking-call
  usleep(10);                                                // expect: pelton-blocking-call
  ::usleep(10);                                              // expect: pelton-blocking-call
  nanosleep(&pause_for, nullptr);                            // expect: pelton-blocking-call
  clock_nanosleep(CLOCK_MONOTONIC, 0, &pause_for, nullptr);  // expect: pelton-blocking-call
  absl::SleepFor(absl::Seconds(1));                          // expect: pelton-blocking-call
  pause();                                                   // expect: pelton-blocking-call
  co_return;
}

Task<void> UsesSockets(int fd, std::string buffer, int flags) {
  iovec vector = {};
  msghdr message = {};
  (void)read(fd, buffer.data(), buffer.size());                     // expect: pelton-blocking-call
  (void)::write(fd, buffer.data(), buffer.size());                  // expect: pelton-blocking-call
  readv(fd, &vector, 1);                                            // expect: pelton-blocking-call
  writev(fd, &vector, 1);                                           // expect: pelton-blocking-call
  recv(fd, buffer.data(), buffer.size(), 0);                        // expect: pelton-blocking-call
  recv(fd, buffer.data(), buffer.size(), flags);                    // expect: pelton-blocking-call
  recvfrom(fd, buffer.data(), buffer.size(), 0, nullptr, nullptr);  // expect: pelton-blocking-call
  recvmsg(fd, &message, 0);                                         // expect: pelton-blocking-call
  send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL);             // expect: pelton-blocking-call
  sendto(fd, buffer.data(), buffer.size(), 0, nullptr, 0);          // expect: pelton-blocking-call
  sendmsg(fd, &message, 0);                                         // expect: pelton-blocking-call
  sendfile(fd, fd, nullptr, 1);                                     // expect: pelton-blocking-call
  accept(fd, nullptr, nullptr);                                     // expect: pelton-blocking-call
  accept4(fd, nullptr, nullptr, SOCK_CLOEXEC);                      // expect: pelton-blocking-call
  connect(fd, nullptr, 0);                                          // expect: pelton-blocking-call
  co_return;
}

Task<void> WaitsForEvents(int fd, int timeout) {
  pollfd entry = {};
  epoll_event event;
  poll(&entry, 1, -1);                            // expect: pelton-blocking-call
  poll(&entry, 1, timeout);                       // expect: pelton-blocking-call
  ppoll(&entry, 1, nullptr, nullptr);             // expect: pelton-blocking-call
  select(1, nullptr, nullptr, nullptr, nullptr);  // expect: pelton-blocking-call
  epoll_wait(fd, &event, 1, 100);                 // expect: pelton-blocking-call
  epoll_pwait(fd, &event, 1, timeout, nullptr);   // expect: pelton-blocking-call
  sigset_t signals = {};
  sigwaitinfo(&signals, nullptr);  // expect: pelton-blocking-call
  co_return;
}

Task<void> UsesFiles(int fd, std::string path) {
  char line[80];
  const int file = open(path.c_str(), O_RDONLY);  // expect: pelton-blocking-call
  (void)openat(fd, path.c_str(), O_RDONLY);       // expect: pelton-blocking-call
  FILE* stream = fopen(path.c_str(), "r");        // expect: pelton-blocking-call
  FILE* other = std::fopen(path.c_str(), "r");    // expect: pelton-blocking-call
  (void)fread(line, 1, sizeof(line), stream);     // expect: pelton-blocking-call
  (void)std::fgets(line, sizeof(line), other);    // expect: pelton-blocking-call
  (void)pread(file, line, sizeof(line), 0);       // expect: pelton-blocking-call
  (void)pwrite(file, line, sizeof(line), 0);      // expect: pelton-blocking-call
  std::ifstream input(path);                      // expect: pelton-blocking-call
  std::ofstream output;
  output.open(path);  // expect: pelton-blocking-call
  std::string text;
  while (std::getline(input, text)) {  // expect: pelton-await-free-loop pelton-blocking-call
  }
  std::filesystem::remove_all(path);  // expect: pelton-blocking-call
  for (const auto& entry :
       std::filesystem::directory_iterator(path)) {  // expect: pelton-blocking-call
    co_await pelton::Yield();
  }
  fsync(fd);                     // expect: pelton-blocking-call
  fdatasync(fd);                 // expect: pelton-blocking-call
  flock(fd, LOCK_EX);            // expect: pelton-blocking-call
  (void)lockf(fd, F_LOCK, 0);    // expect: pelton-blocking-call
  fcntl(fd, F_SETLKW, nullptr);  // expect: pelton-blocking-call
  co_return;
}

Task<void> AsksForNamesAndProcesses(const char* host) {
  addrinfo* found = nullptr;
  getaddrinfo(host, nullptr, nullptr, &found);         // expect: pelton-blocking-call
  (void)gethostbyname(host);                           // expect: pelton-blocking-call
  getnameinfo(nullptr, 0, nullptr, 0, nullptr, 0, 0);  // expect: pelton-blocking-call
  (void)system("true");                                // expect: pelton-blocking-call
  (void)std::system("true");                           // expect: pelton-blocking-call
  FILE* pipe = popen("true", "r");                     // expect: pelton-blocking-call
  pclose(pipe);                                        // expect: pelton-blocking-call
  waitpid(-1, nullptr, 0);                             // expect: pelton-blocking-call
  wait(nullptr);                                       // expect: pelton-blocking-call
  co_return;
}

Task<void> UsesPosixThreads(pthread_mutex_t* mutex, pthread_cond_t* condition, sem_t* semaphore,
                            pthread_t thread) {
  pthread_mutex_lock(mutex);            // expect: pelton-blocking-call
  pthread_cond_wait(condition, mutex);  // expect: pelton-blocking-call
  sem_wait(semaphore);                  // expect: pelton-blocking-call
  pthread_join(thread, nullptr);        // expect: pelton-blocking-call
  co_return;
}

Task<void> UsesALibrary(void* statement) {
  sqlite3_step(statement);  // expect: pelton-blocking-call
  co_return;
}

// In every kind of place.
int Status(int);
Task<int> InPlaces(int fd) {
  const int value = Status(waitpid(fd, nullptr, 0));    // expect: pelton-blocking-call
  if (usleep(1) == 0) co_await pelton::Yield();         // expect: pelton-blocking-call
  while (usleep(1) == 0) co_await pelton::Yield();      // expect: pelton-blocking-call
  co_await pelton::SleepFor(absl::Seconds(usleep(1)));  // expect: pelton-blocking-call
  auto inner = [waited = usleep(1)]() -> Task<int> {    // expect: pelton-blocking-call
    usleep(waited);                                     // expect: pelton-blocking-call
    co_return 1;
  };
  co_await inner();
  [&] { usleep(1); }();         // expect: pelton-blocking-call
  co_return value + usleep(1);  // expect: pelton-blocking-call
}

}  // namespace
