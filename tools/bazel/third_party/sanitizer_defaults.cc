// What the sanitizers are told in every program that uses Abseil from source. Compiled in rather
// than passed in the environment, so that programs started by tests, and by hand, have it too.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PELTON_THREAD_SANITIZER 1
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define PELTON_THREAD_SANITIZER 1
#endif

#ifdef PELTON_THREAD_SANITIZER
// absl::Mutex synchronizes by means that ThreadSanitizer does not follow when Abseil is built as
// Debian's version is. The runtime declares and calls this.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:synchronization_internal::Waiter\n"
         "race:base_internal::LowLevelAlloc\n";
}

// A child process begins with the memory of its parent (CLONE_VM), where ThreadSanitizer notes that
// it was forked, and then refuses the parent another thread.
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() { return "die_after_fork=0"; }
#endif
