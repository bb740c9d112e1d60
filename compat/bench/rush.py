"""Clients that lose their connections and all come back at once, as after the restart of a replica or of a switch: all connect, and
their handshakes go on as fast as this machine can do its part of them."""

import collections
import multiprocessing
import os
import selectors
import socket
import ssl
import time

from instances import get
from load import AnswerWasAnError

# Clients of one process; more than a few processes would only wait for each other.
PROCESSES = 4
# So many handshakes are under way at a time in each process. One that had all of them would leave each half done for seconds, as
# no client does that is alone on its machine, and the server closes such where others wait.
AT_A_TIME = 50
PATIENCE_SECONDS = 120


class Client:
    """One client by TLS: its connection, its handshake, one request, the head of its answer. If the server closes its connection, as it
    does with handshakes that wait too long while others wait for their place, it tries again."""

    def __init__(self, context, target, source, session, request):
        self.context, self.target, self.source, self.session, self.request = context, target, source, session, request
        self.begun, self.attempts = time.monotonic(), 0
        self.connect()

    def connect(self):
        self.attempts += 1
        self.answer, self.connected, self.shaken = b"", False, False
        self.socket = socket.socket()
        self.socket.bind((self.source, 0))
        self.socket.setblocking(False)
        # Where the server's queue is full, it takes a second or more until the next attempt.
        self.socket.connect_ex(self.target)

    def shake(self):
        if not self.connected:
            if failed := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(failed, os.strerror(failed))
            self.socket = self.context.wrap_socket(self.socket, server_hostname=self.target[0], session=self.session,
                                                   do_handshake_on_connect=False)
            self.connected = True
        self.socket.do_handshake()
        self.shaken = True
        self.socket.sendall(self.request)

    def advance(self):
        """Goes on as far as it can; says what it waits for, or None when it was answered."""
        try:
            if not self.shaken:
                self.shake()
            while b"\r\n\r\n" not in self.answer:
                got = self.socket.recv(4096)
                if not got:
                    raise ConnectionResetError("closed before the answer")
                self.answer += got
        except ssl.SSLWantReadError:
            return selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            return selectors.EVENT_WRITE
        if not self.answer.startswith(b"HTTP/1.1 404"):
            raise AnswerWasAnError(f"answered {self.answer[:60]!r} in the rush")
        return None


def drive(make, count, at_a_time):
    """Runs `count` clients, a limited number at a time, and returns them with their times when all were answered."""
    selector, begun, finished = selectors.DefaultSelector(), 0, []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(finished) < count:
        while begun < count and begun - len(finished) < at_a_time:
            client = make(begun)
            selector.register(client.socket, selectors.EVENT_WRITE, client)
            begun += 1
        for key, _ in selector.select(timeout=1):
            client = key.data
            try:
                waits_for = client.advance()
            except OSError:
                selector.unregister(client.socket)
                client.socket.close()
                client.connect()
                selector.register(client.socket, selectors.EVENT_WRITE, client)
                continue
            if waits_for is None:
                selector.unregister(client.socket)
                finished.append((client, time.monotonic() - client.begun))
            else:
                selector.modify(client.socket, waits_for, client)
        if time.monotonic() > deadline:
            raise AnswerWasAnError(f"{count - len(finished)} of {count} clients were not answered in {PATIENCE_SECONDS} s")
    return finished


def crowd(number, count, server, certificate, resume, ready, go, told):
    """A process full of clients: connects them once, waits for the word, and connects them all again."""
    context = ssl.create_default_context(cafile=certificate)
    request = get(server[2], "/eureka/apps/NONE")
    sessions = collections.deque()
    try:
        def client(_):
            session = sessions.popleft() if sessions else None
            return Client(context, server[:2], f"127.0.2.{1 + number}", session, request)

        for one, _ in drive(client, count, AT_A_TIME):
            sessions.append(one.socket.session)
            one.socket.close()
        if not resume:
            sessions.clear()
        ready.release()
        go.wait()
        rushed = drive([client(number) for number in range(count)].__getitem__, count, AT_A_TIME)
        told.put((max(took for _, took in rushed), sum(one.socket.session_reused for one, _ in rushed),
                  sum(one.attempts - 1 for one, _ in rushed), None))
    except (AnswerWasAnError, OSError) as error:
        ready.release()
        told.put((0.0, 0, 0, f"{type(error).__name__}: {error}"))


def measure(server, count, certificate, resume):
    """What `count` clients cost that all come back at once: the server's processor time, and how long the last one waited."""
    ready, go, told = multiprocessing.Semaphore(0), multiprocessing.Event(), multiprocessing.Queue()
    where = (server.address, server.port, server.host)
    crowds = [multiprocessing.Process(target=crowd, daemon=True,
                                      args=(number, count // PROCESSES, where, certificate, resume, ready, go, told))
              for number in range(PROCESSES)]
    for one in crowds:
        one.start()
    for _ in crowds:
        ready.acquire(timeout=PATIENCE_SECONDS)
    before, begun = server.cpu(), time.monotonic()
    go.set()
    found = [told.get(timeout=2 * PATIENCE_SECONDS) for _ in crowds]
    wall = time.monotonic() - begun
    for one in crowds:
        one.join(20)
    if failure := next((why for *_, why in found if why), None):
        raise AnswerWasAnError(failure)
    clients = count // PROCESSES * PROCESSES
    return {"clients": clients, "cpu_us": (server.cpu() - before) / clients * 1e6, "seconds": wall,
            "longest_seconds": max(took for took, *_ in found), "resumed": sum(reused for _, reused, *_ in found),
            "tried_again": sum(again for _, _, again, _ in found), "peak_mb": server.memory("VmHWM")}
