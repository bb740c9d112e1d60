"""What the checks in Python share: how to wait, ports, the end of a process, and what a client sends.

`compat/lib.sh` puts this directory on `PYTHONPATH`, and uses it as a program:

    lib.py reserve N               prints N ports and holds them until it is ended
    lib.py instance APP ID [JSON]  prints a registration, with the fields of the JSON object in place of its own
"""

import asyncio
import base64
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

# Seconds between two tries.
PAUSE = 0.05
# With these, a Java server shows a change after a second at most. Without the first it answers from a copy of 30 s. Without the
# second, a change that falls into the making of an answer is missing from that answer for 180 s: of 60 registrations beside three
# readers, 23 were.
JAVA_ANSWERS_ANEW = (
    "--eureka.server.use-read-only-response-cache=false", "--eureka.server.response-cache-auto-expiration-in-seconds=1",
)


class Wait:
    """A condition that is waited for, its deadline, and the last thing that was seen."""

    def __init__(self, what, seconds):
        self.what, self.seconds, self.seen = what, seconds, None
        self.deadline = time.monotonic() + seconds

    def in_vain(self):
        return TimeoutError(f"waited {self.seconds} s in vain for {self.what} (last seen: {self.seen})")

    def saw(self, seen):
        """Notes it, and raises TimeoutError when it is too late to look again."""
        self.seen = seen
        if time.monotonic() > self.deadline:
            raise self.in_vain()


def until(what, condition, seconds=30, not_yet=OSError, pause=PAUSE):
    """Repeats `condition` until it returns something true, and returns that. After an exception of `not_yet` it is repeated, too."""
    wait = Wait(what, seconds)
    while True:
        try:
            if found := condition():
                return found
            seen = found
        except not_yet as error:
            seen = error
        wait.saw(seen)
        time.sleep(pause)


async def until_async(what, condition, seconds=30, not_yet=OSError, pause=PAUSE):
    """The same for a coroutine."""
    wait = Wait(what, seconds)
    while True:
        try:
            if found := await condition():
                return found
            seen = found
        except not_yet as error:
            seen = error
        wait.saw(seen)
        await asyncio.sleep(pause)


class ReservedPort:
    """A port for servers that have to know it before they start, or that all have the same at different loopback addresses.

    A socket holds it that never listens: the system gives the port to nobody else, and a server that asks for it by its number
    and with SO_REUSEADDR, as all servers here do, may listen there."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("0.0.0.0", 0))
        self.number = self.socket.getsockname()[1]


def end(process, seconds):
    """Asks a process to end, and ends it if it has not done so in time."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def environment(options):
    """The same settings as variables: `--eureka.server.some-name=1` is EUREKA_SERVER_SOMENAME=1."""
    pairs = (option.removeprefix("--").split("=", 1) for option in options)
    return {name.replace("-", "").replace(".", "_").upper(): value for name, value in pairs}


def request(url, method="GET", body=None, accept="application/json", seconds=10, user=None):
    """The text of an answer. Raises `urllib.error.HTTPError` for 4xx and 5xx, and other kinds of `OSError` for no answer or a part of
    one. `user`: name and password with a colon between them."""
    headers = {"Accept": accept, "Content-Type": "application/json"}
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
    asked = urllib.request.Request(url, method=method, data=body, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return answer.read().decode()
    except http.client.HTTPException as error:
        # Of a server that ended in the middle of its answer: no kind of OSError, though every other end of a connection is one.
        raise ConnectionError(f"{method} {url}: {error!r}") from error


def instance(app, instance_id, **more):
    """A registration as a client sends it, with other fields than these where they are given."""
    fields = {
        "instanceId": instance_id, "hostName": "h.local", "app": app, "ipAddr": "10.0.0.1", "status": "UP",
        "port": {"$": 8080, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"}, "vipAddress": app.lower(),
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90}, "lastDirtyTimestamp": "1700000000000",
    }
    return json.dumps({"instance": fields | more}).encode()


def main():
    match sys.argv[1:]:
        case ["reserve", count]:
            ports = [ReservedPort() for _ in range(int(count))]
            print(*(port.number for port in ports), flush=True)
            signal.pause()
        case ["instance", app, instance_id, *more]:
            print(instance(app, instance_id, **json.loads(more[0] if more else "{}")).decode())
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
