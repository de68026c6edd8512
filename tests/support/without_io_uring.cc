// without_io_uring ERROR PROGRAM [ARGUMENTS...]: runs a program for which io_uring_setup(2) fails
// with ERROR, EPERM or ENOSYS, as it does in containers whose seccomp profile forbids io_uring.
// Exits with 2 when it cannot.
//
// Source: man seccomp(2).

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace {

int Fail(const char* what) {
  std::fprintf(stderr, "without_io_uring: %s: %s\n", what, std::strerror(errno));
  return 2;
}

// 0 when there is no such name.
int ErrorNamed(std::string_view name) {
  if (name == "EPERM") return EPERM;
  if (name == "ENOSYS") return ENOSYS;
  return 0;
}

// The filter outlives execve(2).
bool RefuseSetup(int error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = sizeof(program) / sizeof(program[0]), .filter = program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int error = argc > 2 ? ErrorNamed(argv[1]) : 0;
  if (error == 0) {
    std::fputs("usage: without_io_uring EPERM|ENOSYS PROGRAM [ARGUMENTS...]\n", stderr);
    return 2;
  }
  if (!RefuseSetup(error)) return Fail("seccomp");
  ::execv(argv[2], argv + 2);
  return Fail(argv[2]);
}
