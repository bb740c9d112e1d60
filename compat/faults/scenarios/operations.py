"""Commands given on two sides of a cut: the later one has to win, everywhere."""

import asyncio

from . import scenario

# An instance that does not renew while the scenario lasts: only replicas can set it right.
SILENT = {"live": False, "lease": (30, 90)}


async def begin(lab, size, **crowd):
    replicas = await lab.cluster(3)
    return *replicas, await lab.crowd(size, **crowd)


async def heal(lab, after, total):
    """Heals the cut and counts the instances that are not as the last command says."""
    await lab.sleep(after)
    lab.switch.heal()
    lab.mark("the heal")
    wrong = await lab.agree()
    lab.figures["different or wrong"] = f"{len(wrong)} of {total}"


async def take(lab, command, side):
    lab.must(await command(side), f"{side} did not take a command")
    await asyncio.sleep(0.05)


@scenario(seconds=25, short=True, java=True)
async def overrides_in_a_cut(lab):
    """In a cut of 3 s an override is removed on one side and set to DOWN on the other a little later, 8 times; and the
    other way round, 8 times. The later command has to win."""
    first, second, third, crowd = await begin(lab, 16)
    for client in crowd:
        await client.override("OUT_OF_SERVICE")
    await lab.agree(what="the first override")
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        sides = (first, second) if number % 4 < 2 else (second, first)
        steps = [client.remove_override, lambda at, client=client: client.override("DOWN", at)]
        for step, side in zip(steps if number % 2 else reversed(steps), sides, strict=True):
            await take(lab, step, side)
    await heal(lab, 1, 16)
    # A later removal cures whatever is left.
    for client in crowd:
        await client.remove_override(first)
    await lab.sleep(2.5)
    left = await lab.agree(what="all overrides were removed")
    lab.figures["not cured"] = len(left)


@scenario(seconds=25, short=True, java=True)
async def cancelled_and_registered_again(lab):
    """In a cut an instance is cancelled on one side and registers again with newer data on the other (204), 8 times. It has
    to be everywhere after the heal without another heartbeat."""
    first, second, third, crowd = await begin(lab, 8, **SILENT)
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        sides = (first, second) if number % 2 else (second, first)
        await take(lab, client.cancel, sides[0])
        await take(lab, lambda at, client=client: client.register(at, again=True), sides[1])
    await heal(lab, 2, 8)


@scenario(seconds=25, java=True)
async def registered_and_cancelled(lab):
    """The other way round: an instance registers again on one side and is cancelled on the other afterwards. It has to be gone."""
    first, second, third, crowd = await begin(lab, 8, **SILENT)
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        sides = (first, second) if number % 2 else (second, first)
        await take(lab, lambda at, client=client: client.register(at, again=True), sides[0])
        await take(lab, client.cancel, sides[1])
    await heal(lab, 2, 8)


@scenario(seconds=25, short=True, java=True)
async def metadata_on_both_sides(lab):
    """In a cut the same key of an instance's metadata is changed on one side and later on the other, 8 times. The later value
    has to be everywhere."""
    first, second, third, crowd = await begin(lab, 8)
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        sides = (first, second) if number % 2 else (second, first)
        for value, side in zip(("early", "late"), sides, strict=True):
            await take(lab, lambda at, client=client, value=value: client.set_metadata("color", value, at), side)
    await heal(lab, 2, 8)


@scenario(seconds=45, java=True)
async def metadata_in_a_long_cut(lab):
    """Metadata is changed on one side of a cut that lasts longer than the change waits for the peer."""
    first, second, third, crowd = await begin(lab, 8, **SILENT)
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        side = first if number % 2 else second
        await take(lab, lambda at, client=client: client.set_metadata("color", "late", at), side)
    await heal(lab, 34, 8)
