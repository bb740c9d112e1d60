"""Processes that end, freeze, and come back."""

import asyncio

from . import scenario


@scenario(seconds=75, short=True)
async def restarts_beside_dead_instances(lab):
    """Sixteen instances die one after the other while one replica is killed and started every 4 s. Each has to go everywhere,
    once and for ever."""
    first, second, restarted = await lab.cluster(3)
    crowd = await lab.crowd(60, homes=[first, second])
    lab.watch(first, second)
    await lab.sleep(3)

    async def dying():
        for client in crowd[:16]:
            client.die()
            await asyncio.sleep(0.5)

    lab.background(dying())
    lab.mark("the first instance died")
    for _ in range(13):
        await restarted.restart()
        await lab.sleep(4)
    lab.truthful()
    lab.matching()
    lab.mark("the last restart")
    await lab.agree(what="the last restart")


@scenario(seconds=90, weight=2)
async def twenty_kills_under_load(lab):
    """Twenty times one of three replicas is killed and started, while 90 instances renew and another registers every 100 ms.
    What was there before may be missing in no answer, and in the end everything has to be everywhere."""
    replicas = await lab.cluster(3)
    crowd = await lab.crowd(90)
    lab.watch()
    joining = asyncio.Event()

    async def join():
        while not joining.is_set():
            client = lab.client(lab.random.choice(replicas))
            if await client.register():
                client.start(client.lease[0])
            await asyncio.sleep(0.1)

    task = lab.background(join())
    slowest = 0.0
    for number in range(20):
        victim = replicas[lab.random.randrange(3)]
        await victim.kill()
        lab.mark(f"kill {number + 1}, of {victim}")
        await lab.sleep(lab.random.uniform(0.1, 1.0))
        victim.start()
        slowest = max(slowest, await victim.ready())
        await lab.sleep(lab.random.uniform(0.2, 1.5))
    joining.set()
    await task
    lab.mark("the last kill")
    await lab.sleep(3)
    await lab.agree(what="three seconds after the last kill")
    lab.figures["slowest start"] = f"{slowest:.1f} s"
    lab.figures["instances"] = len(lab.clients)
    lab.none("absent", clients=crowd)
    lab.none("wrong", clients=crowd)


@scenario(seconds=40, short=True)
async def all_killed_at_once(lab):
    """All three are killed at once and started again. Readers of deltas keep all 60 instances that go on renewing until a
    full fetch has all of them again."""
    replicas = await lab.cluster(3, "--eureka.server.expected-client-renewal-interval-seconds=3")
    await lab.crowd(60)
    # A reader of full fetches alone would be new to the registry; these knew it.
    lab.watch(whole=False)
    await lab.sleep(4)
    await asyncio.gather(*(replica.kill() for replica in replicas))
    lab.mark("the kills")
    for replica in replicas:
        replica.start()
    await lab.sleep(10)
    partial = [(at, held, one) for one in lab.followers for at, held in one.partial]
    lab.figures["looks with a part"] = len(partial)
    for at, held, one in partial[:3]:
        lab.must(False, f"a reader of deltas at {one.replica} held {held} of 60, {lab.after(at)}")
    await lab.agree(20, what="ten seconds after the kills")


@scenario(seconds=50)
async def frozen_replica(lab):
    """registry-2 is stopped (SIGSTOP) for 20 s, longer than twice a lease, and goes on. Meanwhile one instance is cancelled, one
    dies and one registers. It may take up to 6 s to show that, but no instance that lives may be missing."""
    replicas = await lab.cluster(3)
    crowd = await lab.crowd(60)
    lab.watch()
    await lab.sleep(3)
    replicas[2].freeze()
    lab.mark("the freeze")
    await lab.sleep(2)
    lab.must(await crowd[0].cancel(replicas[0]), "a cancellation was not taken")
    crowd[1].die()
    joining = lab.client(replicas[1])
    await joining.register()
    joining.start()
    await lab.sleep(18)
    replicas[2].thaw()
    thawed = lab.mark("it went on")
    await lab.agree(what="it went on")
    await lab.sleep(10)

    def explained(fault):
        return fault.replica is replicas[2] and fault.last <= thawed + 6 and (fault.kind == "lingers" or fault.client is joining)

    lab.truthful(unless=explained)
    lab.matching()


@scenario(seconds=60, short=True)
async def three_to_five_to_one(lab):
    """By names, three replicas become five and then one, one at a time, told to stop as Kubernetes does."""
    replicas = await lab.cluster(3, "--registry.shutdown.lame-duck=2s")
    await lab.crowd(60)
    lab.watch()
    for number in (3, 4):
        joining = await lab.replica(number, *replicas[0].arguments[2:])
        joining.start()
        took = await joining.ready()
        lab.figures[f"{joining} opened after"] = f"{took:.1f} s"
        lab.mark(f"{joining} opened")
        lab.replicas.append(joining)
        lab.watch(joining)
        await lab.sleep(3)
    await lab.until("five replicas to know all instances", lab.all_known, 30)
    while len(lab.replicas) > 1:
        leaving = lab.replicas.pop()
        lab.withdraw(lab.zone, "registry.lab.test", lab.host_name(len(lab.replicas)))
        lab.mark(f"{leaving} was told to stop")
        await leaving.terminate()
        await lab.sleep(1)
    await lab.sleep(14)
    lab.truthful()
    lab.matching()
    await lab.agree(what="the last was told to stop")


@scenario(seconds=45, java=True, short=False)
async def killed_for_a_while(lab):
    """registry-1 is killed for 8 s and comes back; what was registered and cancelled meanwhile has to be so there, too."""
    replicas = await lab.cluster(3)
    crowd = await lab.crowd(60)
    lab.watch(replicas[0], replicas[2])
    await lab.sleep(3)
    await replicas[1].kill()
    lab.mark("the kill")
    await lab.sleep(4)
    lab.must(await crowd[0].cancel(replicas[0]), "a cancellation was not taken")
    joining = lab.client(replicas[2])
    lab.must(await joining.register(), "a registration was not taken")
    joining.start()
    await lab.sleep(4)
    replicas[1].start()
    lab.figures["opened after"] = f"{await replicas[1].ready():.1f} s"
    lab.mark("it came back")
    await lab.agree(what="it came back")
    await lab.sleep(4)
    lab.truthful()
