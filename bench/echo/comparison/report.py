"""Statistics, tables and verdicts. Pure functions of the rounds' results."""

import dataclasses
import statistics


def lower_quartile(values):
    """The value at a quarter of the sorted ones: noise only ever adds CPU time, so the low end is the steady one."""
    return sorted(values)[len(values) // 4]


def paired_ratio(ours, theirs, key):
    """The median over the rounds of ours/theirs in the same round."""
    return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs))


def cpu_ratio(ours, theirs):
    """The ratio of the lower quartiles of CPU for each request.

    It is what verdicts rest on. A virtual machine has slow seconds (by a third, with nothing else running) that hit one server
    of a round and not the next. When two rounds in five are slow, the median of seven paired ratios is off by that third one
    time in eight, the ratio of the quartiles one time in thirty.
    """
    return lower_quartile([a["server_cpu_ns"] for a in ours]) / lower_quartile([b["server_cpu_ns"] for b in theirs])


def table(results, reference):
    """Rows of text for one scenario. `results`: contestant -> list of results, one for each round."""
    header = ("server", "requests/s", "CPU ns/request", "min–max", f"to {reference}", "paired", "p50 µs", "p99 µs",
              "server CPU", "disturbed")
    rows = [header]
    for name, rounds in results.items():
        cpu = [result["server_cpu_ns"] for result in rounds]
        ratios = ("–", "–")
        if reference in results:
            ratios = (f"{cpu_ratio(rounds, results[reference]):.3f}",
                      f"{paired_ratio(rounds, results[reference], 'server_cpu_ns'):.3f}")
        median = {key: statistics.median(result[key] for result in rounds)
                  for key in ("requests_per_second", "p50_us", "p99_us", "server_cpu_percent")}
        rows.append((name, f"{median['requests_per_second']:,.0f}", f"{lower_quartile(cpu):.0f}",
                     f"{min(cpu):.0f}–{max(cpu):.0f}", *ratios, f"{median['p50_us']:.1f}",
                     f"{median['p99_us']:.1f}", f"{median['server_cpu_percent']:.0f} %",
                     f"{sum(result['disturbed'] for result in rounds)} of {len(rounds)}"))
    return align(rows)


def align(rows):
    """Rows of cells as the lines of a Markdown table whose columns line up; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]

    def line(row):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        return "| " + " | ".join(cells) + " |"

    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return [line(rows[0]), line(rule)] + [line(row) for row in rows[1:]]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One threshold, with the figure that was measured."""

    what: str
    figure: float
    limit: float
    at_least: bool = False  # else: at most

    @property
    def passed(self):
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self):
        relation = ">=" if self.at_least else "<="
        return f"{'PASS' if self.passed else 'FAIL'}  {self.what}: {self.figure:.3f} {relation} {self.limit:g}"


# Scenario -> the most CPU for each request, as a ratio to the limit's.
CPU_LIMITS = {"64": 1.03, "512": 1.03, "pipelined": 1.08}
P99_LIMIT = 1.10
SPIN_GAIN = 2.0
IDLE_CPU_PERCENT = 1.0
IDLE_BYTES = 1024.0
BELOW = ("asio", "libuv")


def verdicts(loads, idle, idle_cpu, ours, limit):
    """Judges what was measured. `loads`: scenario -> results; `idle`: contestant -> result; `idle_cpu`: contestant -> percent."""
    found = []
    for scenario, results in loads.items():
        if ours not in results:
            continue
        if scenario in CPU_LIMITS and limit in results:
            ratio = cpu_ratio(results[ours], results[limit])
            found.append(Verdict(f"{scenario}: CPU per request, {ours} / {limit}", ratio, CPU_LIMITS[scenario]))
        if scenario in CPU_LIMITS:
            for other in BELOW:
                if other in results:
                    ratio = cpu_ratio(results[ours], results[other])
                    found.append(Verdict(f"{scenario}: CPU per request, {ours} / {other}", ratio, 1.0))
        if scenario in ("64", "512") and limit in results:
            ratio = paired_ratio(results[ours], results[limit], "p99_us")
            found.append(Verdict(f"{scenario}: p99, {ours} / {limit}", ratio, P99_LIMIT))
        if scenario == "1" and limit in results:
            ratio = paired_ratio(results[ours], results[limit], "requests_per_second")
            found.append(Verdict(f"1: requests/s, {ours} / {limit}", ratio, SPIN_GAIN, at_least=True))
    if ours in idle_cpu:
        found.append(Verdict(f"idle_cpu: percent of a core, {ours}", idle_cpu[ours], IDLE_CPU_PERCENT))
    if ours in idle:
        memory = idle[ours]["anonymous_bytes_per_connection"]
        found.append(Verdict(f"idle: bytes of user memory per connection, {ours}", memory, IDLE_BYTES))
    return found
