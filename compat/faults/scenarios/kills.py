"""Processes that end, freeze, and come back."""

import asyncio

from . import scenario

# Twice a lease of 6 s, a look for expired leases, and a second to see it.
EVICTED = 14


@scenario(seconds=75, short=True)
async def restarts_beside_a_dead_instance(lab):
    """An instance dies while one replica is killed and started every 4 s. It has to go everywhere, once and for ever."""
    first, second, restarted = await lab.cluster(3)
    crowd = await lab.crowd(60, homes=[first, second])
    lab.watch(first, second)
    await lab.sleep(3)
    crowd[0].die()
    lab.mark("the instance's last renewal")
    for _ in range(12):
        await restarted.restart()
        await lab.sleep(4)
    lab.truthful(replicas=[first, second])
    lab.matching()
    lab.mark("the last restart")
    await lab.agree()
