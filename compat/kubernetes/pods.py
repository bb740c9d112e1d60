"""How long an instance stays whose pod is dead: with Java servers, with this registry, and with this one where it watches pods.

Spring Boot applications run in pods of their own and register, with Spring's own intervals (30 s, 90 s). Some pods are killed, deleted by
force, or both; a Deployment is scaled down. Each server is asked several times a second whether it still has the instance.
"""

import contextlib
import json
import os
import re
import shlex
import socket
import threading
import time
from base64 import b64encode
from pathlib import Path
from urllib.request import Request, urlopen

import java
from cluster import RESTRICTED, Namespace, addresses, check, run, say, until

# For so long an instance is waited for: a Java server needs up to four minutes, or keeps it for ever in self-preservation.
PATIENCE = int(os.environ.get("KUBE_PODS_PATIENCE", "300"))
# The sizes of the Deployment, before and after.
FROM, TO = (int(number) for number in os.environ.get("KUBE_PODS_SCALE", "10:2").split(":"))
# For how long the API server is away.
AWAY = int(os.environ.get("KUBE_PODS_AWAY", "60"))
# What may pass between a pod's end and that of its instance, of which Kubernetes takes a part to tell of it.
AT_ONCE = 1.5
# The same on a busy machine: far less than a lease lasts, and less than any interval in which somebody could look at pods.
SOON = 3.0
USER = ("eureka", "open-sesame")
JAVA_FILE = """
server: {port: 8761}
spring: {application: {name: eureka}, security: {user: {name: eureka, password: "${EUREKA_PASSWORD}"}}}
eureka:
  instance: {prefer-ip-address: true}
  client:
    service-url: {defaultZone: "http://eureka:${EUREKA_PASSWORD}@eureka:8761/eureka/"}
    register-with-eureka: false
    fetch-registry: false
"""
HEADS = ("what became of the pod", "Java server", "ours", "ours with pods")
WAYS = {
    "killed": "killed (SIGKILL, restartPolicy Never)",
    "exhausted": "out of memory (OOMKilled, restartPolicy Never)",
    "forced": "deleted by force",
    "lost": "killed and deleted by force, as with its node",
    "scaled": f"of a Deployment scaled from {FROM} to {TO}, the slowest",
}


class ApiGate:
    """The API server's address in the cluster, where nothing routes it: a gate to it that can be shut."""

    def __init__(self, listen, to):
        self.to, self.open, self.connections = to, True, set()
        self.listener = socket.create_server(listen)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.open:
                client.close()
                continue
            try:
                server = socket.create_connection(self.to)
            except OSError:
                # The API server does not answer now: whoever called tries again.
                client.close()
                continue
            self.connections |= {client, server}
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(one, other), daemon=True).start()

    def copy(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        self.end(one, other)

    def end(self, *connections):
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            self.connections.discard(connection)

    def shut(self):
        self.open = False
        self.end(*list(self.connections))

    def stop(self):
        self.shut()
        # Closing alone would leave the address in use while the thread waits there.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def api_gate():
    """The gate, where there has to be one."""
    if "KUBE_API_GATE" not in os.environ:
        yield None
        return
    listen, to = (part.rpartition(":") for part in os.environ["KUBE_API_GATE"].split("="))
    gate = ApiGate((listen[0], int(listen[2])), (to[0], int(to[2])))
    try:
        yield gate
    finally:
        gate.stop()


class Servers:
    """The servers of one registry, and the instances that they have."""

    def __init__(self, ns, statefulset, user=None):
        self.ns, self.addresses, self.user = ns, list(addresses(ns.pods(statefulset)).values()), user
        login = ":".join(user) + "@" if user else ""
        self.url = f"http://{login}{statefulset}:8761/eureka/"

    def get(self, address, path):
        request = Request(f"http://{address}:8761{path}", headers={"Accept": "application/json"})
        if self.user:
            request.add_header("Authorization", "Basic " + b64encode(":".join(self.user).encode()).decode())
        with urlopen(request, timeout=15) as answer:
            return answer.read().decode()

    def register(self, name, address):
        """Registers an instance at the first server, for a pod whose process does not."""
        info = {
            "instanceId": name, "hostName": address, "app": "LONE", "ipAddr": address, "status": "UP", "vipAddress": "lone",
            "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        }
        body, headers = json.dumps({"instance": info}).encode(), {"Content-Type": "application/json"}
        with urlopen(Request(f"http://{self.addresses[0]}:8761/eureka/apps/LONE", body, headers), timeout=5) as answer:
            check(answer.status == 204, f"registering was answered {answer.status}")

    def instances(self):
        """The ids that any server has."""
        return {one for address in self.addresses for one in re.findall(r'"instanceId":"([^"]*)"', self.get(address, "/eureka/apps/"))}

    def have(self, names):
        """Whether every server has all of them."""
        return all(
            set(names) <= set(re.findall(r'"instanceId":"([^"]*)"', self.get(address, "/eureka/apps/"))) for address in self.addresses
        )


def template(name, url, labels, policy, image="KUBE_SPRING_IMAGE", limit=None):
    """A pod with a Spring Boot application, whose image that variable names, and whose instance has the pod's name as its id.

    With a limit of memory it may take more than that, and is killed for it.
    """
    context = {key: RESTRICTED[key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile")}
    settings = {
        "spring.application.name": name, "server.port": "8080", "eureka.client.service-url.defaultZone": url,
        "eureka.instance.prefer-ip-address": "true", "eureka.instance.instance-id": "$(POD_NAME)",
    }
    field = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    container = {
        "name": "app", "image": os.environ[image], "imagePullPolicy": os.environ["KUBE_PULL_POLICY"],
        "env": [field], "args": [f"--{key}={value}" for key, value in settings.items()],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": RESTRICTED["capabilities"]},
    }
    if limit:
        container["resources"] = {"limits": {"memory": limit}}
        container["env"].append({"name": "JAVA_TOOL_OPTIONS", "value": "-Xmx128m -XX:MaxDirectMemorySize=2g"})
    spec = {
        "restartPolicy": policy, "automountServiceAccountToken": False, "enableServiceLinks": False, "securityContext": context,
        "containers": [container],
    }
    return {"metadata": {"labels": labels}, "spec": spec}


def start_pod(ns, name, url, limit=None):
    pod = template("lone", url, {"app": "lone"}, "Never", limit=limit)
    pod["metadata"]["name"] = name
    ns.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Pod", **pod}))


def kill(ns, name):
    """Kills the process of a pod."""
    pod = ns.get("pod", name)
    container = pod["status"]["containerStatuses"][0]["containerID"].partition("//")[2]
    run(*shlex.split(os.environ["KUBE_KILL"]), container)


def exhaust(ns, name):
    """Lets the process of a pod take memory until the kernel kills it, and returns at its end."""
    address = ns.get("pod", name)["status"]["podIP"]
    try:
        urlopen(Request(f"http://{address}:8080/memory", b""), timeout=120)
    except OSError:
        return
    check(False, f"{name} has all the memory that it asked for")


def out_of_memory(ns, name):
    """Whether it was the kernel that killed the process of a pod."""
    status = ns.get("pod", name)["status"]["containerStatuses"][0]
    check(status["state"].get("terminated", {}).get("reason") == "OOMKilled", f"{name} ended otherwise: {status['state']}")


def delete(ns, *names):
    ns.kubectl("delete", "pod", *names, "--force", "--grace-period=0", "--wait=false")


class Watch:
    """Notes when each instance was last seen at any server, until none of those that should go is there, or patience ends."""

    def __init__(self, servers):
        self.servers, self.ended, self.gone = servers, {}, {}

    def ends(self, name):
        """A pod ends now."""
        self.ended[name] = time.monotonic()

    def wait(self, patience=PATIENCE):
        """Seconds that each stayed; None is longer than patience."""
        begin = time.monotonic()
        while set(self.ended) - set(self.gone) and time.monotonic() - begin < patience:
            there, now = self.servers.instances(), time.monotonic()
            for name in set(self.ended) - set(self.gone) - there:
                self.gone[name] = max(now - self.ended[name], 0)
            time.sleep(0.1)
        return {name: self.gone.get(name) for name in self.ended}


def running(ns, labels):
    """The names of the pods whose containers run."""
    found = set()
    for pod in ns.get("pods", "-l", labels)["items"]:
        if any("running" in one["state"] for one in pod["status"].get("containerStatuses", [])):
            found.add(pod["metadata"]["name"])
    return found


def scale_down(ns, servers):
    """Scales the Deployment down, and gives the seconds that the slowest of its instances stayed after its container had ended."""
    before = running(ns, "app=fleet")
    ns.kubectl("scale", "deployment/fleet", f"--replicas={TO}")
    watch, begin = Watch(servers), time.monotonic()
    while len(watch.ended) < FROM - TO and time.monotonic() - begin < 120:
        for name in before - running(ns, "app=fleet") - set(watch.ended):
            watch.ends(name)
        there, now = servers.instances(), time.monotonic()
        for name in set(watch.ended) - set(watch.gone) - there:
            watch.gone[name] = max(now - watch.ended[name], 0)
        time.sleep(0.1)
    check(len(watch.ended) == FROM - TO, f"only {len(watch.ended)} pods ended")
    stayed = watch.wait()
    check(servers.have(running(ns, "app=fleet")), "an instance is missing whose pod lives")
    return longest(stayed.values())


def longest(seconds):
    return None if None in (found := list(seconds)) else max(found)


def measure(ns, servers):
    """Seconds that an instance stays, by what became of its pod."""
    lone = ("killed", "exhausted", "forced", "lost")
    for name in lone:
        start_pod(ns, name, servers.url, "320Mi" if name == "exhausted" else None)
    labels = {"app": "fleet"}
    pod = template("fleet", servers.url, labels, "Always")
    fleet = {"replicas": FROM, "selector": {"matchLabels": labels}, "template": pod}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "fleet"}, "spec": fleet}
    ns.kubectl("apply", "-f", "-", stdin=json.dumps(deployment))

    def whole():
        names = running(ns, "app=fleet")
        check(len(names) == FROM, f"{len(names)} containers run")
        missing = {*names, *lone} - servers.instances()
        check(not missing, f"nobody has {missing}")
        return servers.have({*names, *lone})

    until(f"{FROM + len(lone)} Spring Boot applications at every server", whole, 600)
    time.sleep(31)  # each has renewed: a lease that was never renewed is over sooner
    watch = Watch(servers)
    exhaust(ns, "exhausted")
    watch.ends("exhausted")
    watch.ends("killed")
    kill(ns, "killed")
    watch.ends("lost")
    kill(ns, "lost")
    delete(ns, "lost")
    watch.ends("forced")
    delete(ns, "forced")
    stayed = watch.wait()
    out_of_memory(ns, "exhausted")
    return {**stayed, "scaled": scale_down(ns, servers)}


def at_once(measured):
    """Fails if an instance stayed longer than it takes to be told of its pod."""
    # The kubelet needs a second or two to notice that a process is dead.
    most = {way: AT_ONCE + (2 if way in ("killed", "exhausted") else 0) for way in measured}
    slow = {way: seconds for way, seconds in measured.items() if seconds is None or seconds > most[way]}
    check(not slow, f"an instance stayed: {slow}")


def metric(servers, name):
    found = [re.search(rf"^{name}\S* (\S+)$", servers.get(one, "/actuator/prometheus"), re.MULTILINE) for one in servers.addresses]
    check(all(found), f"not every server has {name}")
    return [float(one[1]) for one in found]


def api_server_away(ns, servers, gate):
    """Without the API server nobody is evicted, the log says so once, and what ended meanwhile is noticed afterwards."""
    for name in ("stays", "vanishes"):
        start_pod(ns, name, servers.url)
    until("both instances", lambda: servers.have({"stays", "vanishes"}), 90)
    time.sleep(3)
    gate.shut()
    begin = time.monotonic()
    until("the watches to end", lambda: not any(metric(servers, "eureka_kubernetes_watching")), 20)
    kill(ns, "vanishes")
    delete(ns, "vanishes")
    while time.monotonic() - begin < AWAY:
        check(servers.have({"stays", "vanishes"}), "an instance was evicted while nobody knew of pods")
        time.sleep(1)
    logs = [ns.kubectl("logs", pod) for pod in ns.pods()]
    check(all(log.count("cannot watch the pods") == 1 for log in logs), "not every replica says once that it cannot watch")
    gate.open, begin = True, time.monotonic()
    watch = Watch(servers)
    watch.ends("vanishes")
    until("the watches to be open", lambda: all(metric(servers, "eureka_kubernetes_watching")), 20)
    back, stayed = time.monotonic() - begin, watch.wait(120)["vanishes"]
    check(stayed is not None, "the pod's end was never noticed")
    check(servers.have({"stays"}), "an instance is missing whose pod lives")
    say(f"API server away for {AWAY} s: nobody evicted, one warning a replica")
    say(f"watched again {back:.1f} s after its return, the instance that died meanwhile gone after {stayed:.1f} s")


def address_reused(ns, servers):
    """A new pod with the address of one that has just ended keeps its instance."""
    directory = Path(os.environ.get("KUBE_IPAM", "/nonexistent"))
    last = directory / "last_reserved_ip.0"
    if not last.exists():
        say("an address that is used again: left out, nobody can say which address a pod gets here")
        return
    start_pod(ns, "first", servers.url)
    until("the first instance", lambda: servers.have({"first"}), 90)
    address = ns.get("pod", "first")["status"]["podIP"]
    kill(ns, "first")
    delete(ns, "first")
    until("its address to be free", lambda: not (directory / address).exists(), 60)
    network, _, host = address.rpartition(".")
    last.write_text(f"{network}.{int(host) - 1}", encoding="utf-8")
    start_pod(ns, "second", servers.url)
    until("the second instance", lambda: servers.have({"second"}), 90)
    check(ns.get("pod", "second")["status"]["podIP"] == address, "it got another address")
    begin = time.monotonic()
    while time.monotonic() - begin < 35:  # it has renewed by then
        check(servers.have({"second"}), "it was evicted for the end of the pod that had its address before")
        time.sleep(0.5)
    say(f"{address} used again: the new instance stays")


def java_servers(name, chart, image, quick=java.QUICK):
    ns = Namespace(name, chart, image)
    ns.kubectl("create", "secret", "generic", "eureka-password", f"--from-literal=EUREKA_PASSWORD={USER[1]}")
    java.install(ns, "eureka", os.environ["KUBE_JAVA_IMAGE"], JAVA_FILE, quick)
    ns.scale(1, "eureka")
    ns.settled(1, "eureka", 240)
    return ns, Servers(ns, "eureka", USER)


def ours(name, chart, image, *sets):
    ns = Namespace(name, chart, image)
    ns.install("registry", *sets)
    return ns, Servers(ns, "registry")


def compare(name, chart, image):
    """Measures all three, one after the other, and prints the table."""
    kinds = {
        "ours with pods": lambda: ours(f"{name}-watching", chart, image, "kubernetesAware.enabled=true"),
        "ours": lambda: ours(f"{name}-leases", chart, image),
        "Java server": lambda: java_servers(f"{name}-jvm", chart, image),
    }
    wanted = [kind for kind in kinds if kind in os.environ.get("KUBE_PODS_OF", ",".join(kinds)).split(",")]
    columns = {}

    with api_gate() as gate:
        for kind in wanted:
            ns, servers = kinds[kind]()
            try:
                columns[kind] = measure(ns, servers)
                say(f"{kind}: {', '.join(f'{way} {cell(seconds)}' for way, seconds in columns[kind].items())}")
                if kind == "ours with pods":
                    with_pods(ns, servers, columns[kind], gate)
            finally:
                ns.delete()
    table(columns)


def with_pods(ns, servers, measured, gate):
    at_once(measured)
    address_reused(ns, servers)
    if gate:
        api_server_away(ns, servers, gate)


def zone_given(ns, servers, name):
    """An instance that names no zone has that of its pod's node at every server."""
    node = ns.get("pod", name)["spec"]["nodeName"]
    zone = ns.get("node", node)["metadata"]["labels"].get("topology.kubernetes.io/zone")
    if zone is None:
        say("the zone of a node: left out, the node has no label that names one")
        return
    given = lambda: all(f'"zone":"{zone}"' in servers.get(address, "/eureka/apps/") for address in servers.addresses)
    until(f"the zone {zone} of the node", given, 60)
    say(f"given the zone of its node, {zone}")


def one_ends(name, chart, image):
    """An instance is registered for each of two pods, and one of them is deleted: seconds until its instance is gone."""
    with api_gate():
        ns, servers = ours(name, chart, image, "kubernetesAware.enabled=true", "kubernetesAware.zones=true", "replicaCount=2")
        try:
            for one in ("ends", "stays"):
                container = {"name": "app", "image": image, "imagePullPolicy": os.environ["KUBE_PULL_POLICY"]}
                container["securityContext"] = {key: RESTRICTED[key] for key in ("allowPrivilegeEscalation", "capabilities")}
                context = {key: RESTRICTED[key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile")}
                spec = {"containers": [container], "securityContext": context, "automountServiceAccountToken": False}
                pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": one, "labels": {"app": "lone"}}, "spec": spec}
                ns.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
            until("two pods", lambda: len(running(ns, "app=lone")) == 2, 180)
            for one in ("ends", "stays"):
                servers.register(one, ns.get("pod", one)["status"]["podIP"])
            until("two instances", lambda: servers.have({"ends", "stays"}), 60)
            until("the watches to be open", lambda: all(metric(servers, "eureka_kubernetes_watching")), 60)
            zone_given(ns, servers, "stays")
            watch = Watch(servers)
            delete(ns, "ends")
            # From when kubectl has been told that the pod is gone: it takes a second to start where this machine is busy.
            watch.ends("ends")
            stayed = watch.wait(30)["ends"]
            check(stayed is not None and stayed <= SOON, f"it stayed for {cell(stayed)} s")
            check(servers.have({"stays"}), "the other one is gone, too")
            say(f"gone from both replicas {stayed:.1f} s after its pod was deleted; its lease lasts 90 s")
        finally:
            ns.delete()


def cell(seconds):
    return f"> {PATIENCE}" if seconds is None else f"{seconds:.1f}"


def table(columns):
    lines = [HEADS]
    for way, words in WAYS.items():
        lines.append((words, *(cell(columns[kind][way]) if kind in columns else "-" for kind in HEADS[1:])))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print("\n   seconds that a dead instance stays")
    for line in lines:
        cells = [text.rjust(width) for text, width in list(zip(line, widths, strict=True))[1:]]
        print("   " + "  ".join([line[0].ljust(widths[0]), *cells]))
