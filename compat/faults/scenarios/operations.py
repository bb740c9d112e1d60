"""Commands given on two sides of a cut: the later one has to win, everywhere."""

import asyncio

from . import scenario


@scenario(seconds=25, short=True, java=True)
async def overrides_in_a_cut(lab):
    """In a cut of 3 s an override is removed on one side and set to DOWN on the other a little later, 8 times; and the
    other way round, 8 times. The later command has to hold."""
    first, second, third = await lab.cluster(3)
    crowd = await lab.crowd(16)
    for client in crowd:
        await client.override("OUT_OF_SERVICE")
    await lab.agree(what="the first override")
    lab.switch.cut(second, [first, third])
    lab.mark("the cut")
    for number, client in enumerate(crowd):
        sides = (first, second) if number % 4 < 2 else (second, first)
        steps = [client.remove_override, lambda at, client=client: client.override("DOWN", at)]
        for step, side in zip(steps if number % 2 else reversed(steps), sides):
            lab.must(await step(side), f"{side} did not take a command for {client}")
            await asyncio.sleep(0.05)
    await lab.sleep(1.2)
    lab.switch.heal()
    lab.mark("the heal")
    lost = await lab.agree()
    lab.figures["different or wrong"] = f"{len(lost)} of 16"
