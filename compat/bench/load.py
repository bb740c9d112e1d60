"""Load: wrk with a plan of requests, a pipelining loader, and one careful connection."""

import json
import os
import re
import socket
import subprocess
import tempfile
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
STATUS = re.compile(rb"HTTP/1\.1 (\d\d\d)")


class AnswerWasAnError(Exception):
    """An answer was not the one that a working server gives, so the numbers of this run are worthless."""


class Plan:
    """Requests for wrk, in groups with weights, in a file that replay.lua reads."""

    def __init__(self, *groups):
        handle, self.path = tempfile.mkstemp(prefix="bench-plan-")
        with os.fdopen(handle, "wb") as out:
            for weight, requests in groups:
                out.write(b"group %d %d\n" % (weight, len(requests)))
                for request in requests:
                    out.write(b"%d\n%s\n" % (len(request), request))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.path)


class Wrk:
    """One run of wrk with one thread, begun at construction, awaited by `result`."""

    # Timestamps of later runs are larger than those of all earlier ones, new ids are new.
    runs = 0

    def __init__(self, server, plan, seconds, connections=32, pause_ms=0):
        Wrk.runs += 1
        stamp = int(time.time() * 1000) + Wrk.runs * 10_000_000
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s",
                   os.path.join(HERE, "replay.lua"), server.url, "--", plan.path, str(stamp),
                   str(Wrk.runs * 1_000_000), str(pause_ms), str(Wrk.runs)]
        self.seconds = seconds
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self):
        try:
            out, _ = self.process.communicate(timeout=self.seconds + 60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
        found = re.search(r"^BENCH (.*)$", out, re.MULTILINE)
        if not found:
            raise RuntimeError(f"wrk gave no result:\n{out}")
        result = json.loads(found.group(1))
        wrong = {key: result[key] for key in ("connect", "read", "write", "status", "timeout") if result[key]}
        if wrong:
            raise AnswerWasAnError(f"wrk saw errors: {wrong} in {result['requests']} answers")
        if not result["requests"]:
            raise AnswerWasAnError("wrk saw no answer")
        return result


class Connection:
    """A keep-alive connection that sends one raw request and reads its whole answer."""

    def __init__(self, server):
        self.server = server
        self._open()

    def _open(self):
        self.socket = socket.create_connection((self.server.address, self.server.port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def close(self):
        self.socket.close()

    def ask(self, request):
        """Status and body, the body as it came over the wire less any chunk framing."""
        self.socket.sendall(request)
        head, self.rest = self._until(b"\r\n\r\n")
        lower = head.lower()
        length = re.search(rb"content-length: *(\d+)", lower)
        body = b""
        if length:
            body = self._exactly(int(length.group(1)))
        elif b"transfer-encoding: chunked" in lower:
            body = self._chunks()
        if b"connection: close" in lower:
            self.close()
            self._open()
        return int(head[9:12]), body

    def _until(self, end):
        data = bytearray(self.rest)
        while True:
            at = data.find(end)
            if at >= 0:
                return bytes(data[:at]), bytes(data[at + len(end):])
            got = self.socket.recv(1 << 16)
            if not got:
                raise AnswerWasAnError("connection closed inside an answer")
            data += got

    def _exactly(self, length):
        body = bytearray(length)
        have = min(length, len(self.rest))
        body[:have] = self.rest[:have]
        self.rest = self.rest[have:]
        view = memoryview(body)
        while have < length:
            got = self.socket.recv_into(view[have:])
            if not got:
                raise AnswerWasAnError("connection closed inside a body")
            have += got
        return bytes(body)

    def _chunks(self):
        body = bytearray()
        while True:
            line, self.rest = self._until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += self._exactly(size)
            self._exactly(2)
            if size == 0:
                return bytes(body)


def inflate(body):
    return zlib.decompress(body, 31)


def register_all(server, fleet, window=50):
    """Registers every instance of a fleet once; any answer but 204 fails."""
    connection, first = None, 0
    while first < fleet.count:
        connection = connection or socket.create_connection((server.address, server.port), timeout=60)
        numbers = range(first, min(first + window, fleet.count))
        # Pipelining, so that a loader in Python is not what takes the time.
        connection.sendall(b"".join(fleet.instance(n).register(server.host, fleet.stamp) for n in numbers))
        done, open_still = answers_to_registrations(connection, len(numbers))
        first += done
        if not open_still:
            connection.close()
            connection = None
    if connection:
        connection.close()


def answers_to_registrations(connection, expected):
    """How many of the pipelined registrations were answered, and whether the connection stays open.

    A server may end a connection after any answer that says so (Tomcat does after 100); what was sent
    after it was not read and is sent again.
    """
    text = b""
    while text.count(b"\r\n\r\n") < expected:
        got = connection.recv(1 << 16)
        if not got:
            break
        text += got
    codes = STATUS.findall(text)
    wrong = [code for code in codes if code != b"204"]
    closing = b"connection: close" in text.lower()
    if wrong or not codes or (len(codes) < expected and not closing):
        raise AnswerWasAnError(f"registrations were answered {text[-300:]!r}")
    return len(codes), not closing
