"""HTTP/1.1 by hand over a few kept connections, light enough for 10,000 clients in one process."""

import asyncio
import time
import zlib
from collections import Counter, deque

# A client of Netflix's waits so long for an answer (`eurekaServerReadTimeoutSeconds`).
PATIENCE = 8.0
# Connections to a replica that all clients share. They are taken in turn, so none of them is ever idle for long.
CONNECTIONS = 12
LATE = "answers after more than eight seconds"


class NoAnswer(OSError):
    """`kind` says why: refused, closed before the answer, or late."""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


def request(method, path, body=b"", gzip=False):
    """The bytes of a request, which are the same for each replica."""
    lines = [f"{method} {path} HTTP/1.1", "Host: registry", "Accept: application/json"]
    if gzip:
        lines.append("Accept-Encoding: gzip")
    if body or method in ("POST", "PUT"):
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Door:
    """Calls one replica. A connection goes back only after a whole answer."""

    def __init__(self, address, port, connections=CONNECTIONS):
        self.address, self.port = address, port
        self.idle, self.places = deque(), asyncio.Semaphore(connections)

    async def call(self, asked, patience=PATIENCE):
        """Status and body of the answer. Raises `NoAnswer`."""
        async with self.places:
            try:
                async with asyncio.timeout(patience):
                    return await self.exchange(asked)
            except ConnectionRefusedError as error:
                raise NoAnswer("refused") from error
            except TimeoutError as error:
                raise NoAnswer("late") from error
            except (OSError, EOFError) as error:
                raise NoAnswer("closed") from error

    async def exchange(self, asked):
        reader, writer = await self.connection()
        try:
            writer.write(asked)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            status, body = int(head[9:12]), b""
            if status not in (204, 304):
                body = await reader.readexactly(int(field(head, b"content-length") or 0))
        except BaseException:
            writer.transport.abort()
            raise
        if field(head, b"connection") == b"close":
            writer.close()
        else:
            self.idle.append((reader, writer))
        return status, zlib.decompress(body, wbits=31) if field(head, b"content-encoding") == b"gzip" else body

    async def connection(self):
        while self.idle:
            reader, writer = self.idle.popleft()
            if not reader.at_eof() and not writer.transport.is_closing():
                return reader, writer
            writer.transport.abort()
        return await asyncio.open_connection(self.address, self.port, limit=1 << 20)

    def close(self):
        while self.idle:
            self.idle.popleft()[1].transport.abort()


def field(head, name):
    """The value of a field in a head of small letters."""
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.partition(b"\r\n")[0].strip() if found else None


class Caller:
    """Calls a replica, and the next ones where it does not answer, as Netflix's clients do. Counts what happened."""

    def __init__(self, replicas, counts, connections=CONNECTIONS):
        self.replicas, self.counts = replicas, counts
        self.doors = [Door(one.address, one.port, connections) for one in replicas]

    async def call(self, home, asked):
        """The answer of the first that gives one and is no 5xx; None if there is none."""
        for turn in range(len(self.doors)):
            number = (home + turn) % len(self.doors)
            begun = time.monotonic()
            try:
                status, body = await self.doors[number].call(asked)
            except NoAnswer as error:
                # Where a replica is being restarted, calls may be refused, or cut off by the end of the process.
                if error.kind != "late" and self.replicas[number].restarted_since(begun):
                    self.counts[error.kind] += 1
                else:
                    self.counts.fault(LATE if error.kind == "late" else f"{error.kind} outside of a restart", self.named(asked, number))
                continue
            self.counts["calls"] += 1
            if status < 500:
                self.counts["answered by another replica"] += bool(turn)
                return status, body
            self.counts.fault("5xx", f"{self.named(asked, number)} was answered {status}")
        self.counts.fault("calls that no replica answered", self.named(asked, home))
        return None

    def named(self, asked, number):
        """The request's method and path, for a sentence."""
        return f"{asked.partition(b' HTTP')[0].decode()} at {self.replicas[number]}"

    def close(self):
        for door in self.doors:
            door.close()


class Tally(Counter):
    """Counts, of which some have to be zero."""

    def __init__(self):
        super().__init__()
        self.first, self.began = {}, time.monotonic()

    def begin(self):
        """Forgets all that was counted."""
        self.clear()
        self.first.clear()
        self.began = time.monotonic()

    def fault(self, what, detail):
        """Counts what must not be, and keeps the first of each kind for the report."""
        self[what] += 1
        self.first.setdefault(what, f"{detail}, after {time.monotonic() - self.began:.1f} s")
