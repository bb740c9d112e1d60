"""HTTP/1.1 by hand over kept connections, each made inside the namespace of the host that is called."""

import asyncio
import json
import socket
from dataclasses import dataclass

PATIENCE = 2.0
# An answer of the laboratory's registries is far smaller.
LONGEST = 64 * 1024 * 1024


class NoAnswer(OSError):
    """Refused, closed, or not answered in time."""


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Caller:
    """Calls one host. A connection goes back to the pool only after a whole answer."""

    def __init__(self, namespace, port, user=None):
        self.namespace, self.port = namespace, port
        self.idle = []
        self.authorization = {"Authorization": f"Basic {user}"} if user else {}

    async def call(self, method, path, body=b"", headers=None, patience=PATIENCE):
        try:
            # Not `wait_for`: of Python 3.11 that swallows a cancellation which comes together with the answer.
            async with asyncio.timeout(patience):
                return await self.exchange(method, path, body, headers or {})
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError, IndexError) as error:
            raise NoAnswer(f"{method} {path}: {type(error).__name__} {error}") from error

    async def exchange(self, method, path, body, headers):
        reader, writer = await self.connection()
        try:
            writer.write(self.request(method, path, body, headers))
            status, fields = await head(reader)
            content = b"" if method == "HEAD" or status in (204, 304) else await content_of(reader, fields)
        except BaseException:
            writer.transport.abort()
            raise
        if fields.get("connection", "").lower() == "close":
            writer.close()
        else:
            self.idle.append((reader, writer))
        return Answer(status, fields, content)

    async def connection(self):
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.transport.is_closing():
                return reader, writer
            writer.transport.abort()
        with self.namespace:
            plug = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        plug.setblocking(False)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().sock_connect(plug, (self.namespace.address, self.port))
            return await asyncio.open_connection(sock=plug, limit=1 << 20)
        except BaseException:
            plug.close()
            raise

    def request(self, method, path, body, headers):
        lines = {"Host": f"{self.namespace.address}:{self.port}", "Accept": "application/json", **self.authorization}
        if body or method in ("POST", "PUT"):
            lines |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines |= headers
        text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return text.encode() + b"\r\n" + body

    def close(self):
        for _, writer in self.idle:
            writer.transport.abort()
        self.idle.clear()


async def head(reader):
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {}
    for line in lines[1:]:
        if line:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
    return int(lines[0].split()[1]), fields


async def content_of(reader, fields):
    if "chunked" in fields.get("transfer-encoding", ""):
        pieces = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            pieces.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readline()
        return b"".join(pieces)
    size = int(fields.get("content-length", "0"))
    if size > LONGEST:
        raise ValueError(f"an answer of {size} bytes")
    return await reader.readexactly(size)
