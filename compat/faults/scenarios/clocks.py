"""Clocks that differ, and clocks that step."""

import time

from . import scenario

HOUR = 3600


async def ahead(lab, replica):
    """By how many seconds a replica's clock is ahead, by what it says of a registration that is removed again."""
    client = lab.client(replica, f"clock-of-{replica}", fallback=False)
    lab.clients.remove(client)
    before = time.time()
    await client.register(replica)
    answer = await replica.caller.call("GET", client.path)
    await client.cancel(replica)
    return int(answer.json()["instance"]["leaseInfo"]["registrationTimestamp"]) / 1000 - before


async def has_clock(lab, replica, clock):
    """The replica's clock is so many seconds ahead: a scenario whose clocks do not move would show nothing."""
    measured = await ahead(lab, replica)
    if abs(measured - clock) > 5:
        raise SystemExit(
            f"libfaketime has no effect on {replica}: its clock is {measured:+.0f} s ahead, not {clock:+d}. "
            "A static binary cannot be tested."
        )


async def shifted(lab, *seconds, monotonic=False):
    replicas = [await lab.replica(number) for number in range(len(seconds))]
    for replica, clock in zip(replicas, seconds, strict=True):
        replica.start(clock=clock, monotonic=monotonic)
    for replica in replicas:
        await replica.ready()
    lab.replicas = replicas
    for replica, clock in zip(replicas, seconds, strict=True):
        await has_clock(lab, replica, clock)
    await lab.sleep(2)
    return replicas


@scenario(seconds=60, short=True)
async def clocks_an_hour_apart(lab):
    """Three replicas whose clocks are an hour behind, right, and an hour ahead, one of which restarts. Nobody who
    renews may go, who dies or is cancelled has to, and of two commands given one after the other the later holds."""
    replicas = await shifted(lab, -HOUR, 0, HOUR)
    crowd = await lab.crowd(30)
    lab.watch(deltas=False)
    await lab.sleep(2)
    crowd[0].die()
    lab.mark("an instance died")
    lab.must(await crowd[1].cancel(replicas[0]), "a cancellation was not taken")
    await lab.sleep(2)
    await replicas[2].restart(clock=HOUR)
    await replicas[2].ready()
    lab.mark("registry-2 restarted")
    await lab.sleep(16)
    # What was acknowledged at one is known to all when the next is given: the later is later, whatever the clocks say.
    for number, client in enumerate(crowd[2:8]):
        lab.must(await client.override("DOWN", replicas[number % 3]), "a command was not taken")
        await lab.known(client)
        lab.must(await client.remove_override(replicas[(number + 1) % 3]), "a command was not taken")
    await lab.sleep(1)
    lab.truthful()
    await lab.agree(what="the last command")


@scenario(seconds=25)
async def commands_in_a_cut_with_wrong_clocks(lab):
    """As overrides-in-a-cut, while the clocks of the two sides are an hour apart: the later of two commands has to hold, whichever
    side's clock is ahead."""
    first, second, third = await shifted(lab, -HOUR, HOUR, 0)
    crowd = await lab.crowd(8)
    await lab.sleep(3)
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        sides = (first, second) if number % 2 else (second, first)
        for status, side in zip(("OUT_OF_SERVICE", "DOWN"), sides, strict=True):
            lab.must(await client.override(status, side), f"{side} did not take a command")
            await lab.sleep(0.2)
    lab.switch.heal()
    lab.mark("the heal")
    lab.figures["different or wrong"] = f"{len(await lab.agree())} of 8"


@scenario(seconds=40)
async def clock_that_steps(lab):
    """The clock of one replica steps an hour ahead, and later back, while it runs. No instance may disappear."""
    replicas = await shifted(lab, 0, 0, 0)
    crowd = await lab.crowd(30)
    lab.watch(deltas=False)
    await lab.sleep(2)
    replicas[2].step_clock(HOUR)
    lab.mark("the clock stepped ahead")
    await lab.sleep(8)
    lab.must(await crowd[0].override("DOWN", replicas[2]), "a command was not taken")
    lab.must(await crowd[1].cancel(replicas[2]), "a cancellation was not taken")
    await lab.known(crowd[0])
    replicas[2].step_clock(0)
    lab.mark("the clock stepped back")
    await lab.sleep(2)
    await crowd[0].remove_override(replicas[2])
    await lab.sleep(8)
    lab.truthful()
    await lab.agree(what="the clock was right again")


@scenario(seconds=40)
async def monotonic_clock_that_leaps(lab):
    """The monotonic clock of one replica leaps an hour ahead while it runs, as that of a process does which is restored from a
    checkpoint elsewhere. No instance may disappear, and who dies or is cancelled has to go."""
    replicas = await shifted(lab, 0, 0, 0, monotonic=True)
    crowd = await lab.crowd(30)
    lab.watch(deltas=False)
    await lab.sleep(2)
    replicas[2].step_clock(HOUR)
    lab.mark("the clock leapt ahead")
    crowd[0].die()
    lab.must(await crowd[1].cancel(replicas[2]), "a cancellation was not taken")
    lab.must(await crowd[2].override("DOWN", replicas[2]), "a command was not taken")
    await lab.known(crowd[2])
    lab.must(await crowd[2].remove_override(replicas[0]), "a command was not taken")
    await has_clock(lab, replicas[2], HOUR)
    await lab.sleep(16)
    lab.truthful()
    await lab.agree(what="the clock leapt")


@scenario(seconds=40)
async def machine_that_is_suspended(lab):
    """The machine of one replica is suspended for two leases, in which its monotonic clock stands still. Meanwhile instances come,
    die and are cancelled. When it is back it may not bring back what is gone, and nobody who lives may disappear."""
    replicas = await shifted(lab, 0, 0, 0, monotonic=True)
    crowd = await lab.crowd(30)
    lab.watch(deltas=False)
    await lab.sleep(2)
    replicas[2].freeze()
    suspended = time.monotonic()
    lab.mark("suspended")
    crowd[0].die()
    lab.must(await crowd[1].cancel(replicas[0]), "a cancellation was not taken")
    await crowd[2].override("DOWN", replicas[1])
    await lab.sleep(13)
    behind = -round(time.monotonic() - suspended)
    replicas[2].step_clock(behind)
    replicas[2].thaw()
    lab.mark("resumed")
    await lab.sleep(3)
    await has_clock(lab, replicas[2], behind)
    await crowd[2].remove_override(replicas[2])
    await lab.sleep(16)
    lab.truthful()
    await lab.agree(what="the machine was resumed")
