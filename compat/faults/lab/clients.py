"""Instances that behave as Netflix's client does, and the true state of each."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field

from .http import NoAnswer

DEFAULT_DATA_CENTER = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"
# How long a client waits for an answer before it tries the next replica; and where a scenario says which replica is to answer.
PATIENCE, LONG_PATIENCE = 1.0, 15.0
# An instance that dies has to be gone everywhere this long after its lease of twice the duration: replicas look every second, and a
# renewal reaches the others a little later.
EVICTED = 5.0


@dataclass
class Truth:
    """What readers should see of an instance, and since when."""

    present: bool = False
    changed: float = 0.0
    # When it has to be gone at the latest, where it is not present.
    gone_by: float = 0.0
    status: str = "UP"
    overridden: str = "UNKNOWN"
    metadata: dict = field(default_factory=dict)


class Client:
    """Registers, renews at the replica of its choice, tries the next where that does not answer, registers again on 404."""

    def __init__(self, lab, identity, home, app="ORDERS", lease=(2, 6), fallback=True):
        self.lab, self.id, self.app, self.home, self.lease, self.fallback = lab, identity, app, home, lease, fallback
        self.truth = Truth()
        self.dirty = int(time.time() * 1000)
        self.task = None
        # When it was heard last, and whether a renewal is on its way, which may be heard though its answer is not waited for.
        self.heard, self.renewing = 0.0, False
        self.path = f"/eureka/apps/{app}/{identity}"
        # How many changes of it are on their way: a reader may see them before they are answered.
        self.under_way = 0

    def __str__(self):
        return self.id

    def body(self):
        renewal, duration = self.lease
        return json.dumps({"instance": {
            "instanceId": self.id, "hostName": f"{self.id}.local", "app": self.app, "ipAddr": "10.0.0.1", "status": "UP",
            "port": {"$": 8080, "@enabled": "true"}, "securePort": {"$": 443, "@enabled": "false"}, "vipAddress": self.app.lower(),
            "dataCenterInfo": {"@class": DEFAULT_DATA_CENTER, "name": "MyOwn"}, "metadata": self.truth.metadata,
            "leaseInfo": {"renewalIntervalInSecs": renewal, "durationInSecs": duration}, "lastDirtyTimestamp": str(self.dirty),
        }}).encode()

    def replicas(self, at):
        if at is not None:
            return [at]
        others = [one for one in self.lab.replicas if one is not self.home] if self.fallback else []
        return [self.home, *others]

    async def call(self, method, path, body=b"", at=None):
        """The answer of the first replica that gives one, or None."""
        for replica in self.replicas(at):
            try:
                answer = await replica.caller.call(method, path, body, patience=PATIENCE if at is None else LONG_PATIENCE)
            except NoAnswer:
                continue
            if answer.status < 500:
                return answer
        self.lab.count("calls that no replica answered")
        return None

    def now_true(self, **values):
        for name, value in values.items():
            setattr(self.truth, name, value)
        self.truth.changed = self.lab.now()

    @contextlib.contextmanager
    def changing(self):
        """Meanwhile nobody knows what is true of it."""
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    async def register(self, at=None, again=False):
        """Registers; with `again` the data is newer than before."""
        if again:
            self.dirty = int(time.time() * 1000)
        with contextlib.nullcontext() if self.truth.present else self.changing():
            answer = await self.call("POST", f"/eureka/apps/{self.app}", self.body(), at)
            if answer is None or answer.status != 204:
                return False
            self.heard = self.lab.now()
            if not self.truth.present:
                self.lab.came(self)
                self.now_true(present=True)
            return True

    async def renew(self):
        self.renewing = True
        answer = await self.call("PUT", f"{self.path}?status=UP&lastDirtyTimestamp={self.dirty}")
        self.renewing = False
        if answer is None:
            return
        if answer.status == 404:
            self.lab.count("renewals answered 404")
            await self.register(again=True)
        elif answer.status == 200:
            self.heard = self.lab.now()

    async def live(self, first=0.0):
        await asyncio.sleep(first)
        while True:
            due = self.lab.now() + self.lease[0]
            await self.renew()
            await asyncio.sleep(max(0.0, due - self.lab.now()))

    def start(self, first=0.0):
        self.task = self.lab.background(self.live(first))

    def die(self):
        """No more renewals: every replica has to have evicted it twice its lease and a look later."""
        self.task.cancel()
        last = self.lab.now() if self.renewing else self.heard
        self.now_true(present=False, gone_by=last + 2 * self.lease[1] + EVICTED)

    async def cancel(self, at=None):
        if self.task:
            self.task.cancel()
        # From the moment it is sent it may be carried out; when it is answered it has been.
        self.now_true(present=False, gone_by=self.lab.now() + 30)
        answer = await self.call("DELETE", self.path, at=at)
        self.now_true(present=False, gone_by=self.lab.now() + 1)
        return answer is not None and answer.status == 200

    async def override(self, status, at=None):
        with self.changing():
            answer = await self.call("PUT", f"{self.path}/status?value={status}&lastDirtyTimestamp={self.dirty}", at=at)
            return self.ordered(answer, status, status)

    async def remove_override(self, at=None):
        with self.changing():
            answer = await self.call("DELETE", f"{self.path}/status?value=UP&lastDirtyTimestamp={self.dirty}", at=at)
            return self.ordered(answer, "UP", "UNKNOWN")

    def ordered(self, answer, status, overridden):
        if answer is None or answer.status != 200:
            return False
        self.now_true(status=status, overridden=overridden)
        return True

    async def set_metadata(self, key, value, at=None):
        with self.changing():
            answer = await self.call("PUT", f"{self.path}/metadata?{key}={value}", at=at)
            if answer is None or answer.status != 200:
                return False
            self.now_true(metadata={**self.truth.metadata, key: value})
            return True
