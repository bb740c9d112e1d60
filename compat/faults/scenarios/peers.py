"""Peers: their credentials, log lines about them, their queues, and Java servers among them."""

import asyncio
import base64
import json

from lab.replica import PORT

from . import scenario


@scenario(seconds=15, short=True)
async def users_alone(lab):
    """spring.security.user.* and nothing else: the replicas have to be one registry."""
    user = base64.b64encode(b"operator:secret").decode()
    arguments = ["--spring.security.user.name=operator", "--spring.security.user.password=secret"]
    replicas = [await lab.replica(number, *arguments, user=user) for number in range(3)]
    for replica in replicas:
        replica.start()
    await lab.one_registry(replicas)


@scenario(seconds=20, short=True)
async def what_is_said_of_a_peer(lab):
    """A peer is killed and comes back after 6 s, with nothing to tell it and with much. The log has to have one line for each."""
    replicas = await lab.cluster(2)
    await lab.crowd(20, homes=replicas[:1])
    await lab.sleep(2)
    lines = len(replicas[0].logged().splitlines())
    await replicas[1].kill()
    lab.mark("the kill")

    def said():
        """The lines about it since then."""
        return [line for line in replicas[0].logged().splitlines()[lines:] if lab.host_name(1) in line]

    async def warned():
        return any("WARN" in line and "refused" in line.lower() for line in said())

    await lab.sleep(6)
    await lab.until("a warning with the name of the killed peer, which refuses connections", warned, 30)
    gone = said()
    lab.figures["lines when it went"] = len(gone)
    lab.must(len(gone) <= 3, f"{len(gone)} lines of one peer that is gone")
    lines = len(replicas[0].logged().splitlines())
    replicas[1].start()
    await replicas[1].ready()

    async def welcomed():
        return any("INFO" in line for line in said())

    await lab.until("a line with the name of the peer that came back", welcomed, 30)
    await lab.sleep(4)
    lab.figures["when it came back"] = len(said())


@scenario(seconds=60, weight=2)
async def queue_of_a_peer_that_is_down(lab):
    """9,000 instances with long names register and are evicted, six times: three times while the peer is up, then while it is
    down. That must not take more memory for good, once what waited has expired."""
    first, second = await lab.cluster(
        2, "--eureka.server.max-time-for-replication=1000", "--eureka.server.retention-time-in-m-s-in-delta-queue=1000",
        "--eureka.server.delta-retention-timer-interval-in-ms=500", "--eureka.server.renewal-percent-threshold=0",
    )
    grown = []
    for number in range(6):
        if number == 3:
            await second.kill()
            lab.mark("the kill")
        before = first.memory_mb()
        await come_and_go(lab, first, f"{number}-", 9_000)
        grown.append(first.memory_mb() - before)
    lab.figures["grown by"] = ", ".join(f"{one:.0f}" for one in grown) + " MB"
    # The memory of instances that left grows in either case, up to a limit.
    leaked = grown[4] + grown[5] - 2 * max(grown[2], 0)
    lab.must(leaked < 20, f"{leaked:.0f} MB more for 18,000 instances that came and went while the peer was down")


async def come_and_go(lab, replica, prefix, count):
    """Registers and never renews; over when all are evicted and what waited for the peer has expired."""
    # As long as names may be: an instance is known by its application and its id.
    filler = "X" * 950
    app = f"PASSING-{filler}"
    center = {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"}
    lease = {"renewalIntervalInSecs": 1, "durationInSecs": 1}

    async def some(numbers):
        for number in numbers:
            instance = {"instanceId": f"{prefix}{number}-{filler}", "hostName": "h", "app": app, "ipAddr": "10.0.0.1",
                        "status": "UP", "dataCenterInfo": center, "leaseInfo": lease}
            answer = await replica.caller.call("POST", f"/eureka/apps/{app}", json.dumps({"instance": instance}).encode(), patience=20)
            if answer.status != 204:
                raise SystemExit(f"a registration was answered {answer.status}: {answer.body[:200]}")

    async def evicted():
        return (await replica.caller.call("GET", f"/eureka/apps/{app}")).status == 404

    await asyncio.gather(*(some(range(start, count, 16)) for start in range(16)))
    await lab.until("all of them to be evicted", evicted, 30)
    await lab.sleep(3)


@scenario(seconds=75, weight=2, needs_java=True)
async def java_peer_and_appname(lab):
    """A Java server and two of ours, eureka.instance.appname set at all: the Java server has to call both of ours available."""
    replicas = [await lab.replica(number, kind=kind, named=False) for number, kind in enumerate(("java", "ours", "ours"))]
    urls = ",".join(f"http://{one.address}:{PORT}/eureka/" for one in replicas)
    for one in replicas:
        one.arguments += [f"--eureka.client.service-url.defaultZone={urls}", "--eureka.instance.appname=discovery"]
        if one.kind == "ours":
            one.arguments += [f"--eureka.instance.hostname={one.address}", "--spring.application.name=eureka"]
        one.start()
    for one in replicas:
        await one.ready()
    listed = ""
    for _ in range(40):
        status = (await replicas[0].caller.call("GET", "/eureka/status", headers={"Accept": "application/xml"}, patience=10)).body.decode()
        listed = status.split("<available-replicas>")[-1].split("</available-replicas>")[0] if "<available-replicas>" in status else ""
        if all(one.address in listed for one in replicas[1:]):
            break
        await lab.sleep(1)
    lab.figures["available"] = sum(one.address in listed for one in replicas[1:])
    for one in replicas[1:]:
        lab.must(one.address in listed, f"the Java server does not call {one.name} ({one.address}) available: '{listed}'")


@scenario(seconds=110, weight=2, needs_java=True)
async def java_peer_through_cuts(lab):
    """A Java server is the third peer of two of ours. Cuts of 3 s and of 20 s, an instance cancelled in each. Ours have to agree
    and show nothing false; the Java server, which nothing sets right, has to show every instance that lives."""
    replicas = await lab.cluster(3, kinds=["ours", "ours", "java"])
    crowd = await lab.crowd(30)
    lab.watch(*replicas[:2])
    await lab.sleep(3)
    begun = lab.now()
    for number, seconds in enumerate((3, 20)):
        lab.switch.cut(replicas[2], replicas)
        lab.mark(f"a cut of {seconds} s")
        await lab.sleep(1)
        lab.must(await crowd[number].cancel(replicas[0]), "a cancellation was not taken")
        await lab.sleep(seconds - 1)
        lab.switch.heal()
        healed = lab.mark("the heal")
        await lab.sleep(10)
    await lab.agree(replicas=replicas[:2])

    def explained(fault):
        return fault.client.home is replicas[2] and begun <= fault.first and fault.last <= healed + 6

    lab.truthful(unless=explained)
    shown = await replicas[2].shown(10) or {}
    missing = [client for client in crowd[2:] if client.id not in shown]
    lab.figures["missing at the Java server"] = len(missing)
    lab.must(
        not missing,
        f"the Java server lacks {len(missing)} instances that live, {missing[0] if missing else ''} among them, {lab.after(lab.now())}",
    )
