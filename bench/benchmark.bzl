"""Benchmarks that also run for a moment as a test, so that none rots."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

def pelton_benchmark(name, srcs, deps, args = [], **kwargs):
    """A Google Benchmark program. The source has its own BENCHMARK_MAIN().

    Builds NAME, to be run with --config=opt, and NAME_smoke_test, which runs every benchmark for about a millisecond.

    Args:
      name: of the program.
      srcs: its sources.
      deps: its libraries; Google Benchmark is added.
      args: further arguments of the smoke test, such as a --benchmark_filter that leaves out what takes too long.
      **kwargs: passed to both (data, tags of the test, size).
    """
    cc_library(
        name = name + "_lib",
        testonly = True,
        srcs = srcs,
        alwayslink = True,
        deps = deps + ["//tools/bazel/third_party:benchmark"],
    )
    cc_binary(
        name = name,
        testonly = True,
        tags = ["benchmark"],
        deps = [":" + name + "_lib"],
    )
    cc_test(
        name = name + "_smoke_test",
        args = ["--benchmark_min_time=0.001"] + args,
        deps = [":" + name + "_lib"],
        **kwargs
    )
