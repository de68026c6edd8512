#!/usr/bin/env python3
"""flood.py HOST PORT COUNT SOURCE: opens COUNT connections from the address SOURCE and keeps them until its input ends.

A process of its own, because one process may not have as many descriptors. Says `begun` when every connection is on its
way; the kernel goes on with those that find no room, and some may never be made.
"""

import socket
import sys

IP_BIND_ADDRESS_NO_PORT = 24


def main(host, port, count, source):
    connections = []
    for _ in range(int(count)):
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        connection.bind((source, 0))
        connection.connect_ex((host, int(port)))
        connections.append(connection)
    print("begun", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
