"""Shows the tasks of a program built on Pelton, in a live process or a core file.

    gdb -x tools/gdb/pelton.py PROGRAM CORE
    (gdb) pelton tasks             every task of every shard, and where it awaits
    (gdb) pelton tasks --shard 1   those of one shard
    (gdb) pelton bt 0x7f...        one task: its awaits, those of the task that spawned it, and so on
    (gdb) pelton shards            what each shard has

It needs no debug information in the program: the offsets that it reads by are part of it (sched/debug_layout.h). A task's
number is the address of its context, as in DumpTasks().
"""

import struct

import gdb

_VERSION = 1
# The fields of DebugLayout and io::DebugLayout, in order.
_SCHED_FIELDS = (
    "version scheduler_shard scheduler_root scheduler_running scheduler_leaf scheduler_now context_hook context_children "
    "context_parent context_leaf context_waiting_for context_state context_flags context_group context_started_at context_age_shift "
    "promise_parent promise_location sleep_suspension sleep_deadline").split()
_IO_FIELDS = "operation_descriptor operation_kind operation_suspension read_connection accept_acceptor".split()
_MAX_SCHEDULERS = 1024
_STATES = ("detached", "ready", "running", "suspended")
_OPERATIONS = ("nop", "accept", "connect", "receive", "receive_chunk", "send", "send_message", "close")
_INFINITE = (1 << 63) - 1
# More than any tree or chain has; a core file may be damaged.
_MOST_STEPS = 50_000_000


class Layout:
    """The offsets that the program carries."""

    def __init__(self):
        values = _read_struct(_symbol("pelton_debug_layout"), "<%dI" % len(_SCHED_FIELDS))
        self.__dict__.update(zip(_SCHED_FIELDS, values))
        if self.version != _VERSION:
            raise gdb.GdbError(f"this program has version {self.version} of Pelton's debug layout; this script knows "
                               f"version {_VERSION}: take the one from the same release")
        self.has_io = _has_symbol("pelton_debug_io_layout")
        if self.has_io:
            values = _read_struct(_symbol("pelton_debug_io_layout"), "<%dI" % len(_IO_FIELDS))
            self.__dict__.update(zip(_IO_FIELDS, values))


# --- Memory -----------------------------------------------------------------------------------------------------------------

def _symbol(name):
    """The address of a data symbol."""
    try:
        return int(gdb.parse_and_eval(f"(unsigned long)&{name}"))
    except gdb.error:
        raise gdb.GdbError(f"no symbol {name}: this is no program built on Pelton, or it was stripped of its symbols, or "
                           "gdb was not given the program file")


def _has_symbol(name):
    try:
        _symbol(name)
        return True
    except gdb.GdbError:
        return False


def _read(address, size):
    return gdb.selected_inferior().read_memory(address, size).tobytes()


def _read_struct(address, form):
    return struct.unpack(form, _read(address, struct.calcsize(form)))


def _word(address):
    return _read_struct(address, "<Q")[0]


def _byte(address):
    return _read(address, 1)[0]


def _text(address):
    if address == 0:
        return "?"
    return gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string(errors="replace")


# --- What the program knows of its tasks ------------------------------------------------------------------------------------

class Location:
    """A std::source_location, of which libstdc++ keeps a pointer to file, function, line and column."""

    _known = {}

    def __init__(self, implementation):
        self.file = self.function = None
        self.line = 0
        if implementation != 0:
            file, function, self.line, _ = _read_struct(implementation, "<QQII")
            self.file, self.function = _text(file), _text(function)

    @classmethod
    def at(cls, implementation):
        """Many tasks await in the same place: each is read once."""
        if implementation not in cls._known:
            cls._known[implementation] = cls(implementation)
        return cls._known[implementation]

    def __str__(self):
        if self.line == 0:
            return "in a task that has not awaited anything"
        return f"at {self.file}:{self.line} in {self.function}"


class Context:
    """A TaskContext: a flow of tasks, a part of one, or a scope."""

    def __init__(self, layout, address):
        self.layout = layout
        self.address = address
        self.state = _byte(address + layout.context_state)
        self.holds_flow = (_byte(address + layout.context_flags) >> 7) != 0
        self.parent_address = _word(address + layout.context_parent)

    def parent(self):
        return Context(self.layout, self.parent_address) if self.parent_address else None

    def children(self):
        head = self.address + self.layout.context_children
        at = _word(head)
        steps = 0
        while at not in (head, 0):
            yield Context(self.layout, at - self.layout.context_hook)
            at = _word(at)
            steps += 1
            if steps > _MOST_STEPS:
                raise gdb.GdbError("a list of tasks does not end: the memory is damaged")

    def is_task(self):
        """Whether this is a flow as it was spawned, and not a part of one under a deadline of its own."""
        return self.holds_flow and not (self.parent() or self).holds_flow

    def active(self):
        """Where the flow is at the moment: here, or in something nested in it."""
        at = self
        while _STATES[at.state] == "detached":
            nested = next((child for child in at.children() if child.holds_flow), None)
            if nested is None:
                break
            at = nested
        return at

    def group(self):
        if not _has_symbol("pelton_debug_group_names"):
            return "?"
        index = _byte(self.address + self.layout.context_group)
        return _text(_word(_symbol("pelton_debug_group_names")) + index * _word(_symbol("pelton_debug_group_stride")))

    def age_seconds(self, now_ns):
        started = _read_struct(self.address + self.layout.context_started_at, "<I")[0]
        units = ((now_ns >> self.layout.context_age_shift) - started) & 0xffffffff
        return (units << self.layout.context_age_shift) / 1e9

    def leaf(self):
        return _word(self.address + self.layout.context_leaf)


class Scheduler:
    """The scheduler of one shard."""

    def __init__(self, layout, address):
        self.layout = layout
        self.shard = _read_struct(address + layout.scheduler_shard, "<I")[0]
        self.root = Context(layout, address + layout.scheduler_root)
        self.now_ns = _read_struct(address + layout.scheduler_now, "<q")[0]
        self.running_leaf = _word(address + layout.scheduler_leaf)

    @staticmethod
    def all(layout):
        table = _symbol("pelton_debug_schedulers")
        addresses = _read_struct(table, "<%dQ" % _MAX_SCHEDULERS)
        return sorted((Scheduler(layout, address) for address in addresses if address), key=lambda one: one.shard)

    def tasks(self):
        """Every task with its depth below the root: pairs (Context, depth), a parent before its children."""
        stack = [(self.root, 0)]
        while stack:
            context, depth = stack.pop()
            is_task = context.is_task()
            if is_task:
                yield context, depth
            stack.extend((child, depth + is_task) for child in reversed(list(context.children())))


def _frames(layout, leaf):
    """The locations of a chain of awaits; a string where it goes on elsewhere."""
    first = True
    while leaf != 0:
        parent = _word(leaf + layout.promise_parent)
        other_shard = parent & 1
        # The root of a flow is machinery.
        if first or (parent != 0 and not other_shard):
            yield Location.at(_word(leaf + layout.promise_location))
        if other_shard:
            yield "for the task of another shard"
        leaf = parent & ~1
        first = False


def _class_of(address):
    """The class of an object with virtual functions."""
    name = gdb.execute(f"info symbol {_word(address):#x}", to_string=True)
    return name.split("vtable for ")[-1].split(" + ")[0].split(" in section")[0].strip()


def _duration(ns):
    if ns >= _INFINITE // 2:
        return "an infinite time"
    return f"{ns / 1e9:.3f} s"


def _describe_wait(layout, scheduler, context):
    suspension = _word(context.address + layout.context_waiting_for)
    if suspension == 0:
        return "nothing"
    kind = _class_of(suspension)
    if kind in ("pelton::SleepUntil", "pelton::SleepFor"):
        deadline = _read_struct(suspension - layout.sleep_suspension + layout.sleep_deadline, "<q")[0]
        return f"timer due in {_duration(deadline - scheduler.now_ns)}"
    if layout.has_io and kind == "pelton::io::ReadAwaiter":
        connection = _word(suspension + layout.read_connection)
        return f"input of descriptor {_descriptor(layout, connection)}"
    if layout.has_io and kind in ("pelton::io::TcpAcceptAwaiter", "pelton::io::UnixAcceptAwaiter"):
        acceptor = _word(suspension + layout.accept_acceptor)
        return f"a connection on descriptor {_descriptor(layout, acceptor)}"
    if layout.has_io and kind.startswith("pelton::io::"):
        operation = suspension - layout.operation_suspension
        number = _byte(operation + layout.operation_kind)
        if number < len(_OPERATIONS):
            return f"{_OPERATIONS[number]} on descriptor {_descriptor(layout, operation)} ({kind})"
    return kind


def _descriptor(layout, operation):
    return _read_struct(operation + layout.operation_descriptor, "<i")[0]


def _header(layout, scheduler, context, active):
    state = _STATES[active.state] if active.state < len(_STATES) else f"state {active.state}"
    if state == "suspended":
        state = f"waits for {_describe_wait(layout, scheduler, active)}"
    return f"task {context.address:#x} [{active.group()}] {context.age_seconds(scheduler.now_ns):.3f} s old, {state}"


def _print_task(layout, scheduler, context, depth):
    indent = "  " * depth
    active = context.active()
    print(indent + _header(layout, scheduler, context, active))
    running = _STATES[active.state] == "running"
    for frame in _frames(layout, scheduler.running_leaf if running else active.leaf()):
        prefix = "behind where it was: " if running else ""
        print(f"{indent}  {prefix}{frame}")
        running = False


# --- Commands -----------------------------------------------------------------------------------------------------------------

class PeltonCommand(gdb.Command):
    """Commands about the tasks of a program built on Pelton: pelton tasks, pelton bt, pelton shards."""

    def __init__(self):
        super().__init__("pelton", gdb.COMMAND_STACK, prefix=True)


class TasksCommand(gdb.Command):
    """pelton tasks [--shard N]: every task, what it waits for, and the file and line of each of its awaits."""

    def __init__(self):
        super().__init__("pelton tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        only = None
        if words:
            if len(words) != 2 or words[0] != "--shard" or not words[1].isdigit():
                raise gdb.GdbError("usage: pelton tasks [--shard N]")
            only = int(words[1])
        layout = Layout()
        total = 0
        for scheduler in Scheduler.all(layout):
            if only is not None and scheduler.shard != only:
                continue
            print(f"shard {scheduler.shard}")
            for context, depth in scheduler.tasks():
                _print_task(layout, scheduler, context, depth)
                total += 1
        print(f"{total} tasks")


class BacktraceCommand(gdb.Command):
    """pelton bt TASK: where a task awaits, and where the tasks do that spawned it, up to the root of its shard."""

    def __init__(self):
        super().__init__("pelton bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            address = int(argument.strip(), 0)
        except ValueError:
            raise gdb.GdbError("usage: pelton bt TASK, with the number that `pelton tasks` shows, such as 0x7f12345678a0")
        layout = Layout()
        for scheduler in Scheduler.all(layout):
            for context, _ in scheduler.tasks():
                if context.address == address:
                    self._print_chain(layout, scheduler, context)
                    return
        raise gdb.GdbError(f"there is no task {address:#x}")

    @staticmethod
    def _print_chain(layout, scheduler, context):
        _print_task(layout, scheduler, context, 0)
        at = context.parent()
        while at is not None:
            if at.is_task():
                print("spawned by")
                _print_task(layout, scheduler, at, 0)
            at = at.parent()


class ShardsCommand(gdb.Command):
    """pelton shards: how many tasks each shard has, by state."""

    def __init__(self):
        super().__init__("pelton shards", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        layout = Layout()
        for scheduler in Scheduler.all(layout):
            counts = {}
            for context, _ in scheduler.tasks():
                state = _STATES[context.active().state]
                counts[state] = counts.get(state, 0) + 1
            states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items())) or "none"
            print(f"shard {scheduler.shard}: tasks: {states}")


PeltonCommand()
TasksCommand()
BacktraceCommand()
ShardsCommand()
