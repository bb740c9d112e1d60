"""What can fill a registry's memory, one way after the other: attacks.py NAME HOST PORT SECONDS [STATUS]. Prints what it was answered. One
that is to be answered a status goes on until it was, also where that takes longer.

Each is a process of its own, so that it takes nothing of the time of the good clients beside it."""

import base64
import collections
import gzip
import json
import select
import socket
import sys
import time

import lib

# No attack goes on for so many seconds beyond its time.
AT_MOST = 120
# A larger body is refused before it is read.
BODY = 4_000_000
JSON = {"Content-Type": "application/json"}
# The user of good clients, where there are users.
GOOD = {"Authorization": "Basic " + base64.b64encode(b"good:good-password").decode()}


class Attack:
    def __init__(self, host, port, seconds, status=None):
        self.place, self.seconds, self.until, self.status = (host, port), seconds, None, status
        self.counts = collections.Counter()

    def goes_on(self):
        """Whether the attack still runs. Its time begins with the first call, after all preparations."""
        if self.until is None:
            self.until = time.monotonic() + self.seconds
        lacks = self.status is not None and not self.counts[self.status]
        return time.monotonic() < self.until + (AT_MOST if lacks else 0)

    def connect(self, last=2, patience=20):
        """A connection from 127.0.1.`last`."""
        connection = socket.socket()
        connection.settimeout(patience)
        connection.bind((f"127.0.1.{last}", 0))
        connection.connect(self.place)
        return connection

    def request(self, method, path, body=b"", headers=()):
        """Sends a request on a connection of its own; the status of the answer, or what happened instead."""
        try:
            with self.connect() as connection:
                connection.sendall(whole(method, path, body, headers))
                head = connection.recv(65536)
                status = int(head.split()[1]) if head.startswith(b"HTTP/1.") else "closed"
        except OSError as error:
            status = type(error).__name__
        self.counts[status] += 1
        return status


def whole(method, path, body=b"", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in dict(headers).items())]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def repeated(element, separator=b","):
    return separator.join([element] * (BODY // (len(element) + 1)))


def lists(attack):
    """A few kilobytes each, which inflate to lists of hundreds of thousands of elements."""
    digest = b",".join(b'"%x":"1"' % number for number in range(BODY // 14))
    bodies = {
        "heard": b"[" + repeated(b'""') + b"]",
        "records": b'{"applications":[' + repeated(b'""') + b"]}",
        "digests": b'{"clock":1,"total":"1","applications":{' + digest + b"}}",
        "batch/": b'{"replicationList":[' + repeated(b'{"action":"Cancel","appName":"","id":""}') + b"]}",
    }
    bodies = {name: gzip.compress(body) for name, body in bodies.items()}
    while attack.goes_on():
        for name, body in bodies.items():
            attack.request("POST", f"/eureka/peerreplication/{name}", body, JSON | {"Content-Encoding": "gzip"})


def huge_instances(attack):
    """Registrations with hundreds of thousands of virtual addresses, or of metadata entries; and one that grows."""
    addresses = ",".join(str(number) for number in range(120_000))
    entries = {str(number): "" for number in range(60_000)}
    bodies = [lib.instance("A", "huge", vipAddress=addresses), lib.instance("A", "huge", metadata=entries)]
    attack.request("POST", "/eureka/apps/A", lib.instance("A", "grows"), JSON)
    number = 0
    while attack.goes_on():
        for body in bodies:
            attack.request("POST", "/eureka/apps/A", body, JSON)
        number += 1
        attack.request("PUT", f"/eureka/apps/A/grows/metadata?k{number}={'v' * 30_000}")


def readers(attack, path, connections, headers=(), pipelined=4, takes=True):
    """Sends the same request again and again. Without `takes`, the answers are not read."""
    request = whole("GET", path, headers=headers)
    poll, open_ones = select.epoll(), {}

    def another(number):
        try:
            connection = attack.connect(2 + number % 4)
            connection.sendall(request * pipelined)
        except OSError as error:
            attack.counts[type(error).__name__] += 1
            return
        connection.setblocking(False)
        poll.register(connection, select.EPOLLIN if takes else select.EPOLLHUP)
        open_ones[connection.fileno()] = connection

    for number in range(connections):
        another(number)
    while attack.goes_on():
        for file, _ in poll.poll(0.2):
            connection, data = open_ones[file], b""
            try:
                data = connection.recv(1 << 18)
                answers = data.count(b"HTTP/1.1 ")
                attack.counts["answers"] += answers
                if data and answers:
                    connection.send(request * answers)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            if not data:
                attack.counts["closed"] += 1
                poll.unregister(file)
                open_ones.pop(file).close()
                another(file)
        if len(open_ones) < connections:
            another(len(open_ones))


def page_readers(attack):
    readers(attack, "/", 30)


def api_readers(attack):
    readers(attack, "/api/v1/instances?limit=100", 400)


def api_readers_that_take_nothing(attack):
    readers(attack, "/api/v1/instances?limit=1000", 400, takes=False)


def readers_of_everything(attack):
    readers(attack, "/eureka/apps", 40, {"Accept": "application/json"}, pipelined=1)


def readers_of_everything_as_xml(attack):
    readers(attack, "/eureka/apps", 10, {"Accept": "application/xml"}, pipelined=1)


def readers_of_everything_that_take_nothing(attack):
    readers(attack, "/eureka/apps", 40, {"Accept": "application/json"}, pipelined=1, takes=False)


def metadata_in_a_loop(attack):
    """Each change makes another version of all answers; each time it is another page that changes."""
    with attack.connect() as connection:
        number = 0
        while attack.goes_on():
            number += 1
            app, instance_id = name(number * 131 % 10_000)
            connection.sendall(whole("PUT", f"/eureka/apps/{app}/{instance_id}/metadata?changed={number}"))
            attack.counts[int(connection.recv(4096).split()[1])] += 1


def event_streams(attack):
    """A hundred streams of one address, which read nothing."""
    kept = []
    while attack.goes_on():
        while len(kept) < 100:
            connection = attack.connect()
            connection.sendall(whole("GET", "/api/v1/events"))
            attack.counts[int(connection.recv(64).split()[1])] += 1
            kept.append(connection)
        time.sleep(0.1)


def register_and_cancel(attack):
    """What is gone stays in the delta for three minutes."""
    pipeline(attack, lambda number: [("POST", "GONE", f"gone-{number}"), ("DELETE", "GONE", f"gone-{number}")])


def fill(attack):
    """Registers new instances until the registry is full."""
    pipeline(attack, lambda number: [("POST", f"FULL-{number % 100}", f"full-{number}")], {"long": "m" * 20_000})


def pipeline(attack, of, metadata=None):
    with attack.connect() as connection:
        number, answers = 0, connection.makefile("rb")
        while attack.goes_on():
            requests = [one for number in range(number, number + 50) for one in of(number)]
            number += 50
            for method, app, instance_id in requests:
                body = lib.instance(app, instance_id, metadata=metadata or {}) if method == "POST" else b""
                path = f"/eureka/apps/{app}" + (f"/{instance_id}" if method == "DELETE" else "")
                connection.sendall(whole(method, path, body, JSON))
            for _ in requests:
                attack.counts[int(answers.readline().split()[1])] += 1
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)


def name(number):
    """Application and id of one of the instances that were registered before the attack."""
    return f"APP-{number % 1000}", f"host-{number}.local:app:8080"


def guesses(attack):
    """Passwords of two users, each another one, from 300 connections of 100 addresses."""
    poll, open_ones, number = select.epoll(), {}, 0

    def guess(connection):
        nonlocal number
        number += 1
        guessed = base64.b64encode(f"{('good', 'never')[number % 2]}:{number}".encode()).decode()
        connection.sendall(whole("GET", "/eureka/apps/NONE", headers={"Authorization": f"Basic {guessed}"}))

    while attack.goes_on():
        try:
            if len(open_ones) < 300:
                connection = attack.connect(2 + number % 100, patience=2)
                guess(connection)
                poll.register(connection, select.EPOLLIN)
                open_ones[connection.fileno()] = connection
        except OSError as error:
            attack.counts[type(error).__name__] += 1
        for file, _ in poll.poll(0 if len(open_ones) < 300 else 0.2):
            try:
                answer = open_ones[file].recv(4096)
                attack.counts[int(answer.split()[1]) if answer else "closed"] += 1
                if answer:
                    guess(open_ones[file])
                    continue
            except OSError as error:
                attack.counts[type(error).__name__] += 1
            poll.unregister(file)
            open_ones.pop(file).close()


def keep(attack, connections, sent, addresses=4):
    """Connections from some addresses that are kept after something was sent: half a request, or a whole one."""
    kept = []
    for number in range(connections):
        if not attack.goes_on():
            break
        try:
            connection = attack.connect(2 + number % addresses, patience=2)
            kept.append(connection)
            connection.sendall(sent)
            if sent.endswith(b"\r\n\r\n"):
                connection.recv(4096)
        except OSError as error:
            attack.counts[type(error).__name__] += 1
    attack.counts["kept"] = len(kept)
    while attack.goes_on():
        time.sleep(0.1)


HALF_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"y" * 31_000


def half_heads(attack):
    keep(attack, 2500, HALF_HEAD)


def half_heads_of_many(attack):
    keep(attack, 2500, HALF_HEAD, addresses=200)


def half_bodies(attack):
    keep(attack, 3300, whole("POST", "/eureka/apps/A", b" " * 16_000, JSON)[:-100])


def idle(attack):
    keep(attack, 6000, whole("GET", "/eureka/apps/NONE"), addresses=200)


def idle_of_one(attack):
    keep(attack, 1100, whole("GET", "/eureka/apps/NONE"), addresses=1)


if __name__ == "__main__":
    run = Attack(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), *map(int, sys.argv[5:]))
    globals()[sys.argv[1]](run)
    print(json.dumps({str(key): count for key, count in sorted(run.counts.items(), key=str)}))
