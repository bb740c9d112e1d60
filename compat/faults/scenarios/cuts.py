"""Cuts of the network between replicas, whole and one-way, loss and delay."""

from . import scenario


@scenario(seconds=60, short=True, java=True)
async def calls_one_way(lab):
    """registry-2 can call neither of the others, they can call it, for 45 s. Instances renew at all three; whoever renews
    anywhere has to be shown everywhere."""
    replicas = await lab.cluster(3)
    await lab.crowd(60)
    lab.watch()
    await lab.sleep(2)
    lab.switch.cut_calls(replicas[2], replicas)
    lab.mark("the calls were cut")
    await lab.sleep(45)
    lab.switch.heal()
    healed = lab.mark("the heal")
    await lab.sleep(6)
    lab.none("absent", figure="absences", longest=0)
    lab.truthful(since=healed + 1)
    lab.matching()
    await lab.agree()
