"""What a request costs beside the bare handler's, in rounds that alternate: so both have the same machine, however busy it is."""

import statistics

import cases
import instances
import servers
from load import Plan, register_all

# In a round each case runs once at either server, for a second. The median of the rounds' ratios counts: many short rounds, since what
# else the machine does changes from second to second.
ROUNDS = 15


def measure(effort):
    """By case, how many times the bare handler's processor time ours takes. A registration is held against a bare heartbeat."""
    fleet = instances.Fleet(10_000)
    rounds = 2 if effort.quick else ROUNDS
    once = cases.Effort(effort.quick, rounds=1, seconds=1)
    with servers.Ours() as ours:
        register_all(ours, fleet)
        cases.wait_until_visible(ours, fleet.count)
        document = len(cases.Connection(ours).ask(instances.get(ours.host, "/eureka/apps/"))[1])
        with servers.Bare(document) as bare:
            # The first round warms up.
            found = [one_round(ours, bare, fleet, once) for _ in range(1 + rounds)][1:]
            grown = growing(bare, once, rounds)
    beside = {name: summary([one[name] for one in found]) for name in found[0]}
    return {**beside, "register_new": summary(grown)}


def one_round(ours, bare, fleet, effort):
    """A heartbeat and a full fetch, at one server and at the other."""
    beats = [cpu(server, effort, cases.renewals(server, fleet)) for server in (bare, ours)]
    fetches = [cpu(server, effort, [instances.get(server.host, "/eureka/apps/")], connections=8) for server in (bare, ours)]
    return {"heartbeat": tuple(beats), "full_gzip": tuple(fetches)}


def growing(bare, effort, rounds):
    """New registrations, by which a registry grows from nothing, beside heartbeats of the bare handler."""
    fleet, found = instances.Fleet(10_000), []
    with servers.Ours() as ours:
        for _ in range(rounds):
            beat = cpu(bare, effort, cases.renewals(bare, fleet))
            new = [one.register(ours.host, instances.STAMP, instance_id=f"{one.vip}:{instances.NEW_ID}")
                   for one in fleet.sample(10_000)]
            found.append((beat, cpu(ours, effort, new)))
    return found


def cpu(server, effort, requests, connections=32):
    """Processor time of one request, in microseconds."""
    with Plan((1, requests)) as plan:
        return cases.one_round(server, effort, plan, connections, 0, ())["cpu_us"]


def summary(pairs):
    ratios = sorted(ours / bare for bare, ours in pairs)
    return {"ratio": statistics.median(ratios), "ratio_range": [ratios[0], ratios[-1]], "rounds": len(pairs),
            "bare_us": statistics.median(bare for bare, _ in pairs), "ours_us": statistics.median(ours for _, ours in pairs)}
