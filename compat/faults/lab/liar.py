"""A host that accepts connections on the registry's port, with answers that a scenario chooses."""

import asyncio
import socket

from .replica import PORT, Host

OK = b"HTTP/1.1 200 OK\r\nX-Eureka-Registry-Node: liar\r\n"


class Liar(Host):
    """`answer(head)` gives the bytes to answer, or None for a body without an end."""

    def __init__(self, lab, name, answer, zone=None):
        super().__init__(lab, name, zone)
        self.answer, self.heads = answer, []

    async def listen(self):
        with self.namespace:
            plug = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            plug.bind((self.address, PORT))
        self.server = await asyncio.start_server(self.serve, sock=plug)
        return self

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
                await reader.readexactly(int(length[0].split(":")[1]) if length else 0)
                said = self.answer(head)
                if said is None:
                    await self.endless(writer)
                writer.write(said)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def endless(writer):
        writer.write(OK + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"100000\r\n" + b" " * 0x100000 + b"\r\n")
            await writer.drain()

    def with_password(self):
        return sum("\r\nauthorization:" in head.lower() for head in self.heads)


def empty(_):
    return OK + b"Content-Length: 0\r\n\r\n"
