"""The name server of the laboratory: each host asks its own on 127.0.0.53, which answers from a zone."""

import asyncio
import socket
import struct

A, AAAA, SRV = 1, 28, 33
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
# No resolver may keep an answer for longer than one lookup.
SECONDS_TO_LIVE = 1
ADDRESS = "127.0.0.53"


class Zone:
    """The records. `mode`: `answer`, `nxdomain` (no name exists), `servfail`, or `silent`."""

    def __init__(self):
        self.services, self.hosts, self.hosts6 = {}, {}, {}
        # The address of every name that has no record, or None.
        self.wildcard = None
        self.mode = "answer"
        self.questions = 0

    def records(self, name, kind):
        """The records, and whether the name exists."""
        known = name in self.services or name in self.hosts or name in self.hosts6
        if kind == SRV:
            return [struct.pack("!HHH", 0, 50, port) + encoded(host) for host, port in self.services.get(name, [])], known
        if kind == A:
            found = self.hosts.get(name, [])
            if not known and self.wildcard:
                found, known = [self.wildcard], True
            return [socket.inet_aton(address) for address in found], known
        if kind == AAAA:
            return [socket.inet_pton(socket.AF_INET6, address) for address in self.hosts6.get(name, [])], known or bool(self.wildcard)
        return [], known or bool(self.wildcard)

    def answer(self, question):
        """In the format of RFC 1035, or None."""
        self.questions += 1
        if self.mode == "silent":
            return None
        name, end = decoded(question, 12)
        (kind,) = struct.unpack("!H", question[end : end + 2])
        records, known = self.records(name, kind) if self.mode == "answer" else ([], False)
        code = SERVFAIL if self.mode == "servfail" else NOERROR if known else NXDOMAIN
        header = question[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(records), 0, 0)
        body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, SECONDS_TO_LIVE, len(data)) + data for data in records)
        return header + question[12 : end + 4] + body


def decoded(message, at):
    labels = []
    while message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode().lower())
        at += message[at] + 1
    return ".".join(labels), at + 1


def encoded(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class Answering(asyncio.DatagramProtocol):
    def __init__(self, host):
        self.host = host

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, question, client):
        answer = self.host.zone.answer(question)
        if answer is not None:
            self.transport.sendto(answer, client)


async def serve(host):
    """Answers questions that are asked on `host`, from whatever zone it has at that moment."""
    with host.namespace:
        names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        names.bind((ADDRESS, 53))
    names.setblocking(False)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Answering(host), sock=names)
