// Functions that block, called from coroutines: found at the call, one level deep.

#include <stdio.h>
#include <unistd.h>

#include <mutex>

#include "framework/pelton.h"

namespace {

using pelton::Task;

FILE* LoadFile(const char* path) { return fopen(path, "r"); }

int Indirectly(const char* path) { return LoadFile(path) == nullptr ? 0 : 1; }

class Log {
 public:
  explicit Log(const char* path) : file_(fopen(path, "a")) {}
  void Flush() {
    std::lock_guard lock(mutex_);
    fflush(file_);
  }

 private:
  std::mutex mutex_;
  FILE* file_;
};

template <typename T>
void Pause(T duration) {
  usleep(duration);
}

Task<void> Calls() {
  (void)LoadFile("a");  // expect: pelton-blocking-call
  Log log("b");         // expect: pelton-blocking-call
  log.Flush();          // expect: pelton-blocking-call
  Pause(1);             // expect: pelton-blocking-call
  auto wait_a_moment = [] { return usleep(1); };
  wait_a_moment();  // expect: pelton-blocking-call
  // Two levels are not followed.
  (void)Indirectly("c");
  co_return;
}

}  // namespace
