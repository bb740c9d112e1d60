"""The switch between the hosts: every packet passes here and is handed on, late, or not at all.

In user space, because `tc netem` is a kernel module that many machines lack; and because a cut made here needs no rules
that somebody has to take away again."""

import os
import random
import socket
import struct
from dataclasses import dataclass

TCP = 6
# What a host may put into its wire before it is read.
PACKET = 65536


@dataclass
class Way:
    """From one host to another."""

    cut: bool = False
    # No call can be made this way; answers to calls of the other way pass.
    calls_cut: bool = False
    loss: float = 0.0
    # Seconds, at least and at most; packets stay in order.
    delay: tuple = (0.0, 0.0)
    last: float = 0.0


class Switch:
    def __init__(self, loop, port, seed=1):
        self.loop, self.port = loop, port
        self.wires, self.ways = {}, {}
        self.random = random.Random(seed)
        self.taps = []
        self.passed = self.dropped = 0

    def plug(self, namespace):
        self.wires[socket.inet_aton(namespace.address)] = namespace.tun
        self.loop.add_reader(namespace.tun, self.read, namespace.tun)

    def way(self, source, target):
        key = socket.inet_aton(source.address), socket.inet_aton(target.address)
        return self.ways.setdefault(key, Way())

    def both(self, one, others):
        return [way for other in others if other is not one for way in (self.way(one, other), self.way(other, one))]

    def cut(self, one, others):
        """Nothing passes between `one` and the others."""
        for way in self.both(one, others):
            way.cut = True

    def cut_calls(self, caller, others):
        """`caller` can call none of the others; they can call it."""
        for other in others:
            if other is not caller:
                self.way(caller, other).calls_cut = True

    def everywhere(self, hosts, **values):
        for one in hosts:
            for way in self.both(one, hosts):
                for name, value in values.items():
                    setattr(way, name, value)

    def heal(self):
        self.ways.clear()

    def read(self, wire):
        # A few at a time: other wires and the clients have their turn, too.
        for _ in range(64):
            try:
                packet = os.read(wire, PACKET)
            except BlockingIOError:
                return
            if packet[0] >> 4 == 4:
                self.forward(packet)

    def forward(self, packet):
        source, target = packet[12:16], packet[16:20]
        wire = self.wires.get(target)
        way = self.ways.get((source, target))
        if wire is None or self.lost(packet, way, source, target):
            # Nobody has that address: silence, as of a host that is gone.
            self.dropped += 1
            return
        self.passed += 1
        for tap in self.taps:
            tap(source, target, payload(packet))
        if way is None or way.delay == (0.0, 0.0):
            self.write(wire, packet)
            return
        due = self.loop.time() + self.random.uniform(*way.delay)
        way.last = due = max(due, way.last + 1e-6)
        self.loop.call_at(due, self.write, wire, packet)

    def lost(self, packet, way, source, target):
        back = self.ways.get((target, source))
        if way is not None and (way.cut or (way.loss and self.random.random() < way.loss)):
            return True
        if packet[9] != TCP or not ((way and way.calls_cut) or (back and back.calls_cut)):
            return False
        header = (packet[0] & 15) * 4
        from_port, to_port = struct.unpack("!HH", packet[header : header + 4])
        return bool((way and way.calls_cut and to_port == self.port) or (back and back.calls_cut and from_port == self.port))

    def write(self, wire, packet):
        try:
            os.write(wire, packet)
        except OSError:
            # The wire is full, or its host is gone.
            self.dropped += 1


def payload(packet):
    """What a TCP packet carries."""
    if packet[9] != TCP:
        return b""
    header = (packet[0] & 15) * 4
    return packet[header + (packet[header + 12] >> 4) * 4 :]
