"""Three replicas under a crowd that renews, comes, goes, dies and changes, while one after the other is restarted: memory and open files
have to be flat, no call may fail but where a replica refuses it and the next one answers, and in the end all know the same."""

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass

import figures
import lib
from calls import LATE, Caller, Tally, request
from crowd import OWN_FAULT, Crowd
from readers import Reader, differences
from replicas import Replica

# What must not be counted once.
NEVER = [
    "5xx", "calls that no replica answered", "unexpected answers", "404 of a living instance", "living instances absent",
    "living instances with another status", "dead instances shown", "hash mismatches", LATE,
    "refused outside of a restart", "closed outside of a restart", OWN_FAULT, "errors of the soak itself",
]
# Each reads as often as Netflix's client does. For three minutes after a start, a delta has all instances.
READERS_PER_REPLICA, READ = 3, 30.0
# Maximum seconds until they do. Replicas agree within 5 s, but the last ones that died are evicted 45 s after they did in a short run, and
# later by a replica that was restarted: it counts renewals for up to two minutes before that, beginning when it is ready.
AGREED = 240
# Maximum seconds until the peers of a replica have received what it was told.
TOLD = 60
# Of the line of each minute. `closed`: calls that the end of a process cut off. `late s`: how long after it was due a heartbeat was
# answered, at most. `MiB` and `files`: the most of each replica. `own %`: the share of a core of this program.
COLUMNS = {
    "minute": 6, "calls/s": 7, "refused": 7, "closed": 6, "by another": 10, "faults": 6, "late s": 6, "MiB": 17, "files": 11, "CPU %": 14,
    "own %": 5, "load": 5,
}
# What a run has to have counted: otherwise it shows nothing.
ALWAYS = ["heartbeats", "came", "cancelled", "died", "evicted", "overrides set", "overrides removed", "metadata changed", "deltas"]
BREAKS = {
    "killed": "one replica is killed and not started again",
    "truth": "one instance's metadata is not what the replicas were told",
    "cancelled": "somebody else cancels an instance that lives",
    "growth": "half as many instances as there were come in each minute, and stay",
}


@dataclass(frozen=True)
class Scale:
    """What is shorter in a short run. A run of 25 minutes or more has the server's defaults and a restart every five minutes."""

    seconds: float

    @property
    def restart(self):
        return min(300.0, self.seconds / 5)

    @property
    def eviction(self):
        return int(max(1, min(60, self.seconds // 20)))

    @property
    def silent(self):
        """The lease of those that die in silence, which have to be evicted before the end."""
        return int(max(18, min(90, self.seconds // 10)))

    @property
    def overridden(self):
        """For how long an override stays."""
        return min(60.0, self.seconds / 6)

    @property
    def sampled(self):
        return min(5.0, self.seconds / 120)

    def short_leases(self, size):
        """The slots of instances that may die: all, unless their leases have to be shorter than others'."""
        return range(size) if self.silent == 90 else range(0, size, 50)


def options():
    parser = argparse.ArgumentParser(prog="compat/soak/run", description=__doc__)
    parser.add_argument("length", nargs="?", default="3m", metavar="LENGTH", help="such as 90s, 3m or 1h")
    parser.add_argument("--instances", type=int, help="how many renew; 10,000 by default, or fewer on a machine that is too slow for them")
    parser.add_argument("--break", dest="broken", choices=BREAKS, help="break something, to see that it is found: " +
                        "; ".join(f"`{name}`: {what}" for name, what in BREAKS.items()))
    parser.add_argument("--work", required=True, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    length = re.fullmatch(r"(\d+)([smh])", chosen.length)
    if not length or not int(length[1]):
        parser.error(f"{chosen.length} is no length such as 90s, 3m or 1h")
    chosen.may_be_fewer, chosen.instances = chosen.instances is None, chosen.instances or 10_000
    chosen.seconds = int(length[1]) * {"s": 1, "m": 60, "h": 3600}[length[2]]
    return chosen


class Soak:
    def __init__(self, chosen):
        self.chosen, self.scale, self.tally = chosen, Scale(chosen.seconds), Tally()
        port = lib.ReservedPort()
        more = [f"--eureka.server.eviction-interval-timer-in-ms={self.scale.eviction * 1000}"]
        self.port, binary = port, os.environ["EUREKA_REGISTRY_BIN"]
        self.replicas = [Replica(number, binary, port, chosen.work, more) for number in range(3)]
        self.caller = Caller(self.replicas, self.tally)
        self.crowd = Crowd(chosen.instances, self.scale, self.caller, self.tally)
        self.readers = [Reader(number, self.replicas, self.crowd, self.tally, READ) for number in range(3 * READERS_PER_REPLICA)]
        self.tasks, self.wrong, self.restarted = [], [], []
        self.restarting, self.agreed = asyncio.Lock(), "nobody compared the replicas"
        self.origin = time.monotonic()

    def now(self):
        return time.monotonic() - self.origin

    def background(self, coroutine):
        self.tasks.append(asyncio.ensure_future(coroutine))
        return self.tasks[-1]

    async def play(self):
        begun = time.monotonic()
        for one in self.replicas:
            one.start()
        for one in self.replicas:
            await one.ready()
        self.background(self.crowd.renew_all())
        await self.crowd.fill(self.chosen.may_be_fewer)
        self.chosen.instances = self.crowd.size
        await lib.until_async("all replicas to know all instances", self.all_known, 180)
        print(f"{self.chosen.instances} instances registered in {time.monotonic() - begun:.0f} s; {self.chosen.length} begin", flush=True)
        self.tally.begin()
        self.origin = time.monotonic()
        for coroutine in (self.sample(), self.say_each_minute(), *(one.run() for one in self.readers)):
            self.background(coroutine)
        passing = [self.background(each) for each in self.changes()]
        passing.append(self.background(self.break_it() if self.chosen.broken == "killed" else self.restarts()))
        await self.watched()
        async with self.restarting:
            for task in passing:
                task.cancel()
        await self.crowd.hold(0)
        if self.chosen.broken == "truth":
            self.crowd.slots[0].metadata["version"] = "of nobody"
        await self.compare()

    async def watched(self):
        """The length of the run. What goes wrong in the background ends it."""
        while self.now() < self.chosen.seconds:
            await asyncio.sleep(0.5)
            for task in self.tasks:
                if task.done() and task.exception():
                    raise task.exception()

    def changes(self):
        """In a minute 1 % goes, half of it in silence; 0.2 % is overridden; the metadata of 0.5 % changes."""
        crowd, size = self.crowd, self.chosen.instances
        yield crowd.change(size * 0.005, crowd.cancel)
        yield crowd.change(size * 0.005, crowd.die)
        yield crowd.change(size * 0.002, crowd.override)
        yield crowd.change(size * 0.005, crowd.change_metadata)
        if self.chosen.broken == "growth":
            yield self.grow(size * 0.5)
        if self.chosen.broken == "cancelled":
            yield self.cancel_one()

    async def all_known(self):
        for replica in self.replicas:
            body = (await replica.door.call(request("GET", "/eureka/apps", gzip=True), patience=30))[1]
            if body.count(b'"instanceId"') < self.chosen.instances:
                return False
        return True

    # Restarts.

    async def restarts(self):
        """One replica after the other, told to stop and killed in turn."""
        number, latest = 0, self.chosen.seconds - self.scale.restart / 2
        while (due := self.scale.restart * (number + 1)) < latest:
            await asyncio.sleep(due - self.now())
            await self.restart(self.replicas[number % 3], [signal.SIGTERM, signal.SIGKILL][number % 2])
            number += 1

    async def restart(self, replica, how):
        async with self.restarting:
            if how == signal.SIGKILL:
                await self.crowd.hold(1.0)
                await self.told(replica)
            code, ended = await replica.end(how)
            took = await replica.start_again()
            self.crowd.calm.set()
        self.restarted.append((replica, how, ended, took))
        if code != (0 if how == signal.SIGTERM else -how):
            self.wrong.append(f"{replica} ended with {code} after {how.name}")

    async def told(self, replica):
        """Waits until its peers have received all that a replica has been told so far."""
        now, asked = 1000 * time.time(), request("GET", "/api/v1/overview")

        async def is_told():
            peers = json.loads((await replica.door.call(asked))[1])["peers"]
            return len(peers) == 2 and all((peer["oldestWaitingSince"] or now + 1) > now for peer in peers)

        await lib.until_async(f"the peers of {replica} to know what it knows", is_told, TOLD)

    # Faults that are found.

    async def break_it(self):
        await asyncio.sleep(self.chosen.seconds / 3)
        await self.replicas[1].end(signal.SIGKILL)

    async def cancel_one(self):
        await asyncio.sleep(self.chosen.seconds / 3)
        await self.caller.call(2, request("DELETE", self.crowd.slots[1].path))

    async def grow(self, per_minute):
        while True:
            await asyncio.sleep(60 / per_minute)
            slot = len(self.crowd.slots)
            one = self.crowd.instance(slot)
            self.crowd.slots.append(one)
            if await self.crowd.register(one):
                self.crowd.renews_from(one, one.renewal)

    # What is seen.

    async def sample(self):
        while True:
            for one in self.replicas:
                one.sample()
            await asyncio.sleep(self.scale.sampled)

    async def say_each_minute(self):
        print(" ".join(f"{name:>{width}}" for name, width in COLUMNS.items()), flush=True)
        minute, before, spent = 0, Counter(self.tally), time.process_time()
        while True:
            minute += 1
            since = time.monotonic()
            await asyncio.sleep(60 * minute - self.now())
            new = Counter(self.tally)
            new.subtract(before)
            before = Counter(self.tally)
            seen = [figures.in_minute(one, since) for one in self.replicas]
            own, spent = time.process_time() - spent, time.process_time()
            values = [
                minute, f"{new['calls'] / 60:.0f}", new["refused"], new["closed"], new["answered by another replica"], self.faults(),
                f"{self.crowd.latest:.1f}", " ".join(f"{memory:.1f}" for memory, _, _ in seen),
                " ".join(str(files) for _, files, _ in seen), " ".join(f"{100 * cpu:.1f}" for _, _, cpu in seen),
                f"{100 * own / 60:.1f}", f"{os.getloadavg()[0]:.1f}",
            ]
            print(" ".join(f"{value:>{width}}" for value, width in zip(values, COLUMNS.values(), strict=True)), flush=True)
            self.crowd.latest = 0.0

    def faults(self):
        return sum(self.tally[what] for what in NEVER)

    # The end.

    async def compare(self):
        """All replicas show the truth, and the same, and say so of each other."""
        begun, found = time.monotonic(), ["nobody looked"]
        while found and time.monotonic() < begun + AGREED:
            found = await differences(self.replicas, self.crowd)
            found += await self.what_peers_differ_in()
            await asyncio.sleep(3)
        self.agreed = f"the replicas {'differ' if found else 'agree'} {time.monotonic() - begun:.0f} s after the end"
        for sentence in found[:6]:
            self.wrong.append(sentence)
        if len(found) > 6:
            self.wrong.append(f"{len(found) - 6} more differences")

    async def what_peers_differ_in(self):
        found = []
        for one in self.replicas:
            try:
                text = (await one.door.call(request("GET", "/actuator/prometheus")))[1].decode()
            except OSError:
                continue  # that it does not answer has been found
            values = re.findall(r"^eureka_peer_differing_applications\{(.*?)\} (\S+)$", text, re.MULTILINE)
            if len(values) != 2:
                found.append(f"{one} compares itself with {len(values)} peers")
            found += [f"{one} differs in {value} applications from {peer}" for peer, value in values if float(value)]
        return found

    def report(self):
        costs = [figures.Cost(lifetime) for one in self.replicas for lifetime in one.lifetimes]
        print(f"\n{figures.HEADER}")
        for cost in costs:
            print(cost.row(self.origin))
        slope = mean, error, judged = figures.mean_slope(costs)
        print(f"mean of {judged} processes that lived long enough: {mean:+.0f} ± {2 * error:.0f} KiB per hour" if judged else "")
        most = figures.maxima(self.replicas, self.origin, self.chosen.seconds)
        print("\nmost MiB of a replica in each minute: " + " ".join(f"{memory / 1024:.1f}" for memory, _ in most))
        print("most open files of a replica in each minute: " + " ".join(str(files) for _, files in most))
        for replica, how, ended, took in self.restarted:
            print(f"{replica} restarted by {how.name}: ended after {ended:.1f} s, ready after {took:.1f} s")
        print(self.agreed)
        for what in sorted(set(self.tally) - set(NEVER)):
            print(f"{self.tally[what]:9} {what}")
        self.judge(costs, slope, most)
        return not self.wrong

    def judge(self, costs, slope, most):
        for what in NEVER:
            if self.tally[what]:
                self.wrong.append(f"{self.tally[what]} {what}, first: {self.tally.first.get(what, '')}")
        for cost in costs:
            self.wrong += cost.wrong()
        self.wrong += figures.grows(*slope)
        self.wrong += figures.growth(most) if most else []
        if panics := sum(len(one.logged("panicked")) for one in self.replicas):
            self.wrong.append(f"{panics} panics")
        for how in (signal.SIGTERM, signal.SIGKILL):
            if not any(each[1] == how for each in self.restarted):
                self.wrong.append(f"no replica was restarted by {how.name}")
        for what in ALWAYS:
            # In less than three minutes nobody has to be evicted.
            if not self.tally[what] and (what != "evicted" or self.chosen.seconds >= 180):
                self.wrong.append(f"the soak counted no {what}")
        rows = [what for what in NEVER if not self.tally[what]]
        print(f"\nnot once: {', '.join(rows)}")
        for sentence in self.wrong:
            print(f"WRONG: {sentence}")
        for one in self.replicas if self.wrong else []:
            for line in one.logged(" WARN ", " ERROR ", "panicked")[-8:]:
                print(f"{one}: {line}")
        print(f"\n{len(self.wrong)} failed, {self.chosen.length} with {self.chosen.instances} instances")

    def end(self):
        for one in self.replicas:
            one.kill()


async def main():
    soak = Soak(options())
    loop, playing = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, playing.cancel)
    try:
        async with asyncio.timeout(soak.chosen.seconds + 600):
            await soak.play()
    except (TimeoutError, SystemExit) as error:
        soak.wrong.append(str(error) or "it did not end in time")
    finally:
        for task in [*soak.tasks, *soak.crowd.tasks]:
            task.cancel()
        soak.end()
    return 0 if soak.report() else 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except asyncio.CancelledError:
        print("stopped", file=sys.stderr)
        sys.exit(130)
