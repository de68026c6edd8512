#!/usr/bin/env python3
"""models_table.py PROGRAM [--repetitions=N] [--check]: the costs of the five models of program flow, as a Markdown table.

Runs models_benchmark: times in interleaved repetitions, of which the lower quartile counts, since disturbance only ever
adds; memory with a process for each figure. --check also compares with what Pelton promises, and fails when it is missed.

    bazel run --config=opt //bench/sched:models_table -- --check
"""

import argparse
import json
import subprocess
import sys

# Model, contestant, and the benchmarks of its start, its switch and its memory.
ROWS = (
    ("OS threads", "Pelton `RunBlocking`", "BM_Blocking_Call", None, "BM_Blocking_Memory/1000"),
    ("", "`std::thread`", "BM_StdThread_Create", "BM_StdThread_Switch", "BM_StdThread_Memory/1000"),
    ("Stackful fibers", "Pelton `RunFiber`", "BM_Fiber_Create", "BM_Fiber_Switch", "BM_Fiber_Memory/100000"),
    ("", "through the ready queue", None, "BM_Fiber_SwitchThroughQueue", None),
    ("", "Boost.Context, raw", "BM_BoostContext_Create", "BM_BoostContext_Switch", "BM_BoostContext_Memory/100000"),
    ("Callbacks", "Pelton `StartWithCallback`, `FromCallback`", "BM_Callback_Create", "BM_Callback_Switch",
     "BM_Callback_Memory/100000"),
    ("", "Asio `post`, `async_wait`", None, "BM_AsioPost_Switch", "BM_AsioTimer_Memory/100000"),
    ("Promises and futures", "Pelton `Then`", "BM_Future_Create", "BM_Future_Switch", "BM_Future_Memory/100000"),
    ("", "Asio `use_promise`", "BM_AsioPromise_Create", None, None),
    ("Coroutines", "Pelton `Spawn` and `Join`", "BM_Coroutine_Create", "BM_Coroutine_Switch", "BM_Coroutine_Memory/100000"),
    ("", "the same, 64 at a time", "BM_Coroutine_CreateBatch", None, None),
    ("", "Asio `co_spawn`", "BM_AsioCoroutine_Create", "BM_AsioCoroutine_Switch", "BM_AsioCoroutine_Memory/100000"),
)

# What Pelton promises: benchmark, counter, limit.
PROMISES = (
    ("BM_Fiber_Switch", "each", 20.0, "ns: a switch of fibers"),
    ("BM_Future_Create", "each", 40.0, "ns: a promise with a Then"),
    ("BM_Coroutine_Create", "each", 40.0, "ns: spawn and join of a coroutine"),
    ("BM_Coroutine_Memory/100000", "frames", 256.0, "bytes: a coroutine that awaits a timer"),
    ("BM_Fiber_Memory/100000", "stack", 4096.0, "bytes of stack: a fiber that waits"),
)


def run(program, pattern, *flags):
    """The benchmarks that `pattern` matches: a list of counters for each name."""
    command = [program, f"--benchmark_filter={pattern}", "--benchmark_format=json", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    results = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry.get("run_type") == "aggregate":
            continue
        name = "/".join(part for part in entry["run_name"].split("/")
                        if part != "real_time" and not part.startswith("iterations:"))
        results.setdefault(name, []).append(entry)
    return results


def lower_quartile(values):
    return sorted(values)[len(values) // 4]


def measure(program, repetitions):
    """The figures of every benchmark: counters by name."""
    figures = {}
    times = run(program, "-_Memory", f"--benchmark_repetitions={repetitions}", "--benchmark_min_time=0.05",
                "--benchmark_enable_random_interleaving=true")
    for name, entries in times.items():
        figures[name] = {"each": 1e9 * lower_quartile([entry["each"] for entry in entries])}
    for row in ROWS:
        if row[4] is None:
            continue
        entry = run(program, f"^{row[4]}/")[row[4]][0]
        figures[row[4]] = {key: entry[key] for key in ("resident", "frames", "stack", "kernel") if entry.get(key)}
    return figures


def nanoseconds(figures, name):
    if name is None:
        return ""
    value = figures[name]["each"]
    return f"{value:.1f} ns" if value < 1000 else f"{value / 1000:.1f} µs"


def memory(figures, name):
    if name is None:
        return ""
    figure = figures[name]
    text = f"{figure['resident']:,.0f} B"
    parts = [f"{figure[key]:,.0f} {what}" for key, what in (("frames", "frames"), ("stack", "stack")) if key in figure]
    if parts:
        text += f" ({', '.join(parts)})"
    # The kernel's own memory counts only where each waiter has a thread; it is that of all processes.
    if name.endswith("/1000"):
        text += f" + {figure.get('kernel', 0):,.0f} B of the kernel's stacks"
    return text


def table(figures):
    yield "| Model | With | Start and join | Switch, one way | Memory for each waiter |"
    yield "|---|---|---|---|---|"
    for model, contestant, start, switch, held in ROWS:
        yield (f"| {model} | {contestant} | {nanoseconds(figures, start)} | {nanoseconds(figures, switch)} "
               f"| {memory(figures, held)} |")


def check(figures):
    """Prints each promise; returns whether all are kept."""
    kept = True
    for name, counter, limit, what in PROMISES:
        value = figures[name][counter]
        kept = kept and value <= limit
        print(f"{'kept' if value <= limit else 'MISSED'}: {value:.1f} of at most {limit:.0f} {what}")
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--repetitions", type=int, default=21)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.program, arguments.repetitions)
    print("\n".join(table(figures)))
    if arguments.check:
        print()
        return 0 if check(figures) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
