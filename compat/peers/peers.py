"""Clusters of Java servers and ours on loopback addresses, one port for all."""

import json
import subprocess
import sys
import threading
import time

import lib
from clients import Clients
from lib import ReservedPort, until

OURS, JAR, WORK = sys.argv[1:4]
# Seconds within which a second replica has received a change, however busy this machine is.
RECEIVED = 5
# Maximum seconds until something happens that may wait for a renewal, and until a server has ended.
LONG, END = 120, 120
started = []


class Server:
    """One server, Java or ours, that has the others as fixed peers."""

    def __init__(self, kind, host, hosts, port, *more):
        self.kind, self.host, self.port = kind, host, port
        self.base = f"http://{host}:{port}"
        urls = ",".join(f"http://{peer}:{port}/eureka/" for peer in hosts)
        arguments = [
            f"--server.port={port}", f"--server.address={host}", f"--eureka.instance.hostname={host}",
            "--spring.application.name=eureka", f"--eureka.client.service-url.defaultZone={urls}", *more,
        ]
        if kind == "java":
            arguments += [
                *lib.JAVA_ANSWERS_ANEW, "--eureka.client.registry-fetch-interval-seconds=1",
                "--eureka.server.wait-time-in-ms-when-sync-empty=0", "--eureka.server.registry-sync-retries=1",
                "--eureka.server.registry-sync-retry-wait-ms=1000", f"--eureka.instance.instance-id={host}:eureka:{port}",
                "--eureka.client.initial-instance-info-replication-interval-seconds=1",
                "--eureka.instance.lease-renewal-interval-in-seconds=2", f"--eureka.instance.ip-address={host}",
            ]
            command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-jar", JAR, *arguments]
        else:
            command = [OURS, "--registry.shutdown.lame-duck=500", *arguments]
        with open(f"{WORK}/{kind}-{host}.log", "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        started.append(self.process)

    def ready(self):
        until(f"{self.kind} {self.host} to answer", lambda: self.get("/eureka/apps") is not None, 240)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait(END)

    def call(self, method, path, body=None):
        return lib.request(self.base + path, method, body)

    def get(self, path):
        try:
            return self.call("GET", path)
        except OSError:
            return None

    def status_of(self, app, identity):
        answer = self.get(f"/eureka/apps/{app}/{identity}")
        return json.loads(answer)["instance"]["status"] if answer else None

    def ids(self, app):
        """The instances of an application that it knows, by its full answer, as clients read it. A Java server keeps each kind of answer by
        itself, so that of one application may be newer."""
        answer = self.get("/eureka/apps")
        known = json.loads(answer)["applications"]["application"] if answer else []
        return {one["instanceId"] for each in known if each["name"] == app for one in each["instance"]}


def one_cluster():
    """Every change at one server is seen at all."""
    reserved = ReservedPort()
    port, hosts = reserved.number, ["127.0.0.21", "127.0.0.22", "127.0.0.23"]
    # An application of another name than Spring's: the Java server calls those available that are registered under it.
    name = "--eureka.instance.appname=registries"
    java = Server("java", hosts[0], hosts, port, name).ready()
    cluster = [java] + [Server("ours", host, hosts, port, name).ready() for host in hosts[1:]]
    slowest = 0.0

    def all_see(what, condition):
        nonlocal slowest
        start = time.monotonic()
        until(what, lambda: all(condition(server) for server in cluster), LONG)
        slowest = max(slowest, time.monotonic() - start)

    for number, at in enumerate(cluster):
        identity = f"orders:{number}"
        at.call("POST", "/eureka/apps/ORDERS", lib.instance("ORDERS", identity))
        all_see("a registration", lambda server: server.status_of("ORDERS", identity) == "UP")
        at.call("PUT", f"/eureka/apps/ORDERS/{identity}?status=UP&lastDirtyTimestamp=1700000000000")
        at.call("PUT", f"/eureka/apps/ORDERS/{identity}/status?value=OUT_OF_SERVICE")
        all_see("an override", lambda server: server.status_of("ORDERS", identity) == "OUT_OF_SERVICE")
        at.call("DELETE", f"/eureka/apps/ORDERS/{identity}/status?value=UP")
        all_see("it taken back", lambda server: server.status_of("ORDERS", identity) == "UP")
        at.call("DELETE", f"/eureka/apps/ORDERS/{identity}")
        all_see("a cancellation", lambda server: server.status_of("ORDERS", identity) is None)
    print(f"  (a) one Java and two of ours: register, renew, override, take back, cancel at each, seen at all; slowest {slowest:.2f} s")

    ours = [f"http://{host}:{port}/eureka/" for host in hosts[1:]]

    def available(path, accept):
        page = lib.request(java.base + path, accept=accept)
        # Of the page and of /status alike: what follows the name of the row.
        after = page.split("available-replicas", 1)[1] if "<available-replicas>" not in page else page.split("<available-replicas>", 1)[1]
        listed = page.split("<available-replicas>")[1].split("</available-replicas>")[0] if "<available-replicas>" in page else after
        return all(url in listed for url in ours)

    # If it was too busy to take the first registration, it hears of ours by their next renewal.
    until("the Java server to call ours available in /eureka/status", lambda: available("/eureka/status", "application/xml"), LONG)
    page = java.call("GET", "/")
    assert all(host in page for host in hosts[1:]), "the dashboard does not name ours"
    status = java_status(java)
    print(f"  (c) the Java server's status: available {status['available']}, unavailable {status['unavailable'] or 'none'}")
    for server in cluster:
        server.stop()


def java_status(java):
    page = lib.request(f"{java.base}/eureka/status", accept="application/xml")
    part = lambda name: page.split(f"<{name}>")[1].split(f"</{name}>")[0].strip(",")
    return {"available": part("available-replicas"), "unavailable": part("unavailable-replicas")}


def rolling_replacement():
    """Two Java servers are replaced by ours, one after the other, on their addresses."""
    reserved = ReservedPort()
    port, hosts = reserved.number, ["127.0.0.31", "127.0.0.32"]
    first, second = (Server("java", host, hosts, port) for host in hosts)
    first.ready(), second.ready()
    clients = Clients([f"http://{host}:{port}" for host in hosts])
    expected = {f"orders:{number}" for number in range(10)}
    try:
        until("both Java servers to know all", lambda: first.ids("ORDERS") == second.ids("ORDERS") == expected, LONG)
        clients.watch()
        for old, host in ((second, hosts[1]), (first, hosts[0])):
            old.stop()
            new = Server("ours", host, hosts, port).ready()
            assert new.ids("ORDERS") >= expected, f"ours at {host} began with {sorted(new.ids('ORDERS'))}"
            print(f"  (b) ours at {host} began with all ten instances")
            time.sleep(3)  # what clients see of this state is part of the count below
    finally:
        clients.stop()
    print(f"  (b) {clients.said()}")
    assert (clients.least, clients.failed) == (10, 0)


def killed_under_load():
    """One of three replicas of ours is killed during registrations; none that a second one has received is lost."""
    reserved = ReservedPort()
    port, hosts = reserved.number, ["127.0.0.41", "127.0.0.42", "127.0.0.43"]
    first, victim, third = [Server("ours", host, hosts, port).ready() for host in hosts]
    # The replicas' own registrations are not counted, but they show that the replicas know each other.
    until("the replicas to know each other", lambda: all(len(one.ids("EUREKA")) == 3 for one in (first, victim, third)), LONG)
    # The instances, and when each was acknowledged.
    acknowledged = {}

    def register():
        number = 0
        while True:
            try:
                victim.call("POST", "/eureka/apps/ORDERS", lib.instance("ORDERS", f"orders:{number}"))
            except OSError:
                return
            acknowledged[f"orders:{number}"] = time.monotonic()
            number += 1
            time.sleep(0.005)  # not so many that the answers with all of them are large

    registering = threading.Thread(target=register)
    registering.start()
    begin = time.monotonic()
    until(
        "a few hundred registrations, over a while",
        lambda: len(acknowledged) > 300 and time.monotonic() - begin > RECEIVED + 1,
        LONG,
    )
    start = time.monotonic()
    victim.process.kill()
    registering.join()
    received = first.ids("ORDERS") | third.ids("ORDERS")
    until("both to know what either received", lambda: first.ids("ORDERS") >= received and third.ids("ORDERS") >= received, 30)
    lost = acknowledged.keys() - received
    print(
        f"  (d) killed after {len(acknowledged)} acknowledged registrations: {len(received)} received elsewhere, "
        f"all of them known to both others {time.monotonic() - start:.2f} s later; {len(lost)} were on their way"
    )
    early = [identity for identity in lost if acknowledged[identity] < start - RECEIVED]
    assert not early, f"{len(early)} were lost that had been acknowledged for {RECEIVED} s: {early[:3]}"
    again = Server("ours", hosts[1], hosts, port).ready()
    assert again.ids("ORDERS") >= received, "the one that comes back begins without some"
    print("  (d) the one that was killed began anew with all of them")
    for server in (first, again, third):
        server.stop()


try:
    one_cluster()
    rolling_replacement()
    killed_under_load()
finally:
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
print("\n3 passed, 0 failed")
