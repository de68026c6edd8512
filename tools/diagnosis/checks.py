"""What tools/doctor looks at. Each check takes a Machine and yields findings."""

from dataclasses import dataclass

from machine import UNLIMITED, parse_cpu_list

GOOD, NOTE, DEGRADED = "good", "note", "DEGRADED"

# A ring of 1,024 entries and its completions; recent kernels count it for users without CAP_IPC_LOCK.
RING_KIBIBYTES = 136
CAP_NET_ADMIN, CAP_IPC_LOCK = 12, 14
CONNECTIONS = 65536


@dataclass
class Finding:
    state: str
    subject: str
    meaning: str  # what it means for Pelton
    mend: str = ""  # the command that mends it


def kernel(machine):
    release = machine.read("/proc/sys/kernel/osrelease")
    version = tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in (release or "0.0").split(".")[:2])
    if version < (5, 11):
        yield Finding(DEGRADED, f"kernel {release}", "io_uring lacks what Pelton needs (5.11): all runs on epoll",
                      "install a newer kernel: 6.1 has everything that matters")
    elif version < (6, 1):
        yield Finding(NOTE, f"kernel {release}", "io_uring works without deferred completions: 2 to 7 % slower",
                      "install Linux 6.1 or newer")
    else:
        yield Finding(GOOD, f"kernel {release}", "has what the fastest set-up needs")


def io_uring(machine):
    error = machine.io_uring_error()
    disabled = machine.number("/proc/sys/kernel/io_uring_disabled")
    group = machine.number("/proc/sys/kernel/io_uring_group")
    seccomp = machine.status("Seccomp") == "2"
    if error is None:
        yield Finding(GOOD, "io_uring", "a ring can be made")
    else:
        cost = f"refused with {error}: all runs on epoll, 5 to 11 % slower, and files go through threads"
        if disabled == 2:
            mend = "sysctl -w kernel.io_uring_disabled=0"
        elif disabled == 1:
            mend = f"sysctl -w kernel.io_uring_disabled=0, or run in the group kernel.io_uring_group (now {group})"
        elif error in ("EPERM", "EACCES", "ENOSYS") and seccomp:
            mend = ("a seccomp filter forbids it: run the container with one that allows io_uring_setup, io_uring_enter and "
                    "io_uring_register (docker run --security-opt seccomp=PROFILE.json)")
        elif error == "ENOMEM":
            mend = "ulimit -l unlimited (locked memory is used up)"
        else:
            mend = "a kernel with CONFIG_IO_URING=y"
        yield Finding(DEGRADED, "io_uring", cost, mend)
    if disabled:
        yield Finding(NOTE, f"kernel.io_uring_disabled={disabled}",
                      "nobody may make rings" if disabled == 2 else f"only group {group} and administrators may make rings",
                      "sysctl -w kernel.io_uring_disabled=0")


def locked_memory(machine):
    limit = machine.limit("Max locked memory")
    if limit is None:
        return
    wanted = machine.cpus() * RING_KIBIBYTES * 1024
    if machine.has_capability(CAP_IPC_LOCK) or limit[0] == UNLIMITED:
        yield Finding(GOOD, "locked memory (memlock)", "not limited")
    elif limit[0] < wanted:
        yield Finding(DEGRADED, f"locked memory (memlock): {limit[0] // 1024} KiB",
                      f"{machine.cpus()} shards want {wanted // 1024} KiB for their rings: they become smaller, or all runs on epoll",
                      "ulimit -l unlimited; in systemd LimitMEMLOCK=infinity; docker run --ulimit memlock=-1")
    else:
        yield Finding(GOOD, f"locked memory (memlock): {limit[0] // 1024} KiB",
                      f"enough for {machine.cpus()} shards, and for {limit[0] // 1024 // RING_KIBIBYTES} of all services of this user")


def open_files(machine):
    limit = machine.limit("Max open files")
    if limit is None:
        return
    soft, hard = limit
    if soft < 4096:
        yield Finding(DEGRADED, f"open files (nofile): {soft}", "as many connections less some: accepting pauses beyond",
                      f"ulimit -n {min(hard, CONNECTIONS)}; in systemd LimitNOFILE={CONNECTIONS}; "
                      f"docker run --ulimit nofile={CONNECTIONS}")
    elif soft < CONNECTIONS:
        yield Finding(NOTE, f"open files (nofile): {soft}", "as many connections less some",
                      f"ulimit -n {CONNECTIONS}, if more are expected")
    else:
        yield Finding(GOOD, f"open files (nofile): {soft}", "enough; direct descriptors are used for the first 65536")


def backlog(machine):
    for path, wanted, meaning in (
            ("net.core.somaxconn", 1024, "connections that wait to be accepted; more are dropped and come a second later"),
            ("net.ipv4.tcp_max_syn_backlog", 512, "handshakes under way; more are dropped")):
        value = machine.number("/proc/sys/" + path.replace(".", "/"))
        if value is None:
            continue
        if value < wanted:
            yield Finding(DEGRADED, f"{path}={value}", meaning, f"sysctl -w {path}={4 * wanted}")
        else:
            yield Finding(GOOD, f"{path}={value}", "enough for bursts of connections")


def threads(machine):
    wanted = machine.cpus() * 33 + 64  # shards, kernel threads, blocking pool and some to spare
    limit = machine.limit("Max processes")
    if limit is not None:
        if limit[0] < wanted:
            yield Finding(DEGRADED, f"threads (nproc): {limit[0]}", f"shards and their helpers want up to {wanted}",
                          f"ulimit -u {4 * wanted}")
        else:
            yield Finding(GOOD, "threads (nproc)", "enough")
    for text in machine.cgroup_files("pids.max"):
        if text.isdigit() and int(text) < wanted:
            yield Finding(DEGRADED, f"pids.max={text}", f"shards and their helpers want up to {wanted}",
                          f"docker run --pids-limit={4 * wanted}; in systemd TasksMax={4 * wanted}")


def cpu_quota(machine):
    for text in machine.cgroup_files("cpu.max"):
        quota, _, period = text.partition(" ")
        if not quota.isdigit() or not period.isdigit() or int(period) == 0:
            continue
        cpus = int(quota) / int(period)
        if cpus < machine.cpus():
            yield Finding(DEGRADED, f"CPU quota: {cpus:g} of {machine.cpus()} CPUs",
                          "shards are held up for milliseconds when it is used up",
                          "give whole CPUs instead: docker run --cpuset-cpus=0-3, or a pod of class Guaranteed with static CPUs")
            return
    yield Finding(GOOD, f"CPUs: {machine.cpus()}", "no quota; one shard for each")


def cpu_isolation(machine):
    isolated = machine.read("/sys/devices/system/cpu/isolated")
    allowed = machine.status("Cpus_allowed_list")
    if not isolated:
        yield Finding(NOTE, "isolated CPUs: none", "other programs may run on the shards' CPUs, which shows in the tail latency",
                      "boot with isolcpus=CPUS and pass --cpus=CPUS, where that matters")
    elif allowed and not parse_cpu_list(isolated) & parse_cpu_list(allowed):
        yield Finding(NOTE, f"isolated CPUs: {isolated}", "this process may not use them", f"taskset -c {isolated} SERVICE")
    else:
        yield Finding(GOOD, f"isolated CPUs: {isolated}", "pass them in --cpus")


def cpu_frequency(machine):
    governor = machine.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor in ("powersave", "conservative", "ondemand"):
        driver = machine.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver") or ""
        # The drivers for CPUs that choose their frequency themselves call by this name what runs as fast as is needed.
        state = NOTE if driver in ("intel_pstate", "amd-pstate-epp") else DEGRADED
        yield Finding(state, f"CPU governor: {governor}", "CPUs begin a burst slowly",
                      "cpupower frequency-set -g performance")
    elif governor:
        yield Finding(GOOD, f"CPU governor: {governor}", "CPUs run as fast as they can")


def huge_pages(machine):
    text = machine.read("/sys/kernel/mm/transparent_hugepage/enabled")
    if text is None:
        return
    if "[never]" in text:
        yield Finding(NOTE, "transparent huge pages: never", "frames of coroutines miss the TLB more often",
                      "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
    else:
        yield Finding(GOOD, "transparent huge pages", "frames of coroutines ask for them")


def tracing(machine):
    value = machine.number("/proc/sys/kernel/perf_event_paranoid")
    if value is not None and value > 1:
        yield Finding(NOTE, f"kernel.perf_event_paranoid={value}", "perf does not see the kernel's part of a shard's time",
                      "sysctl -w kernel.perf_event_paranoid=1")


def asynchronous_io(machine):
    used = machine.number("/proc/sys/fs/aio-nr")
    limit = machine.number("/proc/sys/fs/aio-max-nr")
    if used is not None and limit:
        yield Finding(GOOD, f"fs.aio-max-nr={limit} ({used} used)", "Pelton does not use the older interface")


def busy_polling(machine):
    value = machine.number("/proc/sys/net/core/busy_read")
    if value is not None and not machine.has_capability(CAP_NET_ADMIN) and value == 0:
        yield Finding(NOTE, "net.core.busy_read=0", "--busy_poll works by the ring alone (Linux 6.9), not socket by socket",
                      "sysctl -w net.core.busy_read=50, or CAP_NET_ADMIN, where it is wanted")


ALL = (kernel, io_uring, locked_memory, open_files, backlog, threads, cpu_quota, cpu_isolation, cpu_frequency, huge_pages,
       tracing, asynchronous_io, busy_polling)


def examine(machine):
    """All findings, by check."""
    return [finding for check in ALL for finding in check(machine)]
