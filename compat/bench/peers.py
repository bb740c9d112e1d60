"""Replication: how soon a registration is seen at a peer, and what a peer costs."""

import random
import time

import cases
from instances import Fleet, get
from load import AnswerWasAnError, Connection, Plan, inflate, register_all
from servers import port_of_ones_own

INSTANCES = 10_000


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def summary(lags):
    return {"p50_ms": quantile(lags, 0.5), "p99_ms": quantile(lags, 0.99), "max_ms": max(lags), "samples": len(lags)}


def cluster(kind, addresses):
    port = port_of_ones_own()
    servers = []
    try:
        for address in addresses:
            servers.append(kind(address=address, port=port, peers=addresses))  # noqa: PERF401, those that started are stopped
    except BaseException:
        for server in servers:
            server.stop()
        raise
    return servers


def wait_for_copy(servers, count, limit=100):
    """Waits until every member shows `count` instances, and says how many each shows in the end."""
    deadline = time.monotonic() + limit
    while True:
        seen = [cases.fetch(server).count(cases.INSTANCE_JSON) for server in servers]
        if all(one == count for one in seen) or time.monotonic() > deadline:
            return seen
        time.sleep(0.25)


def register_one(connection, server, one, stamp, instance_id):
    status, _ = connection.ask(one.register(server.host, stamp, instance_id=instance_id))
    if status != 204:
        raise AnswerWasAnError(f"registration answered {status}")


def lag_by_id(servers, fleet, samples):
    """From sending a registration to one member until each other answers it by id."""
    first, others = servers[0], servers[1:]
    writer, readers = Connection(first), [Connection(server) for server in others]
    lags, dice = [], random.Random(3)
    for number in range(samples):
        one = fleet.instance(dice.randrange(fleet.count))
        instance_id = f"lag-by-id-{number}"
        time.sleep(dice.random() * 0.02)
        begun = time.monotonic()
        register_one(writer, first, one, fleet.stamp, instance_id)
        waiting = list(zip(others, readers, strict=True))
        while waiting:
            for server, reader in list(waiting):
                status, _ = reader.ask(get(server.host, f"/eureka/apps/{one.app}/{instance_id}", gzip=False))
                if status == 200:
                    lags.append((time.monotonic() - begun) * 1000)
                    waiting.remove((server, reader))
                elif status != 404:
                    raise AnswerWasAnError(f"lookup by id answered {status}")
            if time.monotonic() - begun > 30:
                raise AnswerWasAnError(f"{instance_id} not at a peer after 30 s")
    return summary(lags)


def first_with(answers, marker):
    """Index of the first answer that holds the marker, or None. Once there, it stays."""
    low, high = 0, len(answers)
    while low < high:
        middle = (low + high) // 2
        if marker in inflate(answers[middle][1]):
            high = middle
        else:
            low = middle + 1
    return low if low < len(answers) else None


def full_fetch(reader, server):
    status, body = reader.ask(get(server.host, "/eureka/apps/"))
    if status != 200:
        raise AnswerWasAnError(f"full fetch answered {status}")
    return time.monotonic(), body


def lag_in_full_fetch(servers, fleet, samples):
    """The same in the full fetch of the other members in turn, with gzip.

    Answers are kept while they come and searched afterwards: inflating 11 MB takes longer than the
    lag that is measured.
    """
    first, others = servers[0], servers[1:]
    writer, readers = Connection(first), [Connection(server) for server in others]
    lags, dice = [], random.Random(5)
    for number in range(samples):
        one = fleet.instance(dice.randrange(fleet.count))
        marker = f"lag-in-full-{number}-"
        turn = number % len(others)
        begun = time.monotonic()
        register_one(writer, first, one, fleet.stamp, marker)
        found = None
        while found is None:
            answers, until = [], time.monotonic() + 0.03
            while not answers or time.monotonic() < until:
                answers.append(full_fetch(readers[turn], others[turn]))
            found = first_with(answers, marker.encode())
            if found is None and time.monotonic() - begun > 60:
                raise AnswerWasAnError(f"{marker} not in a peer's full fetch after 60 s")
        lags.append((answers[found][0] - begun) * 1000)
    # Within the lag, the time to fetch: what could be seen sooner only with a faster reader.
    begun = time.monotonic()
    for _ in range(20):
        full_fetch(readers[0], others[0])
    return summary(lags) | {"fetch_ms": (time.monotonic() - begun) * 1000 / 20}


def lag_in_cached_fetch(servers, fleet, samples):
    """For the Java server, whose full fetch is up to 30 s old: all samples at once, over ten seconds."""
    first, other = servers[0], servers[1]
    writer, reader = Connection(first), Connection(other)
    begun, lags, number = {}, [], 0
    deadline = time.monotonic() + 75
    while len(lags) < samples and time.monotonic() < deadline:
        if number < samples:
            one = fleet.instance(number * 17 % fleet.count)
            name = f"lag-in-full-{number}-"
            begun[name] = time.monotonic()
            register_one(writer, first, one, fleet.stamp, name)
            number += 1
        came, body = full_fetch(reader, other)
        text = inflate(body)
        seen = [name for name in begun if name.encode() in text]
        lags.extend((came - begun.pop(name)) * 1000 for name in seen)
        time.sleep(10 / samples)
    if not lags:
        raise AnswerWasAnError("no registration was seen in the peer's full fetch")
    return summary(lags)


def measure(kind, addresses, effort):
    """Lag in a cluster at these addresses with 10,000 instances."""
    servers = cluster(kind, addresses)
    try:
        fleet = Fleet(INSTANCES)
        begun = time.monotonic()
        register_all(servers[0], fleet)
        out = {"members": len(servers), "seen": wait_for_copy(servers, INSTANCES),
               "copy_seconds": time.monotonic() - begun}
        # The Java server drops what does not fit its queue; only ours is held to all of them.
        if kind.kind == "ours" and out["seen"] != [INSTANCES] * len(servers):
            raise AnswerWasAnError(f"members show {out['seen']} of {INSTANCES} instances")
        out["by_id"] = lag_by_id(servers, fleet, effort.lag_samples)
        if kind.kind == "java":
            out["in_full"] = lag_in_cached_fetch(servers, fleet, 20 if effort.quick else 50)
        else:
            out["in_full"] = lag_in_full_fetch(servers, fleet, effort.lag_samples)
        return out
    finally:
        for server in servers:
            server.stop()


def heartbeat_with_peer(kind, addresses, effort):
    """Heartbeats at one of two members: processor time there, and at the peer they are passed on to.

    At full speed, as the goal was measured, and at the 3,333 a second of 100,000 clients: at full speed a
    heartbeat may be overtaken by the next of the same instance and never be sent.
    """
    servers = cluster(kind, addresses)
    try:
        fleet = Fleet(INSTANCES)
        register_all(servers[0], fleet)
        wait_for_copy(servers, INSTANCES)
        with Plan((1, cases.renewals(servers[0], fleet))) as plan:
            found = cases.drive(servers[0], effort, plan, others=servers[1:])
            found["paced"] = cases.drive(servers[0], effort, plan, connections=100, pause_ms=30, others=servers[1:])
            return found
    finally:
        for server in servers:
            server.stop()
