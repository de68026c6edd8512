#!/usr/bin/env python3
"""Machines that are well and machines that are not, made of files; and this one, with and without io_uring."""

import os
import subprocess
import sys
import tempfile
import unittest

import checks
from machine import UNLIMITED, Machine, parse_cpu_list

HERE = os.path.dirname(os.path.abspath(__file__))
DOCTOR = os.path.join(HERE, "doctor.py")
WITHOUT_IO_URING = os.path.join(HERE, "..", "..", "tests", "support", "without_io_uring")

LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max processes             {processes}            unlimited            processes
Max open files            {files}                1048576              files
Max locked memory         {memory}              unlimited            bytes
"""

# A machine on which everything is as Pelton likes it.
WELL = {
    "proc/sys/kernel/osrelease": "6.18.1-amd64",
    "proc/sys/kernel/io_uring_disabled": "0",
    "proc/sys/kernel/io_uring_group": "-1",
    "proc/sys/kernel/perf_event_paranoid": "1",
    "proc/sys/net/core/somaxconn": "4096",
    "proc/sys/net/core/busy_read": "50",
    "proc/sys/net/ipv4/tcp_max_syn_backlog": "2048",
    "proc/sys/fs/aio-nr": "0",
    "proc/sys/fs/aio-max-nr": "65536",
    "proc/self/limits": LIMITS.format(processes=100000, files=100000, memory=8 << 20),
    "proc/self/status": "Seccomp:\t0\nCapEff:\t0000000000000000\nCpus_allowed_list:\t0-3\n",
    "proc/self/cgroup": "0::/service/pod\n",
    "sys/fs/cgroup/service/pod/cpu.max": "max 100000",
    "sys/fs/cgroup/service/pod/pids.max": "max",
    "sys/devices/system/cpu/isolated": "2-3",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
}


class DoctorTest(unittest.TestCase):

    def machine(self, **changes):
        """The root of a machine that is well but for `changes`: pairs of a path and its text, or None to have no such file."""
        root = tempfile.TemporaryDirectory()
        self.addCleanup(root.cleanup)
        for path, text in {**WELL, **changes}.items():
            if text is None:
                continue
            name = os.path.join(root.name, path)
            os.makedirs(os.path.dirname(name), exist_ok=True)
            with open(name, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        return root.name

    def run_doctor(self, *arguments, launcher=()):
        return subprocess.run([*launcher, sys.executable, "-B", DOCTOR, *arguments], capture_output=True, text=True, check=False)

    def assert_ill(self, changes, subject, remedy, state=checks.DEGRADED):
        findings = checks.examine(Machine(self.machine(**changes)))
        hits = [finding for finding in findings if finding.state == state and subject in finding.subject]
        self.assertEqual(len(hits), 1, findings)
        self.assertIn(remedy, hits[0].mend)
        result = self.run_doctor("--quiet", "--root", self.machine(**changes))
        self.assertEqual(result.returncode, 1 if state == checks.DEGRADED else 0, result.stdout + result.stderr)
        if state == checks.DEGRADED:
            self.assertIn(subject, result.stdout)
            self.assertIn("to mend: ", result.stdout)

    def test_a_machine_that_is_well_has_exit_code_0(self):
        result = self.run_doctor("--root", self.machine())
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("doctor: Pelton runs well here", result.stdout)
        self.assertNotIn("note", result.stdout)
        self.assertNotIn("DEGRADED", result.stdout)

    def test_each_ill_is_found_with_its_remedy(self):
        ills = (
            ({"proc/sys/kernel/osrelease": "5.4.0"}, "kernel 5.4.0", "6.1"),
            ({"proc/sys/net/core/somaxconn": "128"}, "somaxconn=128", "sysctl -w net.core.somaxconn=4096"),
            ({"proc/sys/net/ipv4/tcp_max_syn_backlog": "128"}, "tcp_max_syn_backlog=128", "tcp_max_syn_backlog=2048"),
            ({"sys/fs/cgroup/service/pod/cpu.max": "150000 100000"}, "CPU quota: 1.5 of 4", "--cpuset-cpus"),
            ({"sys/fs/cgroup/service/cpu.max": "50000 100000"}, "CPU quota: 0.5 of 4", "--cpuset-cpus"),
            ({"sys/fs/cgroup/service/pod/pids.max": "50"}, "pids.max=50", "--pids-limit"),
            ({"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave"}, "governor: powersave", "cpupower"),
            ({"proc/self/limits": LIMITS.format(processes=10, files=100000, memory=8 << 20)}, "nproc", "ulimit -u"),
            ({"proc/self/limits": LIMITS.format(processes=100000, files=1024, memory=8 << 20)}, "nofile): 1024", "ulimit -n 65536"),
            ({"proc/self/limits": LIMITS.format(processes=100000, files=100000, memory=65536)}, "memlock): 64 KiB", "ulimit -l"),
        )
        for changes, subject, remedy in ills:
            with self.subTest(subject=subject):
                self.assert_ill(changes, subject, remedy)

    def test_why_io_uring_is_refused_decides_the_remedy(self):
        self.assert_ill({"io_uring_setup": "EPERM", "proc/self/status": "Seccomp:\t2\nCpus_allowed_list:\t0\n"}, "io_uring", "seccomp")
        self.assert_ill({"io_uring_setup": "ENOSYS"}, "io_uring", "CONFIG_IO_URING")
        self.assert_ill({"io_uring_setup": "ENOMEM"}, "io_uring", "ulimit -l")
        for disabled in ("1", "2"):
            self.assert_ill({"io_uring_setup": "EPERM", "proc/sys/kernel/io_uring_disabled": disabled}, "io_uring",
                            "sysctl -w kernel.io_uring_disabled=0")

    def test_what_costs_little_is_a_note(self):
        for changes, subject, remedy in (
            ({"proc/sys/kernel/osrelease": "5.15.0-91"}, "kernel 5.15", "6.1"),
            ({"sys/devices/system/cpu/isolated": ""}, "isolated CPUs: none", "isolcpus"),
            ({"sys/devices/system/cpu/isolated": "8-9"}, "isolated CPUs: 8-9", "taskset"),
            ({"sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]"}, "huge pages", "madvise"),
            ({"proc/sys/kernel/perf_event_paranoid": "4"}, "perf_event_paranoid=4", "sysctl"),
            ({"proc/sys/net/core/busy_read": "0"}, "busy_read=0", "CAP_NET_ADMIN"),
        ):
            with self.subTest(subject=subject):
                self.assert_ill(changes, subject, remedy, checks.NOTE)

    def test_who_may_lock_memory_is_not_limited(self):
        limits = LIMITS.format(processes=100000, files=100000, memory=65536)
        status = "Seccomp:\t0\nCapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-3\n"
        root = self.machine(**{"proc/self/limits": limits, "proc/self/status": status})
        self.assertEqual(self.run_doctor("--root", root).returncode, 0)

    def test_files_that_are_missing_or_strange_state_nothing(self):
        empty = tempfile.TemporaryDirectory()
        self.addCleanup(empty.cleanup)
        self.assertEqual(Machine(empty.name).limit("Max open files"), None)
        self.assertGreater(len(checks.examine(Machine(empty.name))), 0)
        strange = self.machine(**{"proc/sys/net/core/somaxconn": "many", "sys/fs/cgroup/service/pod/cpu.max": "what"})
        self.assertEqual(self.run_doctor("--root", strange).returncode, 0)

    def test_limits_and_lists_are_read(self):
        machine = Machine(self.machine())
        self.assertEqual(machine.limit("Max processes"), (100000, UNLIMITED))
        self.assertEqual(parse_cpu_list("0-2,8"), {0, 1, 2, 8})
        self.assertEqual(machine.cpus(), 4)

    def test_help_says_what_the_exit_codes_mean(self):
        result = self.run_doctor("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn("Exits with 0 when Pelton runs well here, and with 1", " ".join(result.stdout.split()))

    def test_this_machine_is_examined_and_where_io_uring_is_forbidden_it_says_so(self):
        here = self.run_doctor()
        self.assertIn(here.returncode, (0, 1), here.stderr)
        self.assertIn("io_uring: ", here.stdout)
        self.assertEqual(here.stderr, "")
        for error in ("EPERM", "ENOSYS"):
            forbidden = self.run_doctor(launcher=(WITHOUT_IO_URING, error))
            self.assertEqual(forbidden.returncode, 1, forbidden.stdout + forbidden.stderr)
            self.assertIn(f"io_uring: refused with {error}", forbidden.stdout)
            self.assertIn("seccomp", forbidden.stdout)


if __name__ == "__main__":
    unittest.main()
