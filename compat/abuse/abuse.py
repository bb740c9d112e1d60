"""Abuses a registry in one way after the other, and measures what good clients notice.

It is one long file, because each abuse is a function of its own that is read alone.
"""

import argparse
import asyncio
import base64
import gzip
import json
import multiprocessing
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import lib
from good import CLIENTS, PATIENCE, Connection, instance

# How long each kind of abuse lasts.
SECONDS = 5
# Longest time of a good call, by the pulse of the good clients.
LONGEST = 10
# Instances of other clients, so that a full fetch is worth something: 2.5 MB of JSON.
OTHERS = 2000
# Maximum memory of the server meanwhile (kB): 1,000 connections, some with a body of a megabyte.
MOST_MEMORY_KB = 400_000
# Streams of events of one address: a fifth of the thousand that there are at most.
MOST_STREAMS = 200
SEED = int(os.environ.get("ABUSE_SEED", "1"))


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, holds, what):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        print(f"  {'ok' if holds else 'FAIL'}: {what}", flush=True)


class Server:
    def __init__(self, url, pid):
        parts = urlsplit(url)
        self.host, self.port, self.pid = parts.hostname, parts.port, int(pid)

    def memory_kb(self, what):
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(what):
                return int(line.split()[1])
        raise SystemExit(f"the server is gone: no {what}")

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    async def fds_settle(self, most, seconds):
        deadline = time.monotonic() + seconds
        while self.files() > most and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        return self.files()


class Crowd:
    """Connections from one address of 127.0.0.0/8."""

    def __init__(self, server, address):
        self.server, self.address = server, address
        self.until = time.monotonic() + SECONDS
        self.counts = {}

    def goes_on(self):
        return time.monotonic() < self.until

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    async def connect(self, **more):
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(self.server.host, self.server.port, local_addr=(self.address, 0), **more), 10
        )
        return reader, writer

    async def many(self, number, one):
        """`number` at a time, again and again."""

        async def again(place):
            writer = None
            while self.goes_on():
                try:
                    reader, writer = await self.connect()
                    await one(place, reader, writer)
                except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    self.count("closed by the server")
                finally:
                    if writer is not None:
                        writer.transport.abort()
                        writer = None
                await asyncio.sleep(0)

        tasks = [asyncio.ensure_future(again(place)) for place in range(number)]
        await asyncio.wait(tasks, timeout=SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return self.counts

    async def drip(self, writer, text, pause):
        """Sends byte by byte until the server closes the connection."""
        for byte in text:
            if not self.goes_on():
                return
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause)

    async def status(self, reader):
        line = await asyncio.wait_for(reader.readline(), 10)
        self.count(line.split()[1].decode() if line.startswith(b"HTTP/1.") else "closed by the server")


POST = b"POST /eureka/apps/EVIL HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GOOD = b"Authorization: Basic Z29vZDpnb29kLXBhc3N3b3Jk\r\n"


async def slow_heads(server):
    crowd = Crowd(server, "127.0.0.2")

    async def one(_, __, writer):
        await crowd.drip(writer, b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"y" * 1000, 0.2)

    return await crowd.many(300, one)


async def slow_bodies(server):
    crowd = Crowd(server, "127.0.0.3")

    async def one(_, reader, writer):
        writer.write(POST + GOOD + b"Content-Length: 900000\r\n\r\n")
        await crowd.drip(writer, b" " * 1000, 0.2)
        await crowd.status(reader)

    return await crowd.many(300, one)


async def huge(server):
    crowd = Crowd(server, "127.0.0.4")
    bomb = gzip.compress(b" " * 50_000_000, 9)
    deep_json = b'{"instance":' + b'{"a":' * 50_000 + b"}" * 50_001
    deep_xml = b"<instance>" * 30_000
    xml = POST.replace(b"json", b"xml") + GOOD

    def with_length(head, body):
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    requests = [
        POST + GOOD + b"Content-Length: 9000000000\r\n\r\n" + b" " * 65536,
        POST + GOOD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + b" " * 65536 + b"\r\n") * 20,
        b"GET /eureka/apps HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n",
        b"GET /eureka/apps HTTP/1.1\r\nX-Long: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /eureka/apps/" + b"y" * 200_000 + b" HTTP/1.1\r\n\r\n",
        with_length(POST + GOOD + b"Content-Encoding: gzip\r\n", bomb),
        with_length(POST + GOOD, deep_json),
        with_length(xml, deep_xml),
        with_length(xml, b'<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><instance><app>&d;</app></instance>'),
    ]

    async def one(place, reader, writer):
        writer.write(requests[place % len(requests)])
        await asyncio.gather(writer.drain(), crowd.status(reader))

    return await crowd.many(18, one)


async def malformed(server):
    crowd, dice = Crowd(server, "127.0.0.5"), random.Random(SEED)
    chunked = POST + GOOD + b"Transfer-Encoding: chunked\r\n\r\n"
    requests = [
        chunked + b"zzz\r\n{}\r\n0\r\n\r\n",
        chunked + b"ffffffffffffffffff\r\n{}",
        chunked + b"2\r\n{}garbage\r\n",
        POST
        + GOOD
        + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /eureka/apps HTTP/1.1\r\nHost: smuggled\r\n\r\n",
        POST + GOOD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
        POST + GOOD + b"Content-Length: -1\r\n\r\n",
        b"GET /eureka/apps HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /eureka/apps HTTP/9.9\r\n\r\n",
        b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"\0\xff garbage behind it\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"\r\n" * 1000,
    ]

    async def one(place, reader, writer):
        kind = place % 3
        if kind == 0:
            writer.write(dice.randbytes(dice.randrange(1, 4000)))
        elif kind == 1:
            writer.write(dice.choice(requests))
        else:
            # A good request, cut off or broken somewhere, and a reset while the answer is on its way.
            whole = bytearray(b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\n" + GOOD + b"\r\n")
            if dice.random() < 0.5:
                whole[dice.randrange(len(whole))] = dice.randrange(256)
            writer.write(whole)
            await writer.drain()
            await asyncio.wait_for(reader.read(1000), 5)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            crowd.count("reset")
            return
        await writer.drain()
        await crowd.status(reader)

    return await crowd.many(60, one)


async def never_read(server):
    """Requests full fetches again and again, and reads nothing."""
    crowd = Crowd(server, "127.0.0.6")
    request = b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n" + GOOD + b"\r\n"

    async def one(_, __, writer):
        writer.transport.pause_reading()
        writer.write(request * 5)
        while crowd.goes_on():
            await asyncio.sleep(0.5)

    return await crowd.many(200, one)


async def half_bodies(server):
    """Nearly a megabyte each, and never the end."""
    crowd = Crowd(server, "127.0.0.7")

    async def one(_, reader, writer):
        writer.write(POST + GOOD + b"Content-Length: 1000000\r\n\r\n" + b" " * 990_000)
        await writer.drain()
        await asyncio.wait_for(reader.read(1), 2 * SECONDS)

    return await crowd.many(600, one)


async def idle(server):
    """More idle connections than the limit; each one that is closed is replaced."""
    crowd = Crowd(server, "127.0.0.8")

    async def one(_, reader, __):
        await reader.read(1)
        crowd.count("closed by the server")

    return await crowd.many(3000, one)


async def idle_after_a_request(server):
    """The same, with connections that look like those of clients."""
    crowd = Crowd(server, "127.0.0.9")

    async def one(_, reader, writer):
        writer.write(b"GET /actuator/health HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(4096)
        await reader.read(1)
        crowd.count("closed by the server")

    return await crowd.many(1500, one)


async def guess(server):
    """Guesses passwords; and in between, a new client logs in with the right one."""
    crowd, dice = Crowd(server, "127.0.0.10"), random.Random(SEED)

    async def one(_, reader, writer):
        guessed = base64.b64encode(f"good:{dice.random()}".encode())
        writer.write(b"GET /eureka/apps HTTP/1.1\r\nHost: x\r\nAuthorization: Basic " + guessed + b"\r\n\r\n")
        await crowd.status(reader)

    async def newcomer():
        await asyncio.sleep(SECONDS / 2)
        connection = Connection(server.host, server.port, local="127.0.0.11")
        # As a client whose password was not checked yet: the same credentials in another spelling.
        connection.basic += " "
        begun = time.monotonic()
        status, _ = await asyncio.wait_for(connection.call("GET", "/eureka/apps/GOOD0", headers=["Accept: application/json"]), PATIENCE)
        connection.close()
        crowd.counts[f"newcomer {status} after ms"] = round((time.monotonic() - begun) * 1000)

    await asyncio.gather(crowd.many(200, one), newcomer())
    return crowd.counts


async def streams(server):
    """More event streams than there are places."""
    crowd = Crowd(server, "127.0.0.12")

    async def one(_, reader, writer):
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n" + GOOD + b"\r\n")
        await crowd.status(reader)
        # To the end of all: a place that became free before would be taken again, and counted twice.
        await asyncio.Future()

    return await crowd.many(300, one)


async def handshakes(server):
    """TLS handshakes that are begun, and not ended."""
    crowd = Crowd(server, "127.0.0.13")
    begun = bytes.fromhex("16030100f8010000f40303") + bytes(32)

    async def one(place, reader, writer):
        if place % 2:
            writer.write(begun)
            await writer.drain()
        await asyncio.wait_for(reader.read(1), 2 * SECONDS)
        crowd.count("closed by the server")

    return await crowd.many(1500, one)


async def deadlines(server):
    """Whether connections that let the server wait are closed, however little they cost."""

    async def is_closed(beginning, drips):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(beginning)
        closed = asyncio.ensure_future(reader.read())
        until = time.monotonic() + 40
        while not closed.done() and time.monotonic() < until:
            if drips:
                writer.write(b" ")
            await asyncio.wait([closed], timeout=0.2)
        in_time = closed.done()
        writer.transport.abort()
        await asyncio.gather(closed, return_exceptions=True)
        return in_time

    body = POST + GOOD + b"Content-Length: 900000\r\n\r\n"
    return all(await asyncio.gather(is_closed(b"", False), is_closed(b"GET /eureka/apps HTTP/1.1\r\nX: ", True), is_closed(body, True)))


async def preload(server):
    connection = Connection(server.host, server.port)
    for number in range(OTHERS):
        app = f"APP{number % 100}"
        status, _ = await connection.call("POST", f"/eureka/apps/{app}", instance(app, number))
        assert status == 204, status
    connection.close()


async def registered(server):
    """The registered instances and their statuses."""
    connection = Connection(server.host, server.port)
    _, body = await connection.call("GET", "/eureka/apps", headers=["Accept: application/json"])
    connection.close()
    everything = json.loads(body)["applications"]
    instances = sorted(
        (one["app"], one["instanceId"], one["status"], one["overriddenStatus"], json.dumps(one["metadata"], sort_keys=True))
        for app in everything["application"]
        for one in app["instance"]
    )
    return everything["apps__hashcode"], instances


async def are_there(server):
    """Whether all good clients have registered."""
    _, instances = await registered(server)
    return sum(app.startswith("GOOD") for app, *_ in instances) == CLIENTS


async def over_tls(server, authority, seconds):
    """A good client over TLS: the outcomes of its calls."""
    context, went, until = ssl.create_default_context(cafile=authority), [], time.monotonic() + seconds
    while time.monotonic() < until:
        begun, wrong, connection = time.time(), None, Connection(server.host, server.port, context)
        try:
            status, _ = await asyncio.wait_for(connection.call("GET", "/eureka/apps", headers=["Accept: application/json"]), PATIENCE)
            wrong = None if status == 200 else f"answered {status}"
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            wrong = f"{type(error).__name__} {error}"
        connection.close()
        went.append([begun, "tls", time.time() - begun, wrong])
        await asyncio.sleep(0.1)
    return went


def call_over_tls(*what):
    return asyncio.run(over_tls(*what))


def millis(records, share):
    took = sorted(record[2] for record in records)
    return 1000 * took[min(len(took) - 1, int(share * len(took)))] if took else float("nan")


async def run(arguments):
    checks = Checks()
    plain, tls = Server(arguments.plain, arguments.pid), Server(arguments.tls, arguments.tls_pid)
    ways = [slow_heads, slow_bodies, huge, malformed, never_read, half_bodies, idle, idle_after_a_request, guess]
    probe = Connection(plain.host, plain.port)
    await preload(plain)
    status, _ = await probe.call("HEAD", "/api/v1/events")
    probe.close()
    if status != 404:
        ways.append(streams)

    alive = Path(arguments.records + ".alive")
    alive.touch()
    good = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("good.py"), plain.host, str(plain.port), alive, arguments.records]
    )
    try:
        await lib.until_async("all good clients to register", lambda: are_there(plain), 60)
        await asyncio.sleep(2)
        before, files = await registered(plain), plain.files()
        print(f"  before: {plain.memory_kb('VmRSS')} kB, {files} files, {len(before[1])} instances, {before[0]}")
        periods = []
        for way in ways:
            begun = time.time()
            counts = await way(plain)
            print(f"  {way.__name__} {counts}", flush=True)
            periods.append((way.__name__, begun, time.time(), plain.memory_kb("VmRSS"), counts))
        settled = await plain.fds_settle(files + 8, 60)
        after = await registered(plain)
    finally:
        alive.unlink()
    checks.check(good.wait(timeout=60) == 0, "the good clients ended of themselves")

    records = [json.loads(line) for line in Path(arguments.records).read_text(encoding="utf-8").splitlines()]
    quiet = [record for record in records if record[0] < periods[0][1]]
    print(f"  {'':22} {'calls':>6} {'p50':>7} {'p99':>7} {'most ms':>8} {'kB':>8}")
    print(f"  {'quiet':22} {len(quiet):6} {millis(quiet, 0.5):7.1f} {millis(quiet, 0.99):7.1f} {millis(quiet, 1):8.1f}")
    for name, begun, ended, memory, counts in periods:
        of_it = [record for record in records if record[0] < ended and record[0] + record[2] > begun]
        print(
            f"  {name:22} {len(of_it):6} {millis(of_it, 0.5):7.1f} {millis(of_it, 0.99):7.1f} {millis(of_it, 1):8.1f} {memory:8}  {counts}"
        )
        wrong = [record for record in of_it if record[3] or record[4] > LONGEST]
        checks.check(of_it and not wrong, f"{name}: {len(of_it)} good calls, no error {wrong[:3] or ''}")
        if name == "guess":
            checks.check(any(key.startswith("newcomer 200") for key in counts), "a newcomer with the right password is let in")
            checks.check("200" not in counts, "no guess was right")
        if name == "streams":
            checks.check(counts.get("200", 0) <= MOST_STREAMS and counts.get("503", 0) > 0, f"event streams are bounded: {counts}")

    checks.check(await deadlines(plain), "who says nothing, half a head, or a body byte by byte is closed at a deadline")
    most = plain.memory_kb("VmHWM")
    checks.check(most < MOST_MEMORY_KB, f"memory: {most} kB at most, below {MOST_MEMORY_KB}")
    checks.check(settled <= files + 8, f"files: {files} before, {settled} after")
    checks.check(before == after, f"the registry is the same: {after[0]}, {len(after[1])} instances")

    files = tls.files()
    # In a process of its own: a crowd in the same one would make it late.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        apart = asyncio.get_running_loop().run_in_executor
        await apart(process, os.getpid)
        _, went = await asyncio.gather(handshakes(tls), apart(process, call_over_tls, tls, arguments.authority, SECONDS))
    wrong = [record for record in went if record[3]]
    print(
        f"  {'handshakes':22} {len(went):6} {millis(went, 0.5):7.1f} {millis(went, 0.99):7.1f} {millis(went, 1):8.1f}"
        f" {tls.memory_kb('VmHWM'):8}"
    )
    checks.check(went and not wrong, f"handshakes: {len(went)} good calls by TLS, no error {wrong[:3] or ''}")
    settled = await tls.fds_settle(files + 8, 60)
    checks.check(settled <= files + 8, f"files of the one with TLS: {files} before, {settled} after")
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    for name in ("plain", "pid", "tls", "tls-pid", "authority", "records"):
        options.add_argument(f"--{name}", required=True)
    sys.exit(1 if asyncio.run(run(options.parse_args())) else 0)
