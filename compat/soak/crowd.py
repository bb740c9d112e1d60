"""Instances that renew as Netflix's client does, come, go, die and change; and what is true of each."""

import asyncio
import heapq
import random
import time
from dataclasses import dataclass, field

import lib
from calls import request

PER_APPLICATION = 10
# Seconds within which replicas agree (src/ARCHITECTURE.md): before that, readers may see the former state.
SETTLED = 5.0
# Seconds after a cancellation until it has to be everywhere, and after an eviction was due: a replica evicts nothing by itself before
# it has counted renewals for a whole minute, which takes up to two after a start.
GONE, EVICTED = 15.0, 150.0
# A heartbeat is due three times in a lease. If this program is not given the time to send it, what follows is no fault of the registry's.
TOO_LATE = 10.0
OWN_FAULT = "heartbeats that this machine was too slow to send"
# A machine that does not register all in so many seconds is given as many as it does, but so many at least: they all renew in 30 s, and
# there are readers, too.
FILLING, FEWEST = 25.0, 1000


@dataclass(eq=False)
class Instance:
    """An instance, and what readers should see of it."""

    id: str
    app: str
    home: int
    renewal: int
    duration: int
    dirty: int = field(default_factory=lambda: int(time.time() * 1000))
    # Whether it lives and is registered, and when that, its status or its metadata changed last.
    present: bool = False
    changed: float = 0.0
    heard: float = 0.0
    # When it has to be gone at the latest, once it does not live any more.
    gone_by: float = float("inf")
    died: bool = False
    overridden: str = "UNKNOWN"
    metadata: dict = field(default_factory=dict)
    # Whether a change of it is under way: one at a time.
    busy: bool = False

    def __post_init__(self):
        self.path = f"/eureka/apps/{self.app}/{self.id}"
        self.prepare()

    def __str__(self):
        return self.id

    @property
    def status(self):
        return "UP" if self.overridden == "UNKNOWN" else self.overridden

    def prepare(self):
        self.beat = request("PUT", f"{self.path}?status=UP&lastDirtyTimestamp={self.dirty}")

    def registration(self):
        lease = {"renewalIntervalInSecs": self.renewal, "durationInSecs": self.duration}
        body = lib.instance(self.app, self.id, leaseInfo=lease, metadata=self.metadata, lastDirtyTimestamp=str(self.dirty))
        return request("POST", f"/eureka/apps/{self.app}", body)

    def now_true(self, **values):
        for name, value in values.items():
            setattr(self, name, value)
        self.changed = time.monotonic()


class Crowd:
    """As many slots as there are instances. Who leaves a slot is followed by another one with a new id."""

    def __init__(self, size, scale, caller, tally):
        self.scale, self.caller, self.tally = scale, caller, tally
        self.random = random.Random(18)
        self.slots, self.gone, self.due = [], {}, []
        self.generation = self.under_way = 0
        self.calm = asyncio.Event()
        self.calm.set()
        self.tasks = set()
        # By how many seconds a heartbeat was answered late, at most, since somebody looked.
        self.latest = 0.0
        self.size = size

    # Coming and going.

    def instance(self, slot):
        self.generation += 1
        short = slot in self.scale.short_leases(self.size)
        renewal, duration = (self.scale.silent // 3, self.scale.silent) if short else (30, 90)
        name = f"orders-{slot // PER_APPLICATION:04d}"
        return Instance(f"{name}-{self.generation:06d}.local:{name}:8080", name.upper(), slot % 3, renewal, duration,
                        metadata={"zone": f"zone-{slot % 3}", "version": "1"})

    async def fill(self, may_be_fewer):
        """Registers all, or as many as a slow machine can play. Heartbeats begin as each has registered, evenly over the interval."""
        begun = time.monotonic()

        def waiting():
            for slot in range(self.size):
                if may_be_fewer and slot >= FEWEST and time.monotonic() > begun + FILLING:
                    print(f"this machine is slow now: {slot} instances instead of {self.size}", flush=True)
                    self.size = slot
                    return
                self.slots.append(self.instance(slot))
                yield slot, self.slots[slot]

        slots = waiting()

        async def register():
            for slot, one in slots:
                one.home = slot % 3
                if not await self.register(one):
                    raise SystemExit(f"soak: {one} could not register")
                self.renews_from(one, one.renewal * self.random.random())

        await asyncio.gather(*(register() for _ in range(36)))

    async def register(self, one):
        answer = await self.caller.call(one.home, one.registration())
        if answer is None or answer[0] != 204:
            self.refused("a registration", one, answer)
            return False
        one.heard = time.monotonic()
        if not one.present:
            one.now_true(present=True)
        return True

    def refused(self, what, one, answer):
        # An answer that did not come is counted where it was asked for.
        if answer is not None:
            self.tally.fault("unexpected answers", f"{what} of {one} was answered {answer[0]}: {answer[1][:100]!r}")

    def renews_from(self, one, first):
        heapq.heappush(self.due, (time.monotonic() + first, one.id, one))

    def replace(self, slot, one):
        """Another one comes in its place."""
        self.gone[one.id] = one
        self.slots[slot] = self.instance(slot)
        return self.slots[slot]

    # Heartbeats.

    async def renew_all(self):
        """For ever: each when it is due."""
        while True:
            now = time.monotonic()
            while self.due and self.due[0][0] <= now:
                due, _, one = heapq.heappop(self.due)
                if one.present:
                    self.spawn(self.renew(one, due))
                    heapq.heappush(self.due, (max(due + one.renewal, now), one.id, one))
            await asyncio.sleep(0.02)

    async def renew(self, one, due):
        answer = await self.caller.call(one.home, one.beat)
        late = time.monotonic() - due
        self.latest = max(self.latest, late)
        if answer is None or not one.present:
            return
        if late > TOO_LATE:
            self.tally.fault(OWN_FAULT, f"a heartbeat of {one} was answered {late:.0f} s after it was due")
        if answer[0] == 200:
            one.heard = time.monotonic()
            self.tally["heartbeats"] += 1
        elif answer[0] == 404:
            self.tally.fault("404 of a living instance", f"a heartbeat of {one}")
            await self.register(one)
        else:
            self.refused("a heartbeat", one, answer)

    def spawn(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.done)

    def done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception():
            self.tally.fault("errors of the soak itself", repr(task.exception()))

    # Changes.

    async def change(self, per_minute, what):
        """For ever: as often, the change `what` of an instance that is chosen by chance."""
        while True:
            await asyncio.sleep(self.random.uniform(0.5, 1.5) * 60 / per_minute)
            await self.calm.wait()
            if chosen := self.choose(what == self.die):
                self.spawn(self.alone(what, *chosen))

    def choose(self, dies):
        slots = self.scale.short_leases(self.size) if dies else range(self.size)
        for _ in range(20):
            slot = self.random.choice(slots)
            one = self.slots[slot]
            if one.present and not one.busy and one.changed + SETTLED < time.monotonic():
                return slot, one
        return None

    async def alone(self, what, slot, one):
        one.busy = True
        one.changed = time.monotonic()
        self.under_way += 1
        try:
            await what(slot, one)
        finally:
            self.under_way -= 1
            one.busy = False

    async def hold(self, seconds):
        """No change from now on; returns when those under way have been over for so long. What only one replica has seen dies with
        it, so a kill waits for that."""
        self.calm.clear()
        while self.under_way:
            await asyncio.sleep(0.05)
        await asyncio.sleep(seconds)

    async def cancel(self, slot, one):
        """It says that it goes, and another one comes."""
        one.now_true(present=False)
        answer = await self.caller.call(one.home, request("DELETE", one.path))
        if answer is None or answer[0] != 200:
            self.refused("a cancellation", one, answer)
        one.gone_by = time.monotonic() + GONE
        await self.come(slot, one)
        self.tally["cancelled"] += 1

    async def die(self, slot, one):
        """It falls silent, and another one comes."""
        one.now_true(present=False, died=True, gone_by=one.heard + 2 * one.duration + self.scale.eviction + EVICTED)
        await self.come(slot, one)
        self.tally["died"] += 1

    async def come(self, slot, one):
        new = self.replace(slot, one)
        new.busy = True
        if await self.register(new):
            self.renews_from(new, new.renewal)
            self.tally["came"] += 1
        new.busy = False

    async def override(self, _, one):
        """An operator takes it out of service, or brings it back."""
        removes = one.overridden != "UNKNOWN"
        method, value = ("DELETE", "UP") if removes else ("PUT", "OUT_OF_SERVICE")
        asked = request(method, f"{one.path}/status?value={value}&lastDirtyTimestamp={one.dirty}")
        answer = await self.caller.call(self.random.randrange(3), asked)
        if answer is None or answer[0] != 200:
            self.refused("an override", one, answer)
            return
        one.now_true(overridden="UNKNOWN" if removes else value)
        self.tally["overrides removed" if removes else "overrides set"] += 1
        if not removes:
            self.spawn(self.bring_back(one))

    async def bring_back(self, one):
        await asyncio.sleep(self.scale.overridden)
        await self.calm.wait()
        while one.busy:
            await asyncio.sleep(0.1)
        if one.present:
            await self.alone(self.override, None, one)

    async def change_metadata(self, _, one):
        """By the call for it, or by a new registration."""
        version = str(int(one.metadata["version"]) + 1)
        metadata = one.metadata | {"version": version}
        if self.random.random() < 0.5:
            answer = await self.caller.call(self.random.randrange(3), request("PUT", f"{one.path}/metadata?version={version}"))
            if answer is None or answer[0] != 200:
                self.refused("metadata", one, answer)
                return
            one.now_true(metadata=metadata)
        else:
            one.dirty = int(time.time() * 1000)
            one.prepare()
            before, one.metadata = one.metadata, metadata
            if not await self.register(one):
                one.metadata = before
                return
            one.now_true()
        self.tally["metadata changed"] += 1

    # The truth.

    def living(self, moment):
        """The instances that readers have to be shown who asked at that moment."""
        return [
            one for one in self.slots
            if one.present and one.changed + SETTLED < moment and moment < one.heard + one.renewal + TOO_LATE
        ]

    def lingers(self, identity, moment):
        """Whether this one, which was shown, had to be gone at that moment."""
        one = self.gone.get(identity)
        return one is not None and one.gone_by < moment
