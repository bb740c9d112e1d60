"""The laboratory of one scenario: hosts, replicas, clients, readers, and what they found."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

import lib

from .clients import Client
from .http import NoAnswer
from .names import Zone
from .replica import LONG_LOOK, PORT, SERVICE, Replica
from .switch import Switch
from .watch import Follower, Watch, differences

# The maximum time of a repair: five seconds until replicas agree, and one to see it.
HEALED = 6.0
# How long something has to be late to be called a stall, and how often the laboratory looks whether it stood still.
STALL, TICK = 0.25, 0.05
# However often something stood still: the maximum seconds until replicas agree, and how many times as long `agree` waits at most.
PROMISED, PATIENT = 5.0, 4
# Maximum number of sentences about one kind of failure.
SENTENCES = 4


class Lab:
    def __init__(self, name, options, folder):
        self.name, self.options, self.folder = name, options, Path(folder)
        self.empty = Path(folder, "empty")
        self.empty.mkdir(parents=True)
        self.origin = time.monotonic()
        self.zone, self.hosts = Zone(), 0
        self.switch = Switch(asyncio.get_running_loop(), PORT)
        self.random = random.Random(name)
        # `replicas` are those that clients may fall back to; `everything` is what has to be ended.
        self.replicas, self.everything, self.clients = [], [], []
        self.watches, self.followers, self.tasks = [], [], []
        self.marks, self.counts, self.figures, self.failures = [], Counter(), {}, []
        # How long after a change readers may still see the former state; and when something stood still until, and for how long.
        self.settle, self.stalls = 1.0, []
        self.background(self.notice_stalls())

    def now(self):
        return time.monotonic() - self.origin

    async def close(self):
        for replica in self.everything:
            if replica.up:
                replica.process.send_signal(signal.SIGKILL)
                replica.process.wait()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            _, left = await asyncio.wait(self.tasks, timeout=30)
            self.must(not left, f"{len(left)} tasks of the laboratory did not end")

    def background(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.append(task)
        return task

    async def notice_stalls(self):
        """Notes when this process stood still, which hands on all packets: nothing reaches a replica meanwhile."""
        while True:
            due = self.now() + TICK
            await asyncio.sleep(TICK)
            self.stalled(self.now() - due)

    def stalled(self, seconds):
        """Something was late by so much now."""
        if seconds > STALL:
            self.stalls.append((self.now(), seconds))

    def stood_still(self, since, until):
        """For how many seconds of this time something stood still."""
        return sum(seconds for at, seconds in self.stalls if at > since and at - seconds < until)

    def settled(self, changed, moment):
        """Whether readers who ask at a moment have to see what changed."""
        return moment >= changed + min(self.settle + 2 * self.stood_still(changed, moment), max(self.settle, PROMISED))

    def mark(self, what):
        """Marks this moment, to which sentences can refer."""
        self.marks.append((self.now(), what))
        return self.now()

    def count(self, what):
        self.counts[what] += 1

    def came(self, client):
        for watch in self.watches:
            watch.came(client)

    # Replicas.

    def host_name(self, number, service=SERVICE):
        return f"{service.split('.')[0]}-{number}.{service}"

    async def replica(self, number, *arguments, kind=None, service=SERVICE, named=True, zone=None, user=None):
        """A replica that is not started yet; `named`: peers are found by the names, which list it from now on."""
        kind = kind or self.options.kind
        replica = Replica(self, f"{service.split('.')[0]}-{number}", kind, zone, user)
        await replica.attach()
        self.everything.append(replica)
        if named:
            host = self.host_name(number, service)
            self.publish(replica.zone, service, host, replica.address)
            arguments = (f"--eureka.instance.hostname={host}", f"--registry.discovery.service={service}", *arguments)
        return replica.configure(list(arguments))

    @staticmethod
    def publish(zone, service, host, address):
        zone.hosts[host] = [address]
        zone.services.setdefault(service, [])
        if (host, PORT) not in zone.services[service]:
            zone.services[service].append((host, PORT))
        zone.hosts.setdefault(service, []).append(address)

    @staticmethod
    def withdraw(zone, service, host):
        zone.services[service].remove((host, PORT))
        zone.hosts[service].remove(zone.hosts.pop(host)[0])

    async def cluster(self, size=3, *arguments, kinds=None):
        """Replicas that know each other: by names, or by URLs where one of them is a Java server."""
        kinds = kinds or [self.options.kind] * size
        named = "java" not in kinds
        self.replicas = [await self.replica(number, *arguments, kind=kind, named=named) for number, kind in enumerate(kinds)]
        if not named:
            urls = ",".join(f"http://{one.address}:{PORT}/eureka/" for one in self.replicas)
            for one in self.replicas:
                more = [] if one.kind == "java" else [f"--eureka.instance.hostname={one.address}", "--spring.application.name=eureka"]
                one.arguments += [f"--eureka.client.service-url.defaultZone={urls}", *more]
        for one in self.replicas:
            one.start()
        for one in self.replicas:
            await one.ready()
        if not named:
            await self.until("the Java servers to know all peers", self.all_registered, 120)
        return self.replicas

    async def all_registered(self):
        counts = [len(await one.shown(5) or {}) for one in self.replicas]
        return min(counts) >= len(self.replicas)

    # Clients and readers.

    def client(self, home, name=None, **more):
        client = Client(self, name or f"{more.get('app', 'ORDERS').lower()}-{len(self.clients)}", home, **more)
        self.clients.append(client)
        return client

    async def crowd(self, size, homes=None, live=True, **more):
        """Instances that register, renew, and are known everywhere."""
        homes = homes or self.replicas
        crowd = [self.client(homes[number % len(homes)], **more) for number in range(size)]
        for batch in (crowd[at : at + 25] for at in range(0, size, 25)):
            done = await asyncio.gather(*(client.register(client.home) for client in batch))
            if not all(done):
                raise TimeoutError("a healthy replica did not take a registration")
        await self.until("all replicas to know all instances", self.all_known, 90 if self.options.java else 60)
        for client in crowd if live else []:
            client.start(self.random.uniform(0, client.lease[0]))
        return crowd

    async def all_known(self):
        for replica in self.replicas:
            shown = await replica.shown(LONG_LOOK) or {}
            if not all(client.id in shown for client in self.clients if client.truth.present):
                return False
        return True

    async def known(self, client):
        """Waits until all replicas show what is true of an instance: what it is told next is later, whatever their clocks say."""
        async def is_known():
            return not any(one in (client, None) for one, _ in await self.differences(self.replicas))

        await self.until(f"all replicas to know what {client} was told", is_known, 30)

    async def until(self, what, condition, seconds):
        await lib.until_async(what, condition, seconds, not_yet=NoAnswer)

    def watch(self, *replicas, whole=True, deltas=True):
        """Readers look at these from now on: of full fetches, and of deltas."""
        for replica in replicas or self.replicas:
            if whole:
                watch = Watch(self, replica)
                self.watches.append(watch)
                self.background(watch.run())
            if deltas:
                follower = Follower(self, replica)
                self.followers.append(follower)
                self.background(follower.run())

    # Findings.

    def after(self, moment):
        """`moment` for a reader: seconds after what."""
        before = [(at, what) for at, what in self.marks if at <= moment]
        at, what = before[-1] if before else (0.0, "the start")
        return f"{moment - at:.1f} s after {what}"

    def must(self, holds, sentence):
        if not holds:
            self.failures.append(sentence)
        return holds

    def faults(self, kind, replicas=None, clients=None, since=0.0, until=float("inf")):
        found = [fault for watch in self.watches for fault in watch.faults if fault.kind == kind]
        return [
            fault for fault in found
            if fault.last >= since and fault.first < until
            and (replicas is None or fault.replica in replicas) and (clients is None or fault.client in clients)
        ]

    def none(self, kind, figure=None, longest=0.0, unless=None, **where):
        """No reader saw this, but where `unless` explains it. What was seen is a figure and, beyond `longest` seconds, a failure."""
        found = [fault for fault in self.faults(kind, **where) if not (unless and unless(fault))]
        self.figures[figure or kind] = len(found)
        bad = [fault for fault in found if fault.seconds() > longest]
        for fault in bad[:SENTENCES]:
            detail = f" ({fault.detail})" if fault.detail else ""
            self.failures.append(
                f"{fault.client} {fault.kind}{detail} at {fault.replica} for {fault.seconds():.1f} s, {fault.looks} looks, "
                f"from {self.after(fault.first)}"
            )
        if len(bad) > SENTENCES:
            self.failures.append(f"{len(bad) - SENTENCES} more times {kind}")
        return found

    def truthful(self, since=0.0, replicas=None, unless=None):
        """From a moment on no reader saw anything that was not true."""
        for kind in ("absent", "wrong", "revived", "lingers"):
            self.none(kind, since=since, replicas=replicas, unless=unless)

    def matching(self, replicas=None, since=0.0, allowed=0):
        """Readers of deltas arrived at the hash codes of these replicas."""
        found = [at for one in self.followers if replicas is None or one.replica in replicas for at in one.mismatches if at >= since]
        deltas = sum(one.deltas for one in self.followers if replicas is None or one.replica in replicas)
        self.figures["hash mismatches"] = f"{len(found)} of {deltas}"
        self.must(
            len(found) <= allowed,
            f"{len(found)} times the hash code after a delta was not the server's, first {self.after(found[0]) if found else ''}",
        )

    async def one_registry(self, replicas):
        """These replicas open, and an instance that registers at one of them is soon at all of them."""
        for replica in replicas:
            await replica.ready()
        self.replicas = replicas
        for replica in replicas:
            self.must(await self.client(replica).register(), "a registration was not taken")
        self.mark("the registrations")
        await self.agree(what="the registrations")

    async def agree(self, seconds=HEALED, replicas=None, what="the heal"):
        """These replicas show the truth, and the same of every instance, within so many seconds. Returns of which instances
        they do not."""
        begun = self.now()
        while True:
            differing = await self.differences(replicas or self.replicas)
            took = self.now() - begun
            if not differing or took > min(seconds + 2 * self.stood_still(begun, self.now()), PATIENT * seconds):
                break
            await asyncio.sleep(0.1)
        self.figures["agreed after"] = f"{took:.1f} s" if not differing else "never"
        if differing:
            self.failures += [f"{sentence}, {took:.1f} s after {what}" for _, sentence in differing[:SENTENCES]]
            self.failures.append(f"{len(differing)} differences between replicas, or from the truth")
        return {client for client, _ in differing}

    async def differences(self, replicas):
        """The instances that are shown wrongly, with a sentence for each."""
        found, versions = [], {}
        for replica in replicas:
            try:
                shown = await replica.shown(LONG_LOOK)
            except NoAnswer:
                shown = None
            if shown is None:
                found.append((None, f"{replica} does not answer a full fetch"))
                continue
            for client in self.clients:
                one = shown.get(client.id)
                if (one is not None) != client.truth.present:
                    found.append((client, f"{client} is {'shown' if one else 'missing'} at {replica}"))
                elif one is not None:
                    versions.setdefault(client, set()).add(one["lastDirtyTimestamp"])
                    if differs := differences(client.truth, one):
                        found.append((client, f"{client} at {replica}: {differs}"))
        found += [(client, f"{client} has {len(seen)} versions") for client, seen in versions.items() if len(seen) > 1]
        return found

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)
