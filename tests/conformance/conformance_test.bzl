"""One test per driver, and per capability that a kernel may lack."""

load("@rules_cc//cc:defs.bzl", "cc_test")

def conformance_test(name, driver, without = []):
    """Runs the conformance suite on a driver.

    Args:
      name: the test's name.
      driver: uring or epoll.
      without: capabilities of io_uring that the driver must do without.
    """
    cc_test(
        name = name,
        size = "small",
        args = ["--driver=" + driver] + ["--without=" + capability for capability in without],
        deps = [":suite"],
    )
