"""The measurements at one server. Every case returns plain numbers under names that report.py knows."""

import contextlib
import multiprocessing
import os
import re
import statistics
import time

import instances
import lib
from instances import Fleet, get
from load import AnswerWasAnError, Connection, Plan, Wrk, inflate, register_all

SEQUENCE = re.compile(rb'"bench\.seq":"(\d+)"')
INSTANCE_JSON = b'"instanceId":'
INSTANCE_XML = b"<instanceId>"
# How long a change stays in the delta.
DELTA_SECONDS = 180


class Effort:
    """How long things take: short for a smoke run, longer for a measurement."""

    def __init__(self, quick, rounds=None, seconds=None):
        self.quick = quick
        self.rounds = rounds or (1 if quick else 3)
        self.seconds = seconds or (1 if quick else 2)
        self.lag_samples = 40 if quick else 100 * self.rounds
        self.churn_seconds = 3 if quick else 8

    def warm_up(self, server):
        # The Java server compiles what is hot while it is being driven.
        if server.kind == "java":
            return 2 if self.quick else 5
        return 1


def busy():
    """Processor seconds that the whole machine has spent so far."""
    with open("/proc/stat") as stat:
        fields = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def children():
    """Processor seconds of children of this process that have ended: of wrk."""
    times = os.times()
    return times.children_user + times.children_system


def one_round(server, effort, plan, connections, pause_ms, others):
    watched = (server, *others)
    before, machine, driver, begun = [one.cpu() for one in watched], busy(), children(), time.monotonic()
    result = Wrk(server, plan, effort.seconds, connections, pause_ms).result()
    wall = time.monotonic() - begun
    spent = [one.cpu() - was for one, was in zip(watched, before, strict=True)]
    result["cpu_us"] = spent[0] / result["requests"] * 1e6
    result["others_cpu_us"] = [cpu / result["requests"] * 1e6 for cpu in spent[1:]]
    result["cores"] = spent[0] / result["seconds"]
    result["per_second"] = result["requests"] / result["seconds"]
    result["bytes_each"] = result["bytes"] / result["requests"]
    # Processor time of other processes on the same machine, such as builds.
    result["foreign_cores"] = max(0.0, (busy() - machine - sum(spent) - (children() - driver)) / wall)
    return result


def drive(server, effort, plan, connections=32, pause_ms=0, others=()):
    """Warm-up, then rounds of load; the numbers of the round with the median CPU time."""
    Wrk(server, plan, effort.warm_up(server), connections, pause_ms).result()
    rounds = [one_round(server, effort, plan, connections, pause_ms, others) for _ in range(effort.rounds)]
    rounds.sort(key=lambda one: one["cpu_us"])
    middle = dict(rounds[len(rounds) // 2])
    middle["cpu_us_range"] = [rounds[0]["cpu_us"], rounds[-1]["cpu_us"]]
    return middle


def fetch(server, path="/eureka/apps/", **how):
    """One answer as a client gets it, inflated; anything but a 200 fails."""
    connection = Connection(server)
    try:
        status, body = connection.ask(get(server.host, path, **how))
    finally:
        connection.close()
    if status != 200:
        raise AnswerWasAnError(f"GET {path} answered {status}: {body[:200]!r}")
    return inflate(body) if body[:2] == b"\x1f\x8b" else body


def wait_until_visible(server, count, path="/eureka/apps/", limit=60):
    """Waits for a large answer to show all: the Java server's read cache is up to 30 s old."""
    def all_are():
        return fetch(server, path).count(INSTANCE_JSON) >= count

    try:
        lib.until(f"{count} instances in {path}", all_are, limit, not_yet=(), pause=0.5)
    except TimeoutError as error:
        raise AnswerWasAnError(str(error)) from error


def renewals(server, fleet):
    return [one.renew(server.host, fleet.stamp) for one in fleet.sample(20_000)]


def heartbeat(server, fleet, effort):
    with Plan((1, renewals(server, fleet))) as plan:
        return drive(server, effort, plan)


def register_again(server, fleet, effort):
    with Plan((1, [one.register(server.host, instances.STAMP) for one in fleet.sample(10_000)])) as plan:
        return drive(server, effort, plan)


def register_new(server, fleet, effort):
    new = [one.register(server.host, instances.STAMP, instance_id=f"{one.vip}:{instances.NEW_ID}")
           for one in fleet.sample(10_000)]
    with Plan((1, new)) as plan:
        return drive(server, Effort(effort.quick, rounds=1), plan)


def one_application(server, fleet, effort):
    apps = sorted({one.app for one in fleet.sample(10_000)})
    if fetch(server, f"/eureka/apps/{apps[0]}", gzip=False).count(INSTANCE_JSON) < 1:
        raise AnswerWasAnError("an application without instances")
    with Plan((1, [get(server.host, f"/eureka/apps/{app}", gzip=False) for app in apps])) as plan:
        return drive(server, effort, plan)


def one_instance(server, fleet, effort):
    with Plan((1, [get(server.host, f"/eureka/apps/{one.app}/{one.id}", gzip=False)
                   for one in fleet.sample(10_000)])) as plan:
        return drive(server, effort, plan)


def document(server, effort, path, at_least, **how):
    """One of the large answers: checked for its instances once, then driven with few connections."""
    marker = INSTANCE_XML if "xml" in how.get("accept", "json") else INSTANCE_JSON
    begun = time.monotonic()
    seen = fetch(server, path, **how).count(marker)
    first = time.monotonic() - begun
    if seen < at_least:
        raise AnswerWasAnError(f"{path} {how} shows {seen} instances, not {at_least}")
    with Plan((1, [get(server.host, path, **how)])) as plan:
        result = drive(server, effort, plan, connections=8)
    # The first answer in a form has to be made; with the reading and inflating here.
    result["instances"], result["first_seconds"] = seen, first
    return result


def delta(server, fleet, effort):
    wait_until_visible(server, fleet.count, "/eureka/apps/delta")
    return document(server, effort, "/eureka/apps/delta", fleet.count)


def full(server, fleet, effort, **how):
    return document(server, effort, "/eureka/apps/", fleet.count, **how)


def delta_traffic(make, rate):
    """Bytes that one client reads in a minute, with a delta every 30 s, while this many instances change a second.

    The delta holds what changed in three minutes. Here as many instances register at once, which makes the same answer.
    """
    fleet = Fleet(DELTA_SECONDS * rate)
    with make() as server:
        register_all(server, fleet)
        wait_until_visible(server, fleet.count, "/eureka/apps/delta")
        with Plan((1, [get(server.host, "/eureka/apps/delta")])) as plan:
            answer = Wrk(server, plan, 1, connections=1).result()
    return 2 * answer["bytes"] / answer["requests"]


def clients_mix(server, fleet, effort):
    """10,000 Spring clients: each renews and asks for the delta every 30 s, some start anew."""
    sample = fleet.sample(10_000)
    with Plan(
        (495, [one.renew(server.host, fleet.stamp) for one in sample]),
        (495, [get(server.host, "/eureka/apps/delta")]),
        (5, [get(server.host, "/eureka/apps/")]),
        (5, [one.register(server.host, instances.STAMP) for one in sample]),
    ) as plan:
        # 20 connections that pause 30 ms between requests: 667 requests a second, as 10,000 clients make.
        result = drive(server, effort, plan, connections=20, pause_ms=30)
    result["delta_instances"] = fetch(server, "/eureka/apps/delta").count(INSTANCE_JSON)
    return result


def paced_heartbeats(server, fleet, effort, connections=100):
    """3,333 heartbeats a second: what 100,000 clients send."""
    with Plan((1, renewals(server, fleet))) as plan:
        return drive(server, effort, plan, connections=connections, pause_ms=30)


def register_at_rate(server, fleet, rate, stop, log):
    """Registers changed instances at an even rate; returns when each was sent and acknowledged."""
    connection = Connection(server)
    # Newer than all that wrk registered before, older than what it will register next.
    base = int(time.time() * 1000) + Wrk.runs * 10_000_000 + 5_000_000
    begun, number = time.monotonic(), 0
    sample = fleet.sample(10_000, seed=7)
    requests = [one.register(server.host, base + n, extra=f',"bench.seq":"{n:07d}"') for n, one in enumerate(sample)]
    while not stop.is_set() and number < len(requests):
        pause = begun + number / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        asked = time.monotonic()
        status, _ = connection.ask(requests[number])
        log.put((number, asked, time.monotonic(), status))
        number += 1
    log.put(None)


def probe_full_fetches(server, stop, seen, every):
    """Full fetches at intervals; returns when each was sent and answered, and the newest change in it."""
    connection = Connection(server)
    answers = []
    while not stop.is_set():
        asked = time.monotonic()
        status, body = connection.ask(get(server.host, "/eureka/apps/"))
        answers.append((asked, time.monotonic(), status, body))
        time.sleep(every)
    for asked, came, status, body in answers:
        newest = [int(found) for found in SEQUENCE.findall(inflate(body))] if status == 200 else []
        seen.put((asked, came, status, max(newest, default=-1)))
    seen.put(None)


def drain(queue):
    rows = []
    while (row := queue.get(timeout=120)) is not None:
        rows.append(row)
    return rows


def ages_of(answers, changes):
    """For each answer, how long (ms) the oldest change that it misses had been acknowledged; 0 if none is missing.

    Only changes acknowledged before the fetch was asked for count as missing.
    """
    acknowledged = {number: done for number, _, done, _ in changes}
    ages = []
    for asked, came, _, newest in answers:
        missed = acknowledged.get(newest + 1)
        ages.append((came - missed) * 1000 if missed is not None and missed < asked else 0.0)
    return sorted(ages)


@contextlib.contextmanager
def registrations(server, fleet, rate, changes):
    """Registrations arrive at this rate; what was registered is in `changes` afterwards."""
    stop, written = multiprocessing.Event(), multiprocessing.Queue()
    writer = multiprocessing.Process(target=register_at_rate, args=(server, fleet, rate, stop, written), daemon=True)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        changes.extend(drain(written))
        writer.join(20)
    if any(row[3] != 204 for row in changes):
        raise AnswerWasAnError("a registration under churn was answered with an error")


def under_churn(server, fleet, effort, rate=100):
    """Full fetches while registrations arrive: their cost, and how old the answers are."""
    stop_probe, seen, changes = multiprocessing.Event(), multiprocessing.Queue(), []
    probe = multiprocessing.Process(target=probe_full_fetches, args=(server, stop_probe, seen, 0.1), daemon=True)
    with registrations(server, fleet, rate, changes):
        probe.start()
        try:
            with Plan((1, [get(server.host, "/eureka/apps/")])) as plan:
                result = drive(server, Effort(effort.quick, rounds=1, seconds=effort.churn_seconds), plan, connections=8)
        finally:
            stop_probe.set()
            answers = drain(seen)
            probe.join(20)
    if any(row[2] != 200 for row in answers):
        raise AnswerWasAnError("a fetch under churn was answered with an error")
    ages = ages_of(answers, changes)
    result["age_p50_ms"], result["age_max_ms"] = statistics.median(ages), ages[-1]
    span = changes[-1][1] - changes[0][1]
    result["probes"], result["rate_reached"] = len(ages), (len(changes) - 1) / span if span else 0.0
    return result


def heartbeats_under_churn(server, fleet, effort, rate):
    """Latency of 333 heartbeats a second while registrations arrive and full fetches take what the machine gives."""
    with registrations(server, fleet, rate, []):
        return heartbeats_beside_fetches(server, fleet, effort)


def heartbeats_beside_fetches(server, fleet, effort):
    """Latency of 333 heartbeats a second while full fetches take what the machine gives."""
    seconds = 2 if effort.quick else 6
    with Plan((1, renewals(server, fleet))) as beats, Plan((1, [get(server.host, "/eureka/apps/")])) as fetches:
        Wrk(server, beats, 1, 10, 30).result()
        heavy = Wrk(server, fetches, seconds + 1, 4)
        result = Wrk(server, beats, seconds, 10, 30).result()
        result["fetches_per_second"] = heavy.result()["requests"] / (seconds + 1)
    return result


def scale(make, count, effort):
    """Cost at one size, on a server of its own."""
    fleet = Fleet(count)
    row = {"instances": count}
    with make() as server:
        row["memory_empty_mb"] = server.memory()
        begun = time.monotonic()
        register_all(server, fleet)
        row["load_seconds"] = time.monotonic() - begun
        row["memory_loaded_mb"] = server.memory()
        wait_until_visible(server, count, limit=120)
        row["memory_fetched_mb"] = server.memory()
        row["delta"] = delta(server, fleet, effort)
        row["heartbeat"] = heartbeat(server, fleet, effort)
        row["full_gzip"] = full(server, fleet, effort)
        row["one_application"] = one_application(server, fleet, effort)
        row["register"] = register_again(server, fleet, effort)
        if count == 100_000:
            row["paced"] = paced_heartbeats(server, fleet, effort)
        row["memory_end_mb"] = server.memory()
        row["memory_peak_mb"] = server.memory("VmHWM")
    return row


def single(make, effort, only=None):
    """All cases of one server with 10,000 instances in 1,000 applications, or those named in `only`."""
    fleet = Fleet(10_000)
    starts = []
    for _ in range(1 if effort.quick else 3):
        with make() as server:
            starts.append(server.start_seconds)
    out = {"start_seconds": statistics.median(starts), "cases": {}}
    with make() as server:
        time.sleep(0.5)
        out["memory_empty_mb"] = server.memory()
        fleet = Fleet(10_000)
        register_all(server, fleet)
        out["memory_loaded_mb"] = server.memory()
        wait_until_visible(server, fleet.count)
        out["memory_fetched_mb"] = server.memory()
        cases = {
            # First, while all 10,000 registrations are within the delta's three minutes.
            "delta": lambda: delta(server, fleet, effort),
            "heartbeat": lambda: heartbeat(server, fleet, effort),
            "one_application": lambda: one_application(server, fleet, effort),
            "one_instance": lambda: one_instance(server, fleet, effort),
            "full_gzip": lambda: full(server, fleet, effort),
            "full_plain": lambda: full(server, fleet, effort, gzip=False),
            "full_compact": lambda: full(server, fleet, effort, compact=True),
            "full_xml": lambda: full(server, fleet, effort, accept="application/xml"),
            "beside_fetches": lambda: heartbeats_beside_fetches(server, fleet, effort),
            "under_churn": lambda: under_churn(server, fleet, effort),
            "mix": lambda: clients_mix(server, fleet, effort),
            "register": lambda: register_again(server, fleet, effort),
            "register_new": lambda: register_new(server, fleet, effort),
        }
        for name, case in cases.items():
            if not only or name in only:
                out["cases"][name] = case()
                tell(server, name, out["cases"][name])
        out["memory_end_mb"] = server.memory()
        out["memory_peak_mb"] = server.memory("VmHWM")
    return out


def tell(server, name, result):
    cost = f"{result['cpu_us']:9.1f} us CPU/request {result['per_second']:9.0f}/s" if "cpu_us" in result else " " * 37
    print(f"  {server.kind:8} {name:18} {cost}  p50 {result['p50_us'] / 1000:8.2f} ms  "
          f"p99 {result['p99_us'] / 1000:8.2f} ms  others on this machine {result.get('foreign_cores', 0):.2f} cores",
          flush=True)
