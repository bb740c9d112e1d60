"""Cuts of the network between replicas, whole and one-way, loss and delay."""

import asyncio

from . import scenario

PRESERVE = ["--eureka.server.enable-self-preservation=true", "--registry.self-preservation.mode=java"]
OFTEN = "--eureka.server.expected-client-renewal-interval-seconds=2"


async def cut(lab, seconds):
    """registry-2 is cut off. What renews on the other side of the cut is rightly given up there after twice its lease."""
    replicas = await lab.cluster(3)
    crowd = await lab.crowd(60)
    lab.watch()
    await lab.sleep(3)
    lab.switch.cut(replicas[2], replicas)
    begun = lab.mark("the cut")
    await lab.sleep(seconds / 2)
    sides = (replicas[0], replicas[2])
    # Of each side's own, one is cancelled there and one is new.
    for side, leaving in zip(sides, (crowd[0], crowd[2]), strict=True):
        lab.must(await leaving.cancel(side), f"{side} did not take a cancellation")
        joining = lab.client(side, f"joining-{side}")
        lab.must(await joining.register(side), f"{side} did not take a registration")
        joining.start()
    await lab.sleep(seconds / 2)
    lab.switch.heal()
    healed = lab.mark("the heal")
    await lab.agree()
    await lab.sleep(6)

    def explained(fault):
        across = (fault.replica is replicas[2]) != (fault.client.home is replicas[2])
        return across and begun <= fault.first and fault.last <= healed + 6

    lab.truthful(unless=explained)
    if seconds < 12:
        lab.none("absent", figure="absences of what was there before", clients=crowd)
    lab.matching()


@scenario(seconds=20, short=True, java=True)
async def cut_of_3_s(lab):
    """registry-2 is cut off for 3 s, 60 instances renew at all three; on either side one is cancelled and one registers."""
    await cut(lab, 3)


@scenario(seconds=40, java=True)
async def cut_longer_than_a_lease(lab):
    """The same for 20 s, after which both sides have evicted each other's instances."""
    await cut(lab, 20)


@scenario(seconds=50, java=True)
async def cut_of_30_s(lab):
    """The same for 34 s, longer than a change is kept for a peer that does not answer."""
    await cut(lab, 34)


async def cancelled_in_a_long_cut(lab, preserving):
    replicas = await lab.cluster(3, OFTEN)
    for replica in replicas if preserving == "everywhere" else replicas[2:]:
        replica.arguments += PRESERVE
        await replica.restart()
        await replica.ready()
    await lab.crowd(27, homes=replicas[:2])
    # In an application of their own: nothing else about it makes replicas compare it.
    leaving = await lab.crowd(3, homes=replicas[:2], app="LEAVING")
    lab.watch()
    await lab.sleep(2)
    lab.switch.cut(replicas[2], replicas)
    lab.mark("the cut")
    await lab.sleep(4)
    for client in leaving:
        lab.must(await client.cancel(replicas[0]), "a cancellation was not taken")
    await lab.sleep(38)
    lab.switch.heal()
    healed = lab.mark("the heal")
    await lab.agree()
    await lab.sleep(10)
    lab.truthful(unless=lambda fault: fault.replica is replicas[2] and fault.last <= healed + 6)


@scenario(seconds=65)
async def cancelled_in_a_long_cut_preserved_there(lab):
    """Three instances are cancelled at registry-0 while registry-2, which preserves itself, is cut off for 42 s: longer than a
    change is kept for a peer, and than any lease. They have to go at registry-2 after the heal."""
    await cancelled_in_a_long_cut(lab, "there")


@scenario(seconds=65)
async def cancelled_in_a_long_cut_preserved_everywhere(lab):
    """The same with self-preservation on at all three, by the Java server's arithmetic."""
    await cancelled_in_a_long_cut(lab, "everywhere")


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
    await lab.sleep(40)
    lab.switch.heal()
    lab.mark("the heal")
    await lab.sleep(6)
    lab.truthful()
    lab.matching()
    await lab.agree()


async def cancelled_on_bad_lines(lab, **quality):
    """Instances are cancelled at another replica than they renew at, just after a heartbeat that is still on its way."""
    replicas = await lab.cluster(3)
    crowd = await lab.crowd(72)
    lab.settle = 5.0
    lab.watch(deltas=False)
    await lab.sleep(2)
    lab.switch.everywhere(replicas, **quality)
    lab.mark("the lines became bad")
    await lab.sleep(3)
    for number, client in enumerate(crowd[:48]):
        client.task.cancel()
        await client.renew()
        other = replicas[(number + 1 + number // 3 % 2) % 3]
        await asyncio.sleep(lab.random.uniform(0, 0.3))
        lab.must(await client.cancel(other), f"{other} did not take a cancellation")
    lab.mark("the last of 48 cancellations")
    await lab.sleep(12)
    lab.switch.heal()
    lab.mark("the heal")
    await lab.agree()
    lab.figures["cancelled"] = 48
    lab.none("revived")
    lab.none("absent")


@scenario(seconds=40, short=True)
async def delay_of_200_to_400_ms(lab):
    """Packets between replicas take 200 to 400 ms. 48 of 72 instances are cancelled; none may come back."""
    await cancelled_on_bad_lines(lab, delay=(0.2, 0.4))


@scenario(seconds=40)
async def loss_of_a_fifth(lab):
    """Every fifth packet between replicas is lost. 48 of 72 instances are cancelled; none may come back."""
    await cancelled_on_bad_lines(lab, loss=0.2)
