"""Readers. One compares full fetches with the truth; one follows deltas as Netflix's client does."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass

from .http import NoAnswer
from .replica import instances_of

# How often a reader looks.
PAUSE = 0.2


@dataclass
class Fault:
    """What a reader saw that is not true, from its first look to its last.

    `absent`: an instance that lives is not shown. `wrong`: it is shown with another status, override or metadata.
    `revived`: it is shown though it had gone. `lingers`: it is shown after the time by which it had to be gone."""

    kind: str
    replica: object
    client: object
    first: float
    last: float
    looks: int = 1
    detail: str = ""

    def seconds(self):
        return self.last - self.first + PAUSE


class Watch:
    def __init__(self, lab, replica):
        self.lab, self.replica = lab, replica
        self.faults, self.open, self.gone = [], {}, set()
        # Times of looks, with how many instances of clients were shown; None where there was no answer to read.
        self.looks = []

    async def run(self):
        while True:
            asked = self.lab.now()
            try:
                shown = await self.replica.shown()
                self.lab.stalled(self.lab.now() - asked)
            except NoAnswer:
                shown = None
            if shown is None:
                self.looks.append((asked, None))
                self.open.clear()
            else:
                self.looks.append((asked, sum(client.id in shown for client in self.lab.clients)))
                self.compare(asked, shown)
            await asyncio.sleep(PAUSE)

    def came(self, client):
        self.gone.discard(client.id)

    def compare(self, asked, shown):
        seen = {}
        for client in self.lab.clients:
            kind, detail = self.judge(client, shown.get(client.id), asked)
            if kind:
                seen[kind, client.id] = (client, detail)
        for key in [key for key in self.open if key not in seen]:
            del self.open[key]
        for (kind, identity), (client, detail) in seen.items():
            fault = self.open.get((kind, identity))
            if fault is None:
                fault = Fault(kind, self.replica, client, asked, asked, detail=detail)
                self.open[kind, identity] = fault
                self.faults.append(fault)
            else:
                fault.last, fault.looks = asked, fault.looks + 1

    def judge(self, client, shown, asked):
        truth = client.truth
        if client.under_way or truth.changed >= asked:
            return None, ""
        settled = self.lab.settled(truth.changed, asked)
        if not truth.present:
            if shown is None:
                self.gone.add(client.id)
                return None, ""
            if client.id in self.gone:
                return "revived", ""
            return ("lingers", "") if settled and self.lab.settled(truth.gone_by - self.lab.settle, asked) else (None, "")
        if not settled:
            return None, ""
        if shown is None:
            return "absent", ""
        differs = differences(truth, shown)
        return ("wrong", differs) if differs else (None, "")


def differences(truth, shown):
    """What a reader sees of an instance, where it is not the truth."""
    overridden = shown.get("overriddenStatus", shown.get("overriddenstatus", "UNKNOWN"))
    metadata = {key: value for key, value in (shown.get("metadata") or {}).items() if not key.startswith("@") and key != "management.port"}
    seen = []
    if (shown["status"], overridden) != (truth.status, truth.overridden):
        seen.append(f"{shown['status']}/{overridden} instead of {truth.status}/{truth.overridden}")
    if metadata != truth.metadata:
        seen.append(f"metadata {metadata} instead of {truth.metadata}")
    return ", ".join(seen)


class Follower:
    """Netflix's DiscoveryClient: applies deltas, compares the hash code, fetches everything where they differ."""

    def __init__(self, lab, replica, pause=1.0):
        self.lab, self.replica, self.pause = lab, replica, pause
        self.instances = None
        self.fetches = self.deltas = 0
        # When its hash code was not the server's.
        self.mismatches = []
        # When it held fewer of the instances that live than there are, and how many.
        self.partial = []

    async def run(self):
        while True:
            with contextlib.suppress(NoAnswer):
                await self.fetch()
            self.look()
            await asyncio.sleep(self.pause)

    async def fetch(self):
        if self.instances is not None:
            answer = await self.replica.caller.call("GET", "/eureka/apps/delta")
            if answer.status == 200:
                self.deltas += 1
                if self.apply(answer.json()["applications"]):
                    return
                self.mismatches.append(self.lab.now())
        answer = await self.replica.caller.call("GET", "/eureka/apps")
        if answer.status == 200:
            self.fetches += 1
            self.instances = {key: one["status"] for key, one in instances_of(answer.json()).items()}

    def look(self):
        if self.instances is None:
            return
        moment = self.lab.now()
        living = [client.id for client in self.lab.clients if client.truth.present and client.truth.changed + 2 * self.pause < moment]
        held = sum(identity in self.instances for identity in living)
        if held < len(living):
            self.partial.append((moment, held))

    def apply(self, delta):
        """Whether what it holds then is what the server holds."""
        for application in delta["application"]:
            for one in application["instance"]:
                if one["actionType"] == "DELETED":
                    self.instances.pop(one["instanceId"], None)
                else:
                    self.instances[one["instanceId"]] = one["status"]
        counts = Counter(self.instances.values())
        return delta["apps__hashcode"] == "".join(f"{status}_{counts[status]}_" for status in sorted(counts))
