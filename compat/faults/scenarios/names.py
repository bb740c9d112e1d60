"""Names that are late, wrong, doubled or missing."""

import asyncio
import socket

from lab.replica import PORT, SERVICE, Host

from . import scenario

OTHER = "registry.other.test"


@scenario(seconds=35, short=True)
async def another_registrys_address(lab):
    """For 15 s a name of one registry points at an address that belongs to another by now. Neither may take the other's instances."""
    ours = [await lab.replica(number) for number in range(2)]
    others = [await lab.replica(number, service=OTHER) for number in range(2)]
    for number, other in enumerate(others):
        other.name = f"other-{number}"
    for replica in ours + others:
        replica.start()
    for replica in ours + others:
        await replica.ready()
    lab.replicas = ours
    crowd = await lab.crowd(10, homes=ours[:1], fallback=False)
    lab.replicas, lab.clients = others, []
    await lab.crowd(10, homes=others, fallback=False, app="PAYMENTS")
    lab.clients = crowd
    name = lab.host_name(1)
    right = lab.zone.hosts[name]
    await ours[1].kill()
    lab.zone.hosts[name] = [others[0].address]
    lab.mark("the name was wrong")
    mixed = set()
    for _ in range(30):
        await lab.sleep(0.5)
        for replica, foreign in ((ours[0], "PAYMENTS"), (others[0], "ORDERS"), (others[1], "ORDERS")):
            shown = await replica.shown() or {}
            mixed |= {(replica.name, one) for one, instance in shown.items() if instance["app"] == foreign}
        if mixed and not lab.failures:
            lab.must(False, f"{min(mixed)[0]} shows instances of the other registry, {lab.after(lab.now())}")
    lab.zone.hosts[name] = right
    lab.figures["instances of the other registry"] = len(mixed)
    ours[1].start()
    await ours[1].ready()
    lab.replicas = ours
    lab.mark("the name was right again")
    await lab.agree(what="the name was right again")


@scenario(seconds=25, short=True)
async def wildcard_domain(lab):
    """Every name resolves, to a host without a registry, and there is no SRV record at first. The port has to open, the name
    server must not be flooded, the log has to say something; and once there are SRV records they count."""
    stranger = await Host(lab, "stranger").attach()
    replica = await lab.replica(0)
    lab.withdraw(lab.zone, SERVICE, lab.host_name(0))
    lab.zone.services.clear()
    lab.zone.hosts.clear()
    lab.zone.wildcard = stranger.address
    replica.start()
    begun = lab.mark("the start")
    try:
        lab.figures["opened after"] = f"{await replica.ready(12):.1f} s"
    except TimeoutError as error:
        lab.must(False, str(error))
    await lab.sleep(3)
    rate = lab.zone.questions / (lab.now() - begun)
    lab.figures["questions a second"] = f"{rate:.0f}"
    lab.must(rate < 150, f"{rate:.0f} questions a second were asked of the name server")
    said = [line for line in replica.logged().splitlines() if "WARN" in line or "ERROR" in line]
    lab.figures["warnings"] = len(said)
    lab.must(said, "the log does not say that something is wrong with the names")
    second = await lab.replica(1)
    lab.publish(lab.zone, SERVICE, lab.host_name(0), replica.address)
    lab.mark("SRV records")
    second.start()
    lab.replicas = [replica, second]
    try:
        await second.ready()
        client = lab.client(replica)
        await lab.until("a registration", client.register, 30)
        await lab.agree(what="SRV records")
    except TimeoutError as error:
        lab.must(False, f"with SRV records: {error}")


@scenario(seconds=45)
async def address_reused(lab):
    """registry-1 starts while registry-0's name still points at the address that registry-1 has been given. Two seconds later
    it is right. registry-1 has to replicate to registry-0 again."""
    first = (await lab.cluster(1))[0]
    second = await lab.replica(1)
    lab.zone.hosts[lab.host_name(0)] = [second.address]
    second.start()
    lab.mark("registry-1 started with a wrong name")
    await lab.sleep(3)
    lab.zone.hosts[lab.host_name(0)] = [first.address]
    righted = lab.mark("the name was right")
    await second.ready(25)
    lab.replicas = [first, second]
    client = lab.client(second, fallback=False)
    await client.register()
    client.start()
    lab.watch()
    await lab.sleep(24)
    lab.truthful(since=righted + 6)
    await lab.agree(what="24 s of renewals at registry-1")


@scenario(seconds=15, short=True)
async def service_with_addresses_only(lab):
    """A Service with A records and no SRV records, as compose, swarm and Cloud Map have: three replicas, one registry."""
    replicas = [await lab.replica(number) for number in range(3)]
    lab.zone.services.clear()
    for number, replica in enumerate(replicas):
        del lab.zone.hosts[lab.host_name(number)]
        replica.arguments[0] = f"--eureka.instance.hostname={replica.address}"
        replica.start()
    await lab.one_registry(replicas)


async def counted(lab, first, second):
    """How often a change at `first` is replicated to `second`, by the bytes on the wire; and how many peers `first` lists."""
    ends = [socket.inet_aton(one.address) for one in (first, second)]
    told = {"register": 0, "heartbeat": 0}

    def tap(source, target, text):
        if source == ends[0] and target == ends[1]:
            told["register"] += text.count(b'"action":"Register"')
            told["heartbeat"] += text.count(b'"action":"Heartbeat"')

    lab.switch.taps.append(tap)
    clients = [lab.client(first, fallback=False) for _ in range(20)]
    for client in clients:
        await client.register()
        client.start(1)
    await lab.sleep(9.8)
    lab.figures["registrations"] = f"told {told['register']} times for 20"
    renewals = 20 * 5
    status = (await first.caller.call("GET", "/eureka/status")).json()["applicationStats"]
    peers = [url for url in status["registered-replicas"].split(",") if url.strip()]
    lab.figures["peers listed"] = len(peers)
    lab.must(len(peers) == 1, f"{first} lists one peer as {len(peers)}: {', '.join(peers)}")
    lab.figures["heartbeats"] = f"told {told['heartbeat']} times for {renewals}"
    lab.must(20 <= told["register"] < 30, f"20 registrations were told {told['register']} times")
    lab.must(renewals / 2 <= told["heartbeat"] < renewals * 1.4, f"{renewals} heartbeats were told {told['heartbeat']} times")


@scenario(seconds=20)
async def peer_with_two_names(lab):
    """A peer is found by its name and also configured by its address. Each change must be replicated to it once."""
    replicas = [await lab.replica(number) for number in range(2)]
    urls = ",".join(f"http://{one.address}:{PORT}/eureka/" for one in replicas)
    for replica in replicas:
        replica.arguments += [f"--eureka.client.service-url.defaultZone={urls}", "--eureka.client.register-with-eureka=false"]
        replica.start()
    for replica in replicas:
        await replica.ready()
    lab.replicas = replicas
    await lab.sleep(3)
    await counted(lab, *replicas)


@scenario(seconds=20)
async def service_with_two_ports(lab):
    """The Service has two ports that both lead to the registry, so SRV records name each replica twice. Each change must be
    replicated once."""
    replicas = [await lab.replica(number) for number in range(2)]
    lab.zone.services[SERVICE] += [(host, 8762) for host, _ in lab.zone.services[SERVICE]]
    for replica in replicas:
        replica.start()
    for replica in replicas:
        await replica.ready()
    forwarders = [await forward(replica) for replica in replicas]
    lab.replicas = replicas
    await lab.sleep(3)
    await counted(lab, *replicas)
    for forwarder in forwarders:
        forwarder.close()


async def forward(replica):
    """Forwards connections from port 8762 of its host to the registry's port."""
    async def carry(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader, writer):
        with replica.namespace:
            plug = socket.socket()
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, (replica.address, PORT))
            onward = await asyncio.open_connection(sock=plug)
            await asyncio.gather(carry(reader, onward[1]), carry(onward[0], writer))
        except OSError:
            plug.close()
            writer.close()

    with replica.namespace:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((replica.address, 8762))
    return await asyncio.start_server(serve, sock=listening)
