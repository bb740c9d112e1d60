"""False announcements, and answers of something that is not a replica: they must not be trusted."""

import asyncio
import contextlib

from lab.http import NoAnswer
from lab.liar import OK, Liar, empty
from lab.names import Zone
from lab.replica import PORT, SERVICE

from . import scenario

NEWCOMER = "X-Eureka-Registry-Newcomer"
PASSWORD = ["--registry.discovery.username=peer", "--registry.discovery.password=secret"]


async def announce(replicas, *urls):
    """A HEAD request with the header of an announcement, which anybody can send."""
    for replica in replicas:
        for url in urls:
            with contextlib.suppress(NoAnswer):
                await replica.caller.call("HEAD", "/eureka/apps/delta", headers={NEWCOMER: url})


async def joined(lab, replicas, lag=0):
    """registry-2 starts, and instances that renew at registry-0 have to be there, and stay. `lag`: so many seconds the
    others' names do not list it, which must not matter: it has announced itself."""
    if lag:
        for one in replicas:
            one.zone = Zone()
            one.zone.services[SERVICE] = list(lab.zone.services[SERVICE])
            one.zone.hosts = lab.zone.hosts
    third = await lab.replica(2)
    third.start()
    await third.ready(15)
    lab.mark("registry-2 started")
    lab.replicas = [*replicas, third]
    client = lab.client(replicas[0], fallback=False)
    await client.register()
    client.start()
    await lab.agree(2.5 if lag else 6, what="a registration at registry-0")
    lab.watch(third)
    await lab.sleep(max(lag, 20))
    for one in replicas:
        one.zone = lab.zone
    await lab.sleep(2)
    lab.truthful()


@scenario(seconds=35, short=True)
async def announced_with_a_wrong_port(lab):
    """Somebody announces registry-2 with a wrong port before it exists. The real one has to be replicated to."""
    replicas = await lab.cluster(2)
    wrong = f"http://{lab.host_name(2)}:23999/eureka/"

    async def again():
        while True:
            await announce(replicas, wrong)
            await asyncio.sleep(0.5)

    lying = lab.background(again())
    await lab.sleep(2)
    try:
        await joined(lab, replicas)
    finally:
        lying.cancel()


@scenario(seconds=35)
async def hundred_invented_names(lab):
    """Somebody announces 150 names that do not exist. The real registry-2 has to be replicated to when it comes."""
    replicas = await lab.cluster(2)
    await announce(replicas, *(f"http://registry-{number}.{SERVICE}:{PORT}/eureka/" for number in range(100, 250)))
    await lab.sleep(1)
    await joined(lab, replicas, lag=24)


async def beside_a_liar(lab, answer, **more):
    """registry-0 starts, and registry-1 is something that answers what it likes; `elsewhere` is outside the Service."""
    elsewhere = await Liar(lab, "elsewhere", empty).listen()
    liar = await Liar(lab, "liar", answer(elsewhere)).listen()
    lab.zone.hosts["elsewhere.attacker.test"] = [elsewhere.address]
    replica = await lab.replica(0, *PASSWORD, "--registry.sync.timeout=5s")
    replica.start()
    return replica, liar, elsewhere


async def opens(lab, replica, seconds):
    try:
        lab.figures["opened after"] = f"{await replica.ready(seconds):.1f} s"
    except TimeoutError as error:
        lab.must(False, str(error))


@scenario(seconds=20, short=True)
async def peers_named_elsewhere(lab):
    """A starting replica's peer names others by a header: one outside the Service, by name and by address. They must not be
    called, nor get the peers' password, and the port has to open when the copy's time is over."""

    def answer(elsewhere):
        numbers = iter(range(1_000_000))

        def say(_):
            number = next(numbers)
            urls = f"http://{elsewhere.address}:{PORT}/{number}/eureka/,http://elsewhere.attacker.test:{PORT}/{number}/eureka/"
            return OK + f"X-Eureka-Registry-Peers: {urls}\r\nContent-Length: 0\r\n\r\n".encode()

        return say

    replica, liar, elsewhere = await beside_a_liar(lab, answer)
    lab.publish(lab.zone, SERVICE, lab.host_name(1), liar.address)
    await opens(lab, replica, 15)
    await lab.sleep(4)
    outside(lab, elsewhere)


def outside(lab, elsewhere):
    lab.figures["calls outside the Service"] = len(elsewhere.heads)
    lab.figures["with the password"] = elsewhere.with_password()
    lab.must(not elsewhere.heads, f"{len(elsewhere.heads)} calls went outside the Service, {elsewhere.with_password()} with the password")


@scenario(seconds=15)
async def srv_target_elsewhere(lab):
    """An SRV record of the Service names a host outside of it. It must not be called, nor get the password."""
    replica, _, elsewhere = await beside_a_liar(lab, lambda _: empty)
    lab.zone.services[SERVICE].append(("elsewhere.attacker.test", PORT))
    await opens(lab, replica, 15)
    await lab.sleep(4)
    outside(lab, elsewhere)


@scenario(seconds=20, short=True)
async def answer_without_end(lab):
    """A peer answers without end. The replica has to open all the same, and to stay small."""
    replica, liar, _ = await beside_a_liar(lab, lambda _: lambda _: None)
    lab.publish(lab.zone, SERVICE, lab.host_name(1), liar.address)
    opening = lab.background(opens(lab, replica, 25))
    most = 0
    for _ in range(60):
        most = max(most, replica.memory_mb())
        await asyncio.sleep(0.2)
        if most > 1500:
            break
    lab.figures["most memory"] = f"{most:.0f} MB"
    lab.must(most < 128, f"it took {most:.0f} MB")
    await opening
