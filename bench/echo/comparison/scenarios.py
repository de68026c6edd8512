"""What is measured: the loads that every contestant gets."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One load of the generator. `buffer_size` is what the peers that own receive buffers are told to use."""

    name: str
    title: str
    connections: int
    size: int = 64
    depth: int = 1
    buffer_size: int = 2048

    def load_flags(self):
        return [f"--connections={self.connections}", f"--size={self.size}", f"--depth={self.depth}"]


LOADS = (
    Scenario("1", "1 connection, 64 B, one message in flight", connections=1),
    Scenario("64", "64 connections, 64 B, one message in flight", connections=64),
    Scenario("512", "512 connections, 64 B, one message in flight", connections=512),
    Scenario("pipelined", "64 connections, 64 B, 16 messages in flight", connections=64, depth=16),
    Scenario("large", "16 connections, 16 KiB, one message in flight", connections=16, size=16384,
             buffer_size=16384),
)

# Connected, and silent after one echo each: what a connection costs in memory.
IDLE = Scenario("idle", "10,000 connections, idle after one echo each", connections=10000)

# No load at all: what the server burns while it waits.
IDLE_CPU = "idle_cpu"

NAMES = tuple(load.name for load in LOADS) + (IDLE.name, IDLE_CPU)
