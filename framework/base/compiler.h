// Refuses compilers that are known to miscompile coroutines; every header that defines one includes
// this first.
//
// GCC 12 and older destroy some temporaries of a full expression with co_await twice (aggregates,
// closures with captures), so a correct program frees memory twice. Clang 14 and newer do not.

#ifndef PELTON_FRAMEWORK_BASE_COMPILER_H_
#define PELTON_FRAMEWORK_BASE_COMPILER_H_

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13 && \
    !defined(PELTON_ALLOW_MISCOMPILING_COMPILER)
#error \
    "Pelton: GCC 12 and older destroy temporaries of a co_await expression twice. Use clang-19 (or clang 14 and newer). Define PELTON_ALLOW_MISCOMPILING_COMPILER to go on at your own risk."
#endif

#if defined(__SANITIZE_ADDRESS__)
#define PELTON_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PELTON_ASAN 1
#endif
#endif

// Keeps cold code (growth, errors) out of the callers' instruction cache lines.
#define PELTON_COLD __attribute__((noinline, cold))
// A current-shard pointer in an executable costs one instruction with this model. Pelton is linked
// into executables, not loaded by dlopen.
#define PELTON_SHARD_LOCAL constinit thread_local __attribute__((tls_model("initial-exec")))

#endif  // PELTON_FRAMEWORK_BASE_COMPILER_H_
