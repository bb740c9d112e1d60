"""Readers that follow deltas as Netflix's DiscoveryClient does, and compare what they hold with the truth."""

import asyncio
import contextlib
import json
import time
from collections import Counter

from calls import Caller, request

DELTA, ALL = (request("GET", path, gzip=True) for path in ("/eureka/apps/delta", "/eureka/apps"))


class Reader:
    """Applies deltas, compares the hash code, and fetches everything where they differ."""

    def __init__(self, number, replicas, crowd, tally, pause):
        self.name, self.home = f"reader {number} of {replicas[number % len(replicas)]}", number % len(replicas)
        self.replica, self.crowd, self.tally, self.pause = replicas[self.home], crowd, tally, pause
        self.caller = Caller(replicas, tally, connections=1)
        self.instances, self.fetched = None, 0.0
        self.first = pause * number / (3 * len(replicas))

    async def run(self):
        await asyncio.sleep(self.first)
        while True:
            asked = time.monotonic()
            if await self.fetch():
                self.look(asked)
                self.fetched = asked
            await asyncio.sleep(self.pause)

    async def fetch(self):
        if self.instances is not None:
            delta = await self.read(DELTA)
            if delta is None:
                return False
            self.tally["deltas"] += 1
            if self.apply(delta):
                return True
            # A replica that was restarted does not know what left before that.
            if self.replica.restarted_since(self.fetched):
                self.tally["fetched everything after a restart"] += 1
            else:
                self.tally.fault("hash mismatches", f"{self.name}: {delta['apps__hashcode']}, but it holds {self.hash_code()}")
        whole = await self.read(ALL)
        if whole is None:
            return False
        self.tally["full fetches"] += 1
        self.instances = {one["instanceId"]: one["status"] for one in instances_of(whole)}
        return True

    async def read(self, asked):
        answer = await self.caller.call(self.home, asked)
        if answer is None:
            return None
        if answer[0] != 200:
            self.tally.fault("unexpected answers", f"{self.name} was answered {answer[0]}: {answer[1][:100]!r}")
            return None
        return json.loads(answer[1])["applications"]

    def apply(self, delta):
        """Whether what it holds then is what the server holds."""
        for one in instances_of(delta):
            if one["actionType"] == "DELETED":
                self.instances.pop(one["instanceId"], None)
            else:
                self.instances[one["instanceId"]] = one["status"]
        return delta["apps__hashcode"] == self.hash_code()

    def hash_code(self):
        counts = Counter(self.instances.values())
        return "".join(f"{status}_{counts[status]}_" for status in sorted(counts))

    def look(self, asked):
        """What it holds, and what is true: `asked` is when it asked for the last of it."""
        for one in self.crowd.living(asked):
            held = self.instances.get(one.id)
            if held is None:
                self.tally.fault("living instances absent", f"{one} at {self.name}, {asked - one.changed:.1f} s after its last change")
            elif held != one.status:
                self.tally.fault("living instances with another status", f"{one} is {held} and not {one.status} at {self.name}")
        for identity in self.instances:
            if self.crowd.lingers(identity, asked):
                self.tally.fault("dead instances shown", f"{identity} at {self.name}")


def instances_of(applications):
    return [one for application in applications["application"] for one in application["instance"]]


async def differences(replicas, crowd):
    """Sentences about what the replicas show otherwise than each other, or than is true."""
    found, bodies = [], {}
    for replica in replicas:
        with contextlib.suppress(OSError):
            status, body = await replica.door.call(ALL, patience=30)
            if status == 200:
                bodies[replica] = body
                continue
        found.append(f"{replica} does not answer a full fetch")
    # Beside the loop: it takes a second, in which the instances have to renew.
    return found + await asyncio.to_thread(differences_of, bodies, crowd)


def differences_of(bodies, crowd):
    shown = {
        replica: {one["instanceId"]: one for one in instances_of(json.loads(body)["applications"])} for replica, body in bodies.items()
    }
    found, now = [], time.monotonic()
    first_replica, first = next(iter(shown.items()), (None, {}))
    crowd.tally["evicted"] = sum(one.died and one.id not in first for one in crowd.gone.values())
    known = {one.id for one in crowd.slots} | crowd.gone.keys()
    for replica, instances in shown.items():
        for one in crowd.slots:
            if (seen := instances.get(one.id)) is None:
                found.append(f"{one} is missing at {replica}")
            elif differs := differs_from(one, seen):
                found.append(f"{one} at {replica}: {differs}")
        found += [f"{each} is shown at {replica}, but it never was" for each in instances if each not in known]
        found += [f"{each} is shown at {replica}, but it is gone" for each in instances if crowd.lingers(each, now)]
        found += [
            f"{each} at {replica} is not as at {first_replica}" for each in sorted(first.keys() | instances.keys())
            if compared(first.get(each)) != compared(instances.get(each))
        ]
    return found


def compared(shown):
    """Of what a full fetch shows of an instance, what has to be the same at all replicas: not when each of them heard it last."""
    return shown and {name: value for name, value in shown.items() if name not in ("leaseInfo", "lastUpdatedTimestamp", "actionType")}


def differs_from(one, shown):
    overridden = shown.get("overriddenStatus", shown.get("overriddenstatus", "UNKNOWN"))
    metadata = {key: value for key, value in (shown.get("metadata") or {}).items() if key in one.metadata}
    seen = []
    if (shown["status"], overridden) != (one.status, one.overridden):
        seen.append(f"{shown['status']}/{overridden} instead of {one.status}/{one.overridden}")
    if metadata != one.metadata:
        seen.append(f"metadata {metadata} instead of {one.metadata}")
    return ", ".join(seen)
