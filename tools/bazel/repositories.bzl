"""External repositories."""

def pelton_repositories(path = "."):
    """Declares the repositories that the build needs; call it from WORKSPACE.

    Args:
      path: of Pelton's checkout, from the workspace that calls this.
    """

    # Debian's bazel-bootstrap (4.2.3) is unlabelled, so its version reads "".
    # It has no network, and needs some of Bazel's own repositories to be local.
    # Upstream Bazel keeps its own copies of them.
    if not native.bazel_version:
        native.local_repository(name = "rules_cc", path = path + "/tools/bazel/debian/rules_cc")
        native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
        native.local_repository(
            name = "remote_coverage_tools",
            path = path + "/tools/bazel/debian/remote_coverage_tools",
        )
        native.local_repository(name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")

    # Sources: used by the sanitizer and cross builds (--define=deps=source).
    native.local_repository(name = "com_google_absl", path = path + "/.deps/abseil-cpp")
    native.new_local_repository(
        name = "com_google_googletest",
        path = "/usr/src/googletest",
        build_file = str(Label("//tools/bazel/third_party:googletest.BUILD")),
    )

    # Clang's libraries, for tools/coroutine_checker.
    native.new_local_repository(
        name = "llvm",
        path = "/usr/lib/llvm-19",
        build_file = str(Label("//tools/bazel/third_party:llvm.BUILD")),
    )
