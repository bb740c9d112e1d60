"""Instances that register at one server and renew, until they die or are cut off; and somebody who looks at that server."""

import http.client
import threading
import time
from dataclasses import dataclass

import lib
from servers import DURATION, INTERVAL

# Seconds between two looks at the clock, and at a server.
TICK, LOOK = 0.05, 0.5


@dataclass
class Client:
    app: str
    id: str
    due: float


class Crowd:
    """The clients of one server. `living` holds those that are alive, by their ids; while `cut` is set, nothing of theirs arrives."""

    def __init__(self, server):
        self.server, self.living, self.dead, self.cut = server, {}, set(), False
        self.connection = None
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self.failed = None
        self.thread = threading.Thread(target=self.renew_all, daemon=True)
        self.thread.start()

    def call(self, method, path, body=None):
        """The status of an answer. A connection that the server closed is opened again."""
        for last in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.server.port.number, timeout=20)
            try:
                self.connection.request(method, path, body, {"Accept": "application/json", "Content-Type": "application/json"})
                answer = self.connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                if last:
                    raise
            else:
                return answer.status
        raise AssertionError

    def start(self, *instances):
        """Registers instances, each an application and an id. Their renewals are spread over an interval."""
        now = time.monotonic()
        for number, (app, identity) in enumerate(instances):
            with self.lock:
                self.register(app, identity)
                self.living[identity] = Client(app, identity, now + INTERVAL * (number + 1) / len(instances))

    def register(self, app, identity):
        lease = {"renewalIntervalInSecs": INTERVAL, "durationInSecs": DURATION}
        status = self.call("POST", f"/eureka/apps/{app}", lib.instance(app, identity, leaseInfo=lease))
        assert status == 204, f"a registration was answered {status}"

    def kill(self, *identities):
        """They die without cancelling."""
        with self.lock:
            for identity in identities:
                del self.living[identity]
            self.dead.update(identities)

    def renew_all(self):
        while not self.stopped.wait(TICK):
            try:
                self.renew_those_due()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.failed = error
                return

    def renew_those_due(self):
        with self.lock:
            for client in self.living.values():
                if client.due > time.monotonic():
                    continue
                client.due += INTERVAL
                if not self.cut:
                    path = f"/eureka/apps/{client.app}/{client.id}?status=UP&lastDirtyTimestamp=1700000000000"
                    if self.call("PUT", path) == 404:
                        self.register(client.app, client.id)

    def stop(self):
        self.stopped.set()
        self.thread.join()


@dataclass
class Look:
    """What was shown at one time."""

    at: float
    dead: int
    missing: frozenset
    renewals: int
    active: bool


class Watch:
    """Looks at a server again and again."""

    def __init__(self, crowd):
        self.crowd, self.looks = crowd, []

    def look(self):
        crowd = self.crowd
        crowd.server.check()
        if crowd.failed:
            raise crowd.failed
        # Those that register while the list is on its way need not be in it.
        living = set(crowd.living)
        ids = crowd.server.ids()
        renewals, active = crowd.server.shown()
        missing = frozenset(living.intersection(crowd.living) - ids)
        self.looks.append(Look(time.monotonic(), len(ids & crowd.dead), missing, renewals, active))
        return self.looks[-1]

    def until(self, moment):
        """Looks until then; the last look is behind it."""
        while self.look().at < moment:
            time.sleep(LOOK)
