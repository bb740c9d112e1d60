"""Replicas that start: they open with the whole registry, or stay closed."""

import asyncio

from lab.names import Zone

from . import scenario

INSTANCES = 100
# How long the peers cannot be found; less than any replica waits.
SECONDS = 8
# Longer than a replica of version 0.1 waited, and shorter than `registry.sync.timeout`.
LONG = 24


async def start(lab, spoil, mend, within=6.0, lasts=SECONDS):
    """registry-2 is killed and started while `spoil` holds. It may refuse; what it answers has to be whole."""
    replicas = await lab.cluster(3)
    await lab.crowd(INSTANCES, homes=replicas[:2])
    restarted = replicas[2]
    await restarted.kill()
    spoil(replicas)
    lab.watch(restarted, deltas=False)
    restarted.start()
    lab.mark("the start")
    await lab.sleep(lasts)
    opened = [at for at, shown in lab.watches[0].looks if shown is not None]
    mend(replicas)
    mended = lab.mark("the cause was gone")
    while not opened and lab.now() < mended + within:
        await asyncio.sleep(0.05)
        opened = [at for at, shown in lab.watches[0].looks if shown is not None]
    lab.figures["opened after"] = f"{opened[0] - restarted.started:.1f} s" if opened else "never"
    first = next((shown for _, shown in lab.watches[0].looks if shown is not None), None)
    lab.figures["first answer"] = f"{first} of {INSTANCES}"
    lab.must(opened, f"{restarted} was still closed {within} s after the cause was gone")
    lab.must(first == INSTANCES, f"the first answer of {restarted} had {first} of {INSTANCES} instances")
    await lab.sleep(2)
    lab.none("absent")


@scenario(seconds=25, short=True)
async def start_while_peers_time_out(lab):
    """A replica restarts while packets to its peers' addresses vanish."""
    await start(lab, lambda replicas: lab.switch.cut(replicas[2], replicas), lambda _: lab.switch.heal())


@scenario(seconds=25)
async def start_far_from_the_peers(lab):
    """A replica restarts 600 ms away from its peers, so that a connection takes more than its second; after 8 s they are 300 ms away."""

    def spoil(replicas):
        lab.switch.everywhere(replicas, delay=(0.6, 0.6))

    def mend(replicas):
        lab.switch.everywhere(replicas, delay=(0.3, 0.3))

    await start(lab, spoil, mend, within=12)


@scenario(seconds=25)
async def start_with_only_itself_listed(lab):
    """A replica restarts and the names list itself alone, as they do where the others are not ready at that moment."""

    def spoil(replicas):
        zone = Zone()
        lab.publish(zone, "registry.lab.test", lab.host_name(2), replicas[2].address)
        replicas[2].zone = zone

    def mend(replicas):
        replicas[2].zone = lab.zone

    await start(lab, spoil, mend)


def names(mode):
    def spoil(replicas):
        replicas[2].zone = Zone()
        replicas[2].zone.mode = mode

    return spoil


@scenario(seconds=25, short=True)
async def start_before_the_name_exists(lab):
    """A replica restarts and its Service's name does not exist (NXDOMAIN) yet."""

    def mend(replicas):
        replicas[2].zone = lab.zone

    await start(lab, names("nxdomain"), mend)


@scenario(seconds=40)
async def start_while_names_are_silent(lab):
    """A replica restarts while the name server does not answer."""

    def mend(replicas):
        replicas[2].zone = lab.zone

    await start(lab, names("silent"), mend, lasts=LONG)


@scenario(seconds=40)
async def start_while_names_fail(lab):
    """A replica restarts while the name server answers SERVFAIL."""

    def mend(replicas):
        replicas[2].zone = lab.zone

    await start(lab, names("servfail"), mend, lasts=LONG)


@scenario(seconds=12, short=True)
async def first_installation(lab):
    """Three replicas start at once without a registry to copy. They must not wait for one another."""
    replicas = [await lab.replica(number) for number in range(3)]
    for replica in replicas:
        replica.start()
    opened = [await replica.ready() for replica in replicas]
    lab.replicas = replicas
    lab.figures["all open after"] = f"{max(opened):.1f} s"
    # The shortest of all waits for others is eight seconds.
    lab.must(max(opened) < 8, f"an empty first installation took {max(opened):.1f} s to open")
    lab.must(await lab.client(replicas[0]).register(replicas[0]), "a registration was not taken")
    await lab.agree(what="a registration")
