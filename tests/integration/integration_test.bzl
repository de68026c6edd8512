"""One test per module of this folder and driver."""

def integration_test(module, drivers = ["uring", "epoll"], data = [], tags = []):
    """Runs a Python module on the real programs, once for each driver.

    Args:
      module: the module's name; the tests are called like it, with the driver before `_test`.
      drivers: what the programs get as --driver.
      data: what it needs besides the two services.
      tags: of the tests.
    """
    for driver in drivers:
        native.sh_test(
            name = module.replace("_test", "_" + driver + "_test"),
            size = "medium",
            srcs = ["run_tests.py"],
            args = [
                module,
                "--driver=" + driver,
            ],
            data = [
                module + ".py",
                "http_client.py",
                "load.py",
                "service.py",
                "//framework/examples:echo_server",
                "//framework/examples:http_server",
            ] + data,
            # A loopback interface of its own: no test takes another's ports.
            tags = ["block-network"] + tags,
        )
