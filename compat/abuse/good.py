"""Good clients: they register, renew and fetch until a file is gone, and write down how long each answer took: by the clock, and by a
pulse that stands still while the machine does other things."""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path

import lib

CLIENTS = 8
# Nobody waits longer for an answer, in seconds.
PATIENCE = 60
PAUSE = 0.03
# A call that takes longer than this by the pulse is harmed: a client of Eureka's waits for several seconds.
SLOW_MS = 2000
# Seconds between two beats.
BEAT = 0.01
# After this many calls, a client makes a new connection.
CALLS_OF_A_CONNECTION = 15


def instance(app, number):
    instance_id = f"{app.lower()}-{number}"
    metadata = {"zone": "a", "version": "1.0", "management.port": "8081"}
    return lib.instance(app, instance_id, hostName=f"{instance_id}.local", metadata=metadata)


class Connection:
    """One keep-alive connection."""

    def __init__(self, host, port, tls=None, local=None):
        self.place = {"host": host, "port": port, "ssl": tls, "local_addr": (local, 0) if local else None}
        self.basic = base64.b64encode(b"good:good-password").decode()
        self.reader = self.writer = None

    async def call(self, method, path, body=b"", headers=()):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(**self.place)
        head = [f"{method} {path} HTTP/1.1", "Host: registry", f"Authorization: Basic {self.basic}", *headers]
        if body:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        await self.writer.drain()
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = answer.partition("content-length: ")[2].partition("\r\n")[0]
        content = await self.reader.readexactly(0 if method == "HEAD" else int(length or 0))
        if "connection: close" in answer:
            self.close()
        return int(answer.split()[1]), content

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None


class Pulse:
    """Time in which this process ran when it wanted to. On a machine where it seldom does, a registry seldom does, too. One that takes all
    time for an attack does not stop the pulse, since the system shares the processors."""

    def __init__(self):
        self.beats = 0

    async def beat(self):
        while True:
            await asyncio.sleep(BEAT)
            self.beats += 1

    def since(self, beats):
        """The seconds since it had so many beats."""
        return (self.beats - beats + 1) * BEAT


async def client(number, host, port, alive, records, pulse):
    connection, made, registered = Connection(host, port), 0, False
    app = f"GOOD{number}"
    path = f"/eureka/apps/{app}/{app.lower()}-{number}"
    calls = [
        ("register", "POST", f"/eureka/apps/{app}", instance(app, number), 204),
        ("renew", "PUT", path, b"", 200),
        ("fetch", "GET", "/eureka/apps", b"", 200),
        ("renew", "PUT", path, b"", 200),
        ("delta", "GET", "/eureka/apps/delta", b"", 200),
        ("one", "GET", path, b"", 200),
    ]
    while alive.exists() or not registered:
        for what, method, target, body, expected in calls:
            begun, beats, wrong = time.time(), pulse.beats, None
            headers = ["Accept: application/json", "Accept-Encoding: gzip"] if method == "GET" else []
            try:
                status, _ = await asyncio.wait_for(connection.call(method, target, body, headers), PATIENCE)
                wrong = None if status == expected else f"answered {status}"
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                wrong = f"{type(error).__name__} {error}"
                connection.close()
            took = time.time() - begun
            records.write(json.dumps([begun, what, took, wrong, min(took, pulse.since(beats))]) + "\n")
            made += 1
            if made % CALLS_OF_A_CONNECTION == 0:
                connection.close()
            await asyncio.sleep(PAUSE)
        registered = True
    connection.close()


async def main(host, port, alive, records):
    with open(records, "w", encoding="utf-8") as out:
        pulse = Pulse()
        beating = asyncio.ensure_future(pulse.beat())
        await asyncio.gather(*(client(number, host, port, Path(alive), out, pulse) for number in range(CLIENTS)))
        beating.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]))
