#include "tools/coroutine_checker/blocking_calls.h"

#include <clang/AST/DeclCXX.h>
#include <clang/AST/ExprCXX.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "tools/coroutine_checker/syntax.h"

namespace pelton::coroutine_checker {
namespace {

using clang::ASTContext;
using clang::Expr;
using llvm::dyn_cast;
using llvm::StringRef;

// Names, separated by blanks, that share an advice. Those without `::` are C functions.
struct Group {
  StringRef names;
  StringRef advice;
};

constexpr Group kGroups[] = {
    {"sleep usleep nanosleep clock_nanosleep thrd_sleep pause sigsuspend "
     "std::this_thread::sleep_for std::this_thread::sleep_until absl::SleepFor",
     "co_await pelton::SleepFor or pelton::SleepUntil"},
    {"recv recvfrom recvmsg recvmmsg send sendto sendmsg sendmmsg accept accept4 connect",
     "await the operation of a pelton::TcpStream or TcpListener"},
    {"poll ppoll select pselect epoll_wait epoll_pwait epoll_pwait2 sigwait sigwaitinfo "
     "sigtimedwait io_uring_wait_cqe io_uring_wait_cqes io_uring_wait_cqe_nr "
     "io_uring_wait_cqe_timeout io_uring_submit_and_wait io_uring_submit_and_wait_timeout",
     "await the operation itself: the shard's reactor waits for all of them"},
    {"read pread pread64 readv preadv preadv2 write pwrite pwrite64 writev pwritev pwritev2 "
     "sendfile splice copy_file_range open open64 openat openat64 creat fopen fopen64 freopen "
     "fread fgets fgetc getc getchar getline getdelim fscanf scanf fsync fdatasync sync syncfs "
     "sync_file_range msync flock lockf fcntl std::getline "
     "std::basic_ifstream::basic_ifstream std::basic_ofstream::basic_ofstream "
     "std::basic_fstream::basic_fstream std::basic_ifstream::open std::basic_ofstream::open "
     "std::basic_fstream::open std::filesystem::exists std::filesystem::status "
     "std::filesystem::file_size std::filesystem::copy std::filesystem::copy_file "
     "std::filesystem::remove std::filesystem::remove_all std::filesystem::rename "
     "std::filesystem::resize_file std::filesystem::create_directory "
     "std::filesystem::create_directories std::filesystem::directory_iterator::directory_iterator "
     "std::filesystem::recursive_directory_iterator::recursive_directory_iterator",
     "await an operation of the shard's reactor, or hand the call to pelton::RunBlocking"},
    {"getaddrinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r gethostbyaddr "
     "gethostbyaddr_r getnameinfo system popen pclose wait waitpid wait3 wait4 waitid "
     "std::thread::join std::jthread::join pthread_join thrd_join",
     "hand the call to pelton::RunBlocking"},
    {"curl_easy_perform PQconnectdb PQexec PQexecParams PQexecPrepared PQgetResult mysql_query "
     "mysql_real_query mysql_real_connect redisConnect redisCommand sqlite3_exec sqlite3_step",
     "use the library's non-blocking calls, or hand the call to pelton::RunBlocking"},
    {"std::mutex::lock std::recursive_mutex::lock std::timed_mutex::lock "
     "std::timed_mutex::try_lock_for std::timed_mutex::try_lock_until "
     "std::recursive_timed_mutex::lock std::recursive_timed_mutex::try_lock_for "
     "std::recursive_timed_mutex::try_lock_until std::shared_mutex::lock "
     "std::shared_mutex::lock_shared std::shared_timed_mutex::lock "
     "std::shared_timed_mutex::lock_shared std::unique_lock::lock std::shared_lock::lock std::lock "
     "std::shared_timed_mutex::try_lock_for std::shared_timed_mutex::try_lock_until "
     "std::shared_timed_mutex::try_lock_shared_for std::shared_timed_mutex::try_lock_shared_until "
     "std::unique_lock::try_lock_for std::unique_lock::try_lock_until "
     "std::shared_lock::try_lock_for std::shared_lock::try_lock_until absl::Mutex::lock "
     "absl::Mutex::lock_shared "
     "std::lock_guard::lock_guard std::unique_lock::unique_lock std::scoped_lock::scoped_lock "
     "std::shared_lock::shared_lock absl::Mutex::Lock absl::Mutex::WriterLock "
     "absl::Mutex::ReaderLock absl::Mutex::LockWhen absl::Mutex::LockWhenWithTimeout "
     "absl::Mutex::LockWhenWithDeadline absl::Mutex::ReaderLockWhen absl::Mutex::WriterLockWhen "
     "absl::Mutex::Await absl::Mutex::AwaitWithTimeout absl::Mutex::AwaitWithDeadline "
     "absl::MutexLock::MutexLock absl::ReaderMutexLock::ReaderMutexLock "
     "absl::WriterMutexLock::WriterMutexLock absl::MutexLockMaybe::MutexLockMaybe "
     "absl::ReleasableMutexLock::ReleasableMutexLock pthread_mutex_lock pthread_mutex_timedlock "
     "pthread_rwlock_rdlock pthread_rwlock_wrlock mtx_lock mtx_timedlock",
     "keep the state on one shard and reach it by pelton::On, or use pelton::Mutex"},
    {"std::condition_variable::wait std::condition_variable::wait_for "
     "std::condition_variable::wait_until std::condition_variable_any::wait "
     "std::condition_variable_any::wait_for std::condition_variable_any::wait_until "
     "pthread_cond_wait pthread_cond_timedwait cnd_wait cnd_timedwait absl::CondVar::Wait "
     "absl::CondVar::WaitWithTimeout absl::CondVar::WaitWithDeadline "
     "absl::Notification::WaitForNotification absl::Notification::WaitForNotificationWithTimeout "
     "absl::Notification::WaitForNotificationWithDeadline absl::BlockingCounter::Wait "
     "absl::Barrier::Block sem_wait sem_timedwait sem_clockwait pthread_barrier_wait "
     "std::counting_semaphore::acquire std::counting_semaphore::try_acquire_for "
     "std::counting_semaphore::try_acquire_until std::latch::wait std::latch::arrive_and_wait "
     "std::barrier::wait std::barrier::arrive_and_wait std::atomic::wait std::__atomic_base::wait "
     "std::atomic_flag::wait std::atomic_wait std::atomic_wait_explicit",
     "use the awaitable one: pelton::Event, ConditionVariable, Semaphore, Latch or Barrier"},
    {"std::future::get std::future::wait std::future::wait_for std::future::wait_until "
     "std::__basic_future::wait std::__basic_future::wait_for std::__basic_future::wait_until "
     "std::shared_future::get std::shared_future::wait std::shared_future::wait_for "
     "std::shared_future::wait_until",
     "co_await a pelton::Future"},
};

const Expr* Argument(const Expr& expression, unsigned index) {
  if (const auto* call = dyn_cast<clang::CallExpr>(&expression)) {
    return index < call->getNumArgs() ? call->getArg(index) : nullptr;
  }
  const auto& construction = llvm::cast<clang::CXXConstructExpr>(expression);
  return index < construction.getNumArgs() ? construction.getArg(index) : nullptr;
}

std::optional<int64_t> IntegerArgument(const Expr& call, unsigned index,
                                       const ASTContext& context) {
  const Expr* argument = Argument(call, index);
  Expr::EvalResult result;
  if (argument == nullptr || argument->isValueDependent() ||
      !argument->EvaluateAsInt(result, context)) {
    return std::nullopt;
  }
  return result.Val.getInt().tryExtValue();
}

// Where a C function takes the flags or the time-out that make it return at once.
struct Escape {
  StringRef names;
  unsigned argument;
  int64_t flag;  // 0: the argument itself must be 0
};

constexpr Escape kEscapes[] = {
    {"recv send recvfrom sendto recvmmsg sendmmsg", 3, MSG_DONTWAIT},
    {"recvmsg sendmsg", 2, MSG_DONTWAIT},
    {"poll", 2, 0},
    {"epoll_wait epoll_pwait", 3, 0},
    {"waitpid wait4", 2, WNOHANG},
    {"waitid", 3, WNOHANG},
    {"flock", 1, LOCK_NB},
    {"msync", 2, MS_ASYNC},
};

bool Holds(StringRef names, StringRef name) {
  llvm::SmallVector<StringRef, 64> all;
  names.split(all, ' ', -1, false);
  return llvm::is_contained(all, name);
}

// Whether the argument is a duration of zero, such as std::chrono::seconds(0).
bool IsZeroDuration(const Expr* argument, const ASTContext& context) {
  Expr::EvalResult result;
  if (argument == nullptr || argument->isValueDependent()) return false;
  argument = argument->IgnoreUnlessSpelledInSource();
  if (!argument->EvaluateAsRValue(result, context) || !result.Val.isStruct()) return false;
  return result.Val.getStructNumFields() == 1 && result.Val.getStructField(0).isInt() &&
         result.Val.getStructField(0).getInt().isZero();
}

// Whether a stream is known to read from memory.
bool IsInMemory(const Expr* stream) {
  if (stream == nullptr) return false;
  const clang::CXXRecordDecl* type = stream->IgnoreParenImpCasts()->getType()->getAsCXXRecordDecl();
  if (type == nullptr) return false;
  const std::string name = QualifiedNameOf(*type);
  return name == "std::basic_istringstream" || name == "std::basic_stringstream";
}

// Whether the arguments of a call let it return at once.
bool ReturnsAtOnce(StringRef name, const Expr& call, const ASTContext& context) {
  if (name == "fcntl" || name == "lockf") {
    const std::optional<int64_t> command = IntegerArgument(call, 1, context);
    if (name == "lockf") return command && *command != F_LOCK;
    return !command || (*command != F_SETLKW && *command != F_OFD_SETLKW);
  }
  if (name == "std::getline") return IsInMemory(Argument(call, 0));
  if (name.ends_with("::wait_for")) return IsZeroDuration(Argument(call, 0), context);
  for (const Escape& escape : kEscapes) {
    if (!Holds(escape.names, name)) continue;
    const std::optional<int64_t> value = IntegerArgument(call, escape.argument, context);
    return value && (escape.flag == 0 ? *value == 0 : (*value & escape.flag) != 0);
  }
  return false;
}

// Whether a construction takes nothing over that could block: no arguments, another guard or
// stream to move from, or a tag that says not to lock.
bool IsIdleConstruction(const clang::CXXConstructExpr& construction) {
  const clang::CXXConstructorDecl* constructor = construction.getConstructor();
  if (construction.getNumArgs() == 0 || constructor->isCopyOrMoveConstructor()) return true;
  return llvm::any_of(construction.arguments(), [](const Expr* argument) {
    const clang::CXXRecordDecl* type = argument->getType()->getAsCXXRecordDecl();
    if (type == nullptr) return false;
    const std::string name = QualifiedNameOf(*type);
    return name == "std::defer_lock_t" || name == "std::try_to_lock_t" ||
           name == "std::adopt_lock_t";
  });
}

// The name that users write, for one inside a library.
std::string PublicName(std::string name) {
  for (const auto& [inner, outer] : {std::pair<StringRef, StringRef>{"__basic_future", "future"},
                                     {"__atomic_base", "atomic"},
                                     {"basic_ifstream", "ifstream"},
                                     {"basic_ofstream", "ofstream"},
                                     {"basic_fstream", "fstream"}}) {
    for (size_t at = name.find(inner); at != std::string::npos; at = name.find(inner)) {
      name.replace(at, inner.size(), outer);
    }
  }
  // A constructor is known by its class.
  const StringRef whole = name;
  const auto [scope, last] = whole.rsplit("::");
  return scope.ends_with(("::" + last).str()) || scope == last ? scope.str() : name;
}

}  // namespace

BlockingCalls::BlockingCalls() {
  for (const Group& group : kGroups) {
    llvm::SmallVector<StringRef, 64> names;
    group.names.split(names, ' ', -1, false);
    for (const StringRef name : names) {
      entries_[name] = {group.advice.str(), !name.contains("::")};
    }
  }
}

void BlockingCalls::Add(StringRef name, StringRef advice) {
  entries_[name] = {advice.str(), false};
}

bool BlockingCalls::Remove(StringRef name) { return entries_.erase(name); }

std::optional<BlockingCall> BlockingCalls::Find(const clang::Stmt& expression,
                                                const ASTContext& context) const {
  const clang::FunctionDecl* callee = nullptr;
  const auto* call = dyn_cast<clang::CallExpr>(&expression);
  const auto* construction = dyn_cast<clang::CXXConstructExpr>(&expression);
  if (call != nullptr) callee = call->getDirectCallee();
  if (construction != nullptr) callee = construction->getConstructor();
  if (callee == nullptr) return std::nullopt;
  const std::string name = QualifiedNameOf(*callee);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return std::nullopt;
  if (entry->second.is_c && !callee->isExternC()) return std::nullopt;
  const bool returns_at_once = construction != nullptr ? IsIdleConstruction(*construction)
                                                       : ReturnsAtOnce(name, *call, context);
  if (returns_at_once) return std::nullopt;
  return BlockingCall{PublicName(name), entry->second.advice};
}

}  // namespace pelton::coroutine_checker
