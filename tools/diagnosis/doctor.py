"""The command line of tools/doctor."""

import argparse
import sys

import checks
from machine import Machine


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="tools/doctor",
        description="Says what this machine, its container and its limits mean for Pelton, and the command that mends each. "
        "Run it as the user and in the container that the service runs in. Exits with 0 when Pelton runs well here, and with 1 "
        "when something is degraded. Changes nothing. What the kernel's io_uring offers in detail, a service prints itself: "
        "--driver_report.")
    parser.add_argument("--root", default="/", help="a folder with proc and sys to read instead of this machine's; for tests")
    parser.add_argument("--quiet", action="store_true", help="only what is degraded")
    options = parser.parse_args(arguments)
    findings = checks.examine(Machine(options.root))
    degraded = [finding for finding in findings if finding.state == checks.DEGRADED]
    for finding in degraded if options.quiet else findings:
        print(f"{finding.state:9} {finding.subject}: {finding.meaning}")
        if finding.mend:
            print(f"{'':9}   to mend: {finding.mend}")
    print(f"doctor: {len(degraded)} of {len(findings)} findings degrade Pelton here" if degraded else "doctor: Pelton runs well here")
    return 1 if degraded else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
