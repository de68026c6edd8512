"""Rounds: each starts a server afresh, loads it, and is repeated when the machine was busy with something else."""

import os
import subprocess
import time

from comparison import contestants

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_QUIET_SAMPLE_SECONDS = 0.1


def parse_result(line):
    """The generator's `key=value ...` line as numbers."""
    return {key: float(value) for key, value in (pair.split("=", 1) for pair in line.split())}


def _machine_busy_seconds():
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) * _TICK


def _cpu_seconds(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as schedstat:
            total += int(schedstat.read().split()[0])
    return total / 1e9


class Bench:
    """Everything that stays the same from round to round."""

    def __init__(self, generator, server_cpu, load_cpu, seconds, disturbance, repeats, patience):
        self._generator = generator
        self._server_cpu = server_cpu
        self._load_cpu = load_cpu
        self._seconds = seconds
        self._disturbance = disturbance  # percent of a core that others may take
        self._repeats = repeats
        self._patience = patience  # seconds for each scenario, to wait for a quiet machine and to repeat rounds
        self._patience_left = patience

    def rounds(self, contestants_, scenario, count):
        """Results per contestant, one a round, interleaved; a contestant's place in the round moves on from round to round."""
        results = {contestant.name: [] for contestant in contestants_}
        self._patience_left = self._patience
        for number in range(count):
            shift = number % len(contestants_)
            for contestant in contestants_[shift:] + contestants_[:shift]:
                flags = scenario.load_flags() + [f"--seconds={self._seconds}"]
                results[contestant.name].append(self._quiet_round(contestant, scenario.buffer_size, flags))
        return results

    def idle(self, contestant, scenario):
        """The server's memory for each idle connection, and its CPU while all are idle."""
        flags = [f"--connections={scenario.connections}", "--idle", "--seconds=1"]
        return self._load(contestant, scenario.buffer_size, flags)

    def idle_cpu_percent(self, contestant, seconds):
        """The share of a core that the server takes without any connection."""
        with contestants.Server(contestant, self._server_cpu, 2048) as server:
            before = _cpu_seconds(server.pid)
            time.sleep(seconds)
            return 100 * (_cpu_seconds(server.pid) - before) / seconds

    def _quiet_round(self, contestant, buffer_size, flags):
        """The first undisturbed attempt; when there is none, the least disturbed one."""
        attempts = []
        for _ in range(1 + self._repeats):
            self._await_quiet()
            started = time.monotonic()
            attempts.append(self._load(contestant, buffer_size, flags))
            if not self._disturbed(attempts[-1]):
                break
            self._patience_left -= time.monotonic() - started
            if self._patience_left <= 0:
                break
        best = min(attempts, key=lambda result: result["others_percent"])
        if best["requests"] == 0:
            raise contestants.ServerError(f"{contestant.name}: no reply in {self._seconds} s; the machine is too busy")
        best["disturbed"] = self._disturbed(best)
        return best

    def _disturbed(self, result):
        return result["others_percent"] > self._disturbance or result["requests"] == 0

    def _await_quiet(self):
        while self._patience_left > 0:
            busy, started = _machine_busy_seconds(), time.monotonic()
            time.sleep(_QUIET_SAMPLE_SECONDS)
            elapsed = time.monotonic() - started
            # One tick more than allowed is within the resolution of so short a sample.
            if _machine_busy_seconds() - busy - _TICK <= elapsed * self._disturbance / 100:
                return
            self._patience_left -= elapsed

    def _load(self, contestant, buffer_size, flags):
        with contestants.Server(contestant, self._server_cpu, buffer_size) as server:
            command = [self._generator, f"--address={server.address}", f"--server_pid={server.pid}",
                       f"--cpu={self._load_cpu}"] + flags
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=120)
        if run.returncode != 0:
            raise contestants.ServerError(f"{contestant.name}: the load went wrong: {run.stdout.strip()}")
        return parse_result(run.stdout)
