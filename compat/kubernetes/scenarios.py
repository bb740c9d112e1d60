"""The scenarios of `compat/run kubernetes`, on a real cluster; `run` prepares what the environment names.

Beside all of them 20 clients renew and fetch on the headless name, and Spring Boot applications live there. It is one long file,
because each scenario is a function of its own, and they are read in the order in which they are played.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from base64 import b64decode
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import deletion
import java
import pages
import pods as watched_pods
import rollout as rolling
from cluster import (
    LABEL,
    SPRING,
    Authority,
    Departures,
    Failed,
    Group,
    Namespace,
    addresses,
    answered,
    check,
    client_command,
    contents,
    is_ready,
    ready_since,
    run,
    say,
    spring_applications,
    spring_running,
    uids,
    until,
)

CHART = os.environ["KUBE_CHART"]
IMAGE = os.environ["KUBE_IMAGE"]
CLIENT_IMAGE = os.environ["KUBE_CLIENT_IMAGE"]
DOMAIN = os.environ["KUBE_CLUSTER_DOMAIN"]
URL = "http://registry:8761/eureka/"
CLIENTS = 20
# Values beside the chart's defaults, to compare what they cost: `KUBE_SETS=headless.publishNotReadyAddresses=true`.
SETS = os.environ.get("KUBE_SETS", "").split()
FLEET_SETS = os.environ.get("KUBE_FLEET_SETS", "resources.limits.cpu=250m resources.limits.memory=128M resources.requests.cpu=100m").split()
PASSWORD_OF_JAVA = "open-sesame"

# What every scenario must leave at zero, unless it says that it takes the whole registry away.
FAULTS = ("failed", "partial", "renewals_404", "lost", "spring")


class Run:
    """The state the scenarios share, and the table."""

    def __init__(self):
        self.ns = Namespace(os.environ["KUBE_NAMESPACE"], CHART, IMAGE)
        self.group, self.spring, self.rows, self.deletions = None, [], [], []
        self.directory = os.environ["KUBE_LOGS"]

    def scenario(self, function, zero=FAULTS):
        """Runs one, prints what it saw, and adds what the clients counted meanwhile, of which the faults of `zero` fail it."""
        name = function.__name__.replace("_", " ")
        print(f"\n== {name}: {function.__doc__.splitlines()[0]}", flush=True)
        begin, verdict, counted = time.monotonic(), "ok", None
        try:
            counted = function(self)
        except (Failed, subprocess.SubprocessError, OSError) as error:
            verdict = "FAILED"
            print(f"   FAILED: {error}")
            describe(self.ns)
        except Exception:  # noqa: BLE001, a fault of the test itself must not hide the other scenarios
            verdict = "FAILED"
            traceback.print_exc()
        seconds = time.monotonic() - begin
        row = {"scenario": name, "seconds": seconds}
        if self.group:
            if self.spring and verdict == "ok":
                verdict = self.spring_sees_itself()
            seen = self.group.mark(name)
            lines = [line for application in self.spring for line in application.faults()]
            row |= {key: seen[key] for key in ("calls", *FAULTS[:4])} | {"spring": len(lines)}
            if any(row[key] for key in zero):
                verdict = "FAILED"
            for what, times in sorted(seen.get("errors", {}).items(), key=lambda item: -item[1])[:5]:
                print(f"   {times} times: {what}")
            for line in lines[:3]:
                print(f"   Spring: {line[:200]}")
            print(f"   {seen['calls']} calls, {seen['next_address']} went on to the next address, slowest {seen['slowest_ms']} ms")
        elif counted:  # by clients of the scenario's own, and already held against zero
            row |= counted
        row["verdict"] = verdict
        self.rows.append(row)
        print(f"   {verdict} after {seconds:.1f} s", flush=True)

    def spring_sees_itself(self):
        """Every Spring application still sees all of them with its own DiscoveryClient."""
        try:
            until("Spring applications see each other", lambda: spring_seen(self), 60)
        except Failed as error:
            print(f"   FAILED: {error}")
            return "FAILED"
        return "ok"

    def table(self):
        columns = ("scenario", "seconds", "calls", *FAULTS)
        heads = ("scenario", "seconds", "calls", "failed calls", "partial answers", "404 renewals", "lost instances", "Spring faults", "")
        lines = [heads]
        for row in self.rows:
            cells = [f"{row[key]:.1f}" if key == "seconds" else str(row.get(key, "-")) for key in columns]
            lines.append((*cells, row["verdict"]))
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        print()
        for line in lines:
            cells = enumerate(zip(line, widths, strict=True))
            print("  ".join(cell.ljust(width) if at in (0, 8) else cell.rjust(width) for at, (cell, width) in cells).rstrip())
        if self.deletions:
            deletion.table(self.deletions)


def describe(ns):
    """Prints what a person would look at after a failure."""
    for command in (["get", "pods", "-o", "wide"], ["get", "events", "--sort-by=.lastTimestamp"]):
        result = subprocess.run(["kubectl", "-n", ns.name, *command], capture_output=True, text=True, check=False)
        print("\n".join(f"   | {line}" for line in result.stdout.splitlines()[-12:]))
    pods = subprocess.run(
        ["kubectl", "-n", ns.name, "get", "pods", "-o", "name"], capture_output=True, text=True, check=False
    ).stdout.split()
    for pod in pods:
        result = subprocess.run(["kubectl", "-n", ns.name, "logs", "--tail=6", pod], capture_output=True, text=True, check=False)
        print("\n".join(f"   {pod} | {line}" for line in (result.stdout + result.stderr).splitlines()))


def mesh(replicas, url=URL, *args):
    """Registers at every replica, sees it at every other."""
    seen = json.loads(run(*client_command("mesh", f"--url={url}", f"--replicas={replicas}", "--within=40s", *args), timeout=90))
    say(f"{replicas} replicas, a registration at each seen at all others, slowest {seen['slowest_ms']:.0f} ms")


def revisions(pods):
    return {name: pod["metadata"]["labels"]["controller-revision-hash"] for name, pod in pods.items()}


class OwnClients:
    """Clients of a scenario's own release, which must see no fault."""

    def __init__(self, *args):
        self.group, self.total = Group(*args), Counter()

    def none_wrong(self, phase):
        """Prints what they counted since the last time, and fails if there are faults."""
        seen = self.group.mark(phase)
        for what, times in sorted(seen.get("errors", {}).items(), key=lambda item: -item[1])[:5]:
            say(f"{times} times: {what}")
        wrong = {key: seen[key] for key in FAULTS[:4] if seen[key]}
        say(
            f"{phase}: {seen['calls']} calls, {seen['next_address']} went on to the next address, "
            f"slowest {seen['slowest_ms']} ms, {wrong or 'no fault'}"
        )
        self.total.update({key: seen[key] for key in ("calls", *FAULTS[:4])})
        check(not wrong, f"clients, {phase}: {wrong}")
        check(seen["calls"], f"clients, {phase}: no call was made")

    def stop(self):
        """Ends them, and returns all that they counted, for the table."""
        self.group.stop()
        return dict(self.total)


# === scenarios


def start(it):
    """`helm install registry` makes three replicas, none of which waits for another."""
    begin = time.monotonic()
    notes = it.ns.install("registry", *SETS)
    check(f"defaultZone={URL}" in notes, "the notes lack the defaultZone line")
    pods = it.ns.settled(3)
    say(f"{', '.join(pods)} ready in {time.monotonic() - begin:.1f} s")
    created, ready = [pod["metadata"]["creationTimestamp"] for pod in pods.values()], [ready_since(pod) for pod in pods.values()]
    check(max(created) <= min(ready), f"created at {created}, ready at {ready}: a pod waited for another")
    privileged = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "p", "image": "p"}]}}
    refused = subprocess.run(
        ["kubectl", "-n", it.ns.name, "apply", "--dry-run=server", "-f", "-"],
        input=json.dumps(privileged),
        capture_output=True,
        text=True,
        check=False,
    )
    check("violates PodSecurity" in refused.stderr, "the namespace does not enforce the restricted standard")
    say("the namespace enforces the restricted Pod Security standard")


def names(it):
    """The headless name gives all pod addresses in a pod, each pod's name its own."""
    ips = addresses(it.ns.pods())
    full = f"registry.{it.ns.name}.svc.{DOMAIN}"
    asked = ["registry", full, *(f"{pod}.registry" for pod in ips), *(f"{pod}.{full}" for pod in ips)]

    def lookup():
        lines = it.ns.run_pod(f"names-{time.monotonic_ns()}", CLIENT_IMAGE, ["resolve", *asked]).splitlines()
        return {words[0]: words[1:] for words in map(str.split, lines)}

    def right():
        seen = lookup()
        wrong = [
            name for name in asked if seen[name] != (sorted(ips.values()) if name in ("registry", full) else [ips[name.partition(".")[0]]])
        ]
        check(not wrong, f"{wrong[:1]} gave {[seen[name] for name in wrong[:1]]}")
        return seen

    seen = until("all names", right, 120)
    for name in ("registry", full, "registry-0.registry"):
        say(f"{name}: {' '.join(seen[name])}")


def helm_test(it):
    """`helm test` registers, reads from every replica, removes."""
    output = it.ns.helm("test", "registry", *HELM_LIMIT)
    check("Phase:          Succeeded" in output, output)
    say("succeeded")


def clients(it):
    """20 clients and Spring Boot applications register under the headless name and see each other."""
    it.group = Group(URL, CLIENTS, os.environ.get("KUBE_INTERVAL", "2s"), f"--dns-ttl={os.environ.get('KUBE_DNS_TTL', '0')}")
    it.spring = spring_applications(URL, it.directory)
    until("Spring applications in the registry", lambda: spring_seen(it), 300)
    say(f"Spring applications {', '.join(SPRING)} registered, each sees the other")


def spring_seen(it):
    """Every Spring application is UP in the registry, and sees all of them with its own DiscoveryClient."""
    text = it.ns.ask("registry-0", "/eureka/apps/")
    if not all(f'"name":"{name.upper()}"' in text for name in SPRING):
        return False
    for application in it.spring:
        seen = application.ask("seen")
        if not all(seen.get(name) == 1 for name in SPRING):
            return False
    return True


def peers(it):
    """Every replica knows every other with nothing configured."""
    mesh(3)


def scale(it):
    """3 to 5, to 1, four replicas leaving at once, to 3, with the clients running."""
    it.ns.scale(5)
    pods = it.ns.settled(5)
    mesh(5)
    departures = Departures(it.ns, pods)
    try:
        it.ns.scale(1)
        it.ns.settled(1)
        until("to be told of the last end", lambda: len(departures.ended & set(pods)) == 4, 60)
    finally:
        departures.stop()
    say(f"{departures.most} left at once")
    check(departures.most == 4, "they waited for each other")
    it.ns.scale(3)
    it.ns.settled(3)
    mesh(3)


def pod_deleted(it):
    """A deleted pod comes back under its name with another address and the whole registry."""
    before = it.ns.pods()["registry-1"]
    it.ns.kubectl("delete", "pod", "registry-1", "--wait=false")

    def back():
        pod = it.ns.pods().get("registry-1")
        return pod if pod and pod["metadata"]["uid"] != before["metadata"]["uid"] and pod["status"].get("podIP") else None

    until("registry-1 again", back, 60)
    first = until("its first answer", lambda: it.ns.ask("registry-1", "/eureka/apps/"), 120)
    missing = [number for number in range(CLIENTS) if f"group-{number:03d}" not in first]
    check(not missing, f"its first answer lacks {len(missing)} instances")
    pods = it.ns.settled(3)
    check(pods["registry-1"]["status"]["podIP"] != before["status"]["podIP"], "the address did not change")
    say(f"registry-1 was {before['status']['podIP']}, is {pods['registry-1']['status']['podIP']}; its first answer was whole")
    mesh(3)


def replica_killed(it):
    """A replica's process is killed: no change that a second replica has received is lost."""
    kill = os.environ.get("KUBE_KILL")
    if not kill:
        say("left out: KUBE_KILL names no command that kills a container")
        return
    for name in ("registry-1", "registry-0"):
        status = it.ns.pods()[name]["status"]["containerStatuses"][0]
        run(*shlex.split(kill), status["containerID"].partition("//")[2])

        def terminated(name=name, before=status["restartCount"]):
            now = it.ns.pods()[name]["status"]["containerStatuses"][0]
            return now["restartCount"] > before and now["lastState"].get("terminated")

        ended = until(f"{name} killed", terminated, 60)
        check(ended["exitCode"] == 137, f"it ended with {ended}")
        it.ns.settled(3)
        say(f"{name} ended with code {ended['exitCode']}, back in the same pod")
        mesh(3)


def rolling_update(it):
    """All replicas are replaced, from the highest ordinal down."""
    before, begin = it.ns.pods(), time.monotonic()
    it.ns.upgrade("registry", "podAnnotations.roll=one")
    it.ns.rolled_out()
    pods = it.ns.settled(3)
    say(f"replaced in {time.monotonic() - begin:.1f} s")
    check(not set(uids(before).values()) & set(uids(pods).values()), "a pod was not replaced")
    created = [pods[f"registry-{ordinal}"]["metadata"]["creationTimestamp"] for ordinal in (2, 1, 0)]
    check(created == sorted(created), f"order of creation: {created}")
    mesh(3)


def canary(it):
    """With partition=2 only the highest ordinal changes; partition=0 brings the rest."""
    before = it.ns.pods()
    it.ns.upgrade("registry", "podAnnotations.roll=two", "updateStrategy.rollingUpdate.partition=2")
    newest = lambda: it.ns.get("statefulset", "registry")["status"]["updateRevision"]
    until("registry-2 of the new revision", lambda: revisions(it.ns.pods()).get("registry-2") == newest(), 60)
    pods = it.ns.settled(3)
    changed = [name for name in pods if uids(pods)[name] != uids(before)[name]]
    check(changed == ["registry-2"], f"changed: {changed}")
    say(f"partition=2 changed {', '.join(changed)}")
    mesh(3)
    it.ns.upgrade("registry", "updateStrategy.rollingUpdate.partition=0")
    it.ns.rolled_out()
    pods = it.ns.settled(3)
    check(set(revisions(pods).values()) == {newest()}, "not all are of the new revision")
    say("partition=0 changed the others")


def on_delete(it):
    """With OnDelete nothing changes until a pod is deleted."""
    before = it.ns.pods()
    it.ns.upgrade("registry", "podAnnotations.roll=three", "updateStrategy.type=OnDelete", wait=False)

    def observed():
        sts = it.ns.get("statefulset", "registry")
        return (
            sts["status"]["observedGeneration"] == sts["metadata"]["generation"]
            and sts["status"]["updateRevision"] not in revisions(before).values()
        )

    until("the new revision", observed, 30)
    check(uids(it.ns.settled(3)) == uids(before), "a pod changed by itself")
    it.ns.kubectl("delete", "pod", "registry-0", "--wait=false")
    until("registry-0 anew", lambda: uids(it.ns.pods()).get("registry-0") not in (None, uids(before)["registry-0"]), 60)
    pods = it.ns.settled(3)
    newest = it.ns.get("statefulset", "registry")["status"]["updateRevision"]
    check([name for name in pods if revisions(pods)[name] == newest] == ["registry-0"], f"revisions: {revisions(pods)}")
    say("only the deleted registry-0 is of the new revision")
    it.ns.upgrade("registry", "updateStrategy.type=RollingUpdate")
    it.ns.rolled_out()
    it.ns.settled(3)


def failed_update(it):
    """An image that does not exist stops the update at its first pod; `helm rollback` ends it."""
    before = it.ns.pods()
    revision = json.loads(it.ns.helm("history", "registry", "--output", "json"))[-1]["revision"]
    it.ns.upgrade("registry", "image.tag=missing", wait=False)

    def stuck():
        pod = it.ns.pods().get("registry-2", {})
        states = [status["state"].get("waiting", {}).get("reason", "") for status in pod.get("status", {}).get("containerStatuses", [])]
        return any(state in ("ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff") for state in states) and states

    say(f"registry-2: {until('the first pod stuck', stuck, 60)[0]}")
    mesh(2)
    pods = it.ns.pods()
    for name in ("registry-0", "registry-1"):
        check(uids(pods)[name] == uids(before)[name] and is_ready(pods[name]), f"{name} was touched")
    say("registry-0 and registry-1 untouched, serving")
    it.ns.helm("rollback", "registry", str(revision), "--timeout", "60s")
    # With OrderedReady, Kubernetes would wait for the broken pod to become ready, until a person deletes it.
    it.ns.rolled_out()
    say("the rollback replaced registry-2")
    check(uids(it.ns.settled(3))["registry-0"] == uids(before)["registry-0"], "the rollback restarted a good pod")
    mesh(3)


# How long `helm test` and `helm uninstall --wait` may take on a busy machine.
HELM_LIMIT = ("--timeout", "110s")
# What three pods that are killed at once take to be ready again, at most, and their name to lead to them.
RESTART_SECS = 30


def all_deleted(it):
    """All replicas are killed and deleted at once: back, and after 45 s in which fetches are refused, whole."""
    with deletion.crowd(URL, it.spring) as crowd:
        seen = crowd.kill_servers(it.ns, "three replicas without volumes")
    it.deletions.append(seen)
    say(f"three new replicas, whole after {seen['whole']:.1f} s")
    # Until every client has registered again, an answered fetch would make clients drop their lists.
    deletion.none_lost(seen)
    most = 45 + 1.5 * RESTART_SECS
    check(seen["whole"] <= most, f"longer than {most:.0f} s: one and a half renewal intervals, and the start")
    mesh(3)


def uninstalled(it):
    """`helm uninstall` leaves nothing behind."""
    it.group.stop()
    it.group = None
    for application in it.spring:
        application.stop()
    it.spring = []
    it.ns.helm("uninstall", "registry", "--wait", *HELM_LIMIT)
    kinds = (
        "statefulsets,pods,services,configmaps,secrets,serviceaccounts,poddisruptionbudgets,networkpolicies,ingresses,"
        "persistentvolumeclaims,controllerrevisions"
    )

    def left():
        found = it.ns.get(kinds)["items"]
        return [
            f"{one['kind']}/{one['metadata']['name']}" for one in found if one["metadata"]["name"] not in ("kube-root-ca.crt", "default")
        ]

    until("nothing left", lambda: not left() or check(False, left()), 60)
    say("no object left")


# === scenarios with releases of their own


def other_names(it):
    """Another release name, headless name, namespace; two releases in one namespace do not mix."""
    ns = Namespace(f"{it.ns.name}-other", CHART, IMAGE)
    try:
        ns.install("blue", "replicaCount=2", "headless.nameOverride=eureka")
        ns.install("green-registry", "replicaCount=2")
        blue, green = f"http://eureka.{ns.name}:8761/eureka/", f"http://green-registry.{ns.name}:8761/eureka/"
        mesh(2, blue)
        mesh(2, green)
        group = OwnClients(blue, 3, "1s", "--app=BLUE")
        for pod in ("blue-registry-0", "blue-registry-1"):
            check("BLUE" in ns.ask(pod, "/eureka/apps/"), f"{pod} lacks an instance of its release")
        for pod in ("green-registry-0", "green-registry-1"):
            check("BLUE" not in ns.ask(pod, "/eureka/apps/"), f"{pod} has an instance of the other release")
        ns.scale(3, "blue-registry")
        ns.settled(3, "blue-registry")
        mesh(3, blue)
        group.none_wrong("clients of blue, while it is scaled to three")
        say(f"release blue as eureka.{ns.name}, release green-registry beside it: no instance of the one in the other")
        return group.stop()
    finally:
        ns.delete()


def other_domain(it):
    """A cluster whose DNS domain is not cluster.local."""
    server = os.environ.get("KUBE_OTHER_DNS")
    if not server:
        say("left out: it needs a second name server, which `run` starts only on its own cluster")
        return
    domain = os.environ["KUBE_OTHER_DOMAIN"]
    ns = Namespace(f"{it.ns.name}-domain", CHART, IMAGE)
    search = f"{ns.name}.svc.{domain}"
    try:
        for whole, sets in ((False, ()), (True, (f"clusterDomain={domain}",))):
            dns = ("dnsPolicy=None", f"dnsConfig.nameservers[0]={server}", *(() if whole else (f"dnsConfig.searches[0]={search}",)))
            ns.install("registry", "replicaCount=2", *dns, *sets)
            name = f"registry.{search}" if whole else "registry"
            config = {"nameservers": [server], "searches": [search]}
            output = ns.run_pod(
                "mesh", CLIENT_IMAGE, ["mesh", f"--url=http://{name}:8761/eureka/", "--replicas=2"], dnsPolicy="None", dnsConfig=config
            )
            say(f"http://{name}:8761/eureka/ with search list {'of none' if whole else search}: {output.strip()}")
            ns.helm("uninstall", "registry", "--wait", *HELM_LIMIT)
            ns.kubectl("delete", "pod", "mesh", "--ignore-not-found")
    finally:
        ns.delete()


def plain_manifests(it):
    """deploy/manifests/registry.yaml, for clusters without Helm."""
    ns = Namespace(f"{it.ns.name}-plain", CHART, IMAGE)
    try:
        text = contents(os.path.join(os.path.dirname(CHART), "manifests/registry.yaml"))
        image = next(line.split()[-1] for line in text.splitlines() if line.strip().startswith("image: "))
        text = text.replace(f"image: {image}", f"image: {IMAGE}").replace(
            "imagePullPolicy: IfNotPresent", f"imagePullPolicy: {os.environ['KUBE_PULL_POLICY']}"
        )
        ns.kubectl("apply", "-f", "-", stdin=text)
        ns.settled(3)
        mesh(3, f"http://registry.{ns.name}:8761/eureka/")
        ns.kubectl("delete", "--wait=false", "-f", "-", stdin=text)
    finally:
        ns.delete()


# A read-only user, with the hash of `just-looking`; and one with a password that has to be encoded in a URL.
READER = {"name": "reader", "password": "{bcrypt}$2b$04$abcdefghijklmnopqrstuuaMOvF1Zd2VXbRlkFehQR76ftTrg8U6.", "roles": ["READ_ONLY"]}
PEERS_PASSWORD = "p/e@e:r%s?"


def authentication_on(it):
    """Authentication is turned on under running applications that have their password already."""
    ns = Namespace(f"{it.ns.name}-users", CHART, IMAGE)
    try:
        ns.install("registry")
        url = f"http://peers:{quote(PEERS_PASSWORD, safe='')}@registry.{ns.name}:8761/eureka/"
        mesh(3, url)
        group = OwnClients(url, CLIENTS, "2s")
        users = {"enabled": True, "username": "peers", "password": PEERS_PASSWORD, "users": [READER]}
        for paths, expected in (["/**"], 200), (["/actuator/health/**"], 401):
            ns.upgrade("registry", values={"auth": users | {"openPaths": paths}})
            ns.rolled_out()
            ns.settled(3)
            mesh(3, url)
            answered(f"http://registry.{ns.name}:8761/eureka/apps/", expected)
            say(f"openPaths {paths[0]}: without a user the answer is {expected}")
            group.none_wrong("rolling update")
        ns.helm("test", "registry", *HELM_LIMIT)
        say("helm test succeeded")
        reader = f"http://reader:just-looking@registry.{ns.name}:8761/eureka/apps"
        answered(reader, 200)
        answered(f"{reader}/GROUP/group-000", 403, "--method=DELETE")
        answered(reader.replace("just-looking", "wrong"), 401)
        say("a user that may only read reads, and takes nothing away; a wrong password is refused")
        return group.stop()
    finally:
        ns.delete()


def made_password(it):
    """A password is generated once: upgrades, a rollout and a new installation keep it."""
    ns = Namespace(f"{it.ns.name}-made", CHART, IMAGE)
    values = {"auth": {"enabled": True, "users": [{"name": "alice", "roles": ["READ_ONLY"]}]}}
    passwords = lambda: {
        f"{name}.{key}": b64decode(value).decode()
        for name in ("registry-auth", "registry-users")
        for key, value in ns.get("secret", name)["data"].items()
    }
    try:
        notes = ns.install("registry", "replicaCount=2", values=values)
        check("was made once" in notes and "get secret registry-auth" in notes, f"the notes do not say so: {notes}")
        made, pods = passwords(), ns.pods()
        long = [key for key, value in made.items() if len(value) == 32 and value not in notes]
        check(sorted(long) == ["registry-auth.password", "registry-users.alice"], f"passwords of 32 characters: {long}")
        url = f"http://eureka:{made['registry-auth.password']}@registry.{ns.name}:8761/eureka/"
        alice = f"http://alice:{made['registry-users.alice']}@registry.{ns.name}:8761/eureka/apps/"
        mesh(2, url)
        group = OwnClients(url, 3, "1s")
        answered(alice, 200)
        answered(alice.replace("alice:", "alice:x"), 401)
        ns.upgrade("registry")
        check(passwords() == made, "an upgrade made other passwords")
        check(uids(ns.settled(2)) == uids(pods), "an upgrade that changes nothing replaced pods")
        ns.upgrade("registry", "podAnnotations.roll=one")
        ns.rolled_out()
        pods = ns.settled(2)
        check(passwords() == made, "a rollout made other passwords")
        mesh(2, url)
        ns.helm("test", "registry", *HELM_LIMIT)
        say("two passwords of 32 characters, the same after two upgrades, the first of which replaced no pod; helm test succeeded")
        group.none_wrong("upgrades")
        counted = group.stop()
        ns.helm("uninstall", "registry", "--wait", *HELM_LIMIT)
        check(passwords() == made, "uninstalling took the passwords away")
        ns.install("registry", "replicaCount=2", values=values)
        check(passwords() == made, "a new installation made other passwords")
        mesh(2, url)
        say("uninstalled and installed again: the same passwords")
        return counted
    finally:
        ns.delete()


def volume(namespace, node, directory, number):
    """A volume of this node for the claim of a replica: kubelet gives it to the group of the pod, as a cloud's volumes."""
    path = Path(directory, str(number))
    path.mkdir()
    hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{namespace}-{number}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "local": {"path": str(path)},
            "claimRef": {"namespace": namespace, "name": f"data-registry-{number}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}},
        },
    }


@contextlib.contextmanager
def with_volumes(ns, numbers):
    """Volumes for the replicas with these numbers, whose namespace is deleted in the end, too."""
    directory = tempfile.mkdtemp()
    # The pods' user has to reach the volumes below.
    Path(directory).chmod(0o755)
    node = json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"][0]["metadata"]["labels"]["kubernetes.io/hostname"]
    made = [volume(ns.name, node, directory, number) for number in numbers]
    try:
        run("kubectl", "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
        yield
    finally:
        ns.delete()
        run("kubectl", "delete", "pv", "--ignore-not-found", *(one["metadata"]["name"] for one in made))
        shutil.rmtree(directory)


def volumes(it):
    """All replicas are killed and deleted at once, with volumes: no fetch is answered with a part, and nobody has to register again."""
    ns = Namespace(f"{it.ns.name}-volumes", CHART, IMAGE)
    with with_volumes(ns, range(3)):
        ns.install("registry", "persistence.enabled=true", "persistence.storageClass=-")
        url = f"http://registry.{ns.name}:8761/eureka/"
        mesh(3, url)
        group = OwnClients(url, CLIENTS, "1s")
        with spring_running(url, it.directory) as applications, deletion.crowd(url, applications) as crowd:
            group.none_wrong("before")
            everybody = CLIENTS + sum(crowd.wanted.values())
            until("every replica to have written all instances", lambda: all(written(ns, pod) >= everybody for pod in ns.pods()), 60)
            seen = crowd.kill_servers(ns, "three replicas with volumes")
            it.deletions.append(seen)
            say(f"three new replicas, whole after {seen['whole']:.1f} s")
            until("every instance that was restored to have renewed", lambda: not any(restored(ns, pod) for pod in ns.pods()), 60)
            parts = seen, crowd.clients.mark("renewed"), group.group.mark("deleted")
        counted = {key: sum(part[key] for part in parts) for key in ("calls", *FAULTS[:4])}
        say(f"{counted['calls']} calls, of them {counted['failed']} without an answer while no replica was up")
        deletion.none_lost(counted | {"short": seen["short"]}, "renewals_404")
        group.stop()
        ns.helm("uninstall", "registry", "--wait", *HELM_LIMIT)
        claims = [one["metadata"]["name"] for one in ns.get("persistentvolumeclaims")["items"]]
        check(claims == [f"data-registry-{number}" for number in range(3)], f"uninstalling left the claims {claims}")
        say("uninstalled: the volumes stay")
        return counted


def unschedulable(it):
    """A replica that finds no node holds up no other: ready replicas, with and without an order."""
    ready = {}
    for policy in ("OrderedReady", "Parallel"):
        ns = Namespace(f"{it.ns.name}-{policy.lower()}", CHART, IMAGE)
        # The first replica has no volume, so it cannot be scheduled.
        with with_volumes(ns, (1, 2)):
            # The other one is the chart's default.
            sets = [f"podManagementPolicy={policy}"] if policy == "OrderedReady" else []
            ns.install("registry", "persistence.enabled=true", "persistence.storageClass=-", *sets, wait=False)
            reasons = lambda: [item.get("reason") for item in ns.get("pod", "registry-0")["status"].get("conditions", [])]
            until("registry-0", lambda: "registry-0" in ns.pods(), 60)
            until("registry-0 unschedulable", lambda: "Unschedulable" in reasons(), 60)
            if policy == "Parallel":
                until("the others ready", lambda: sum(map(is_ready, ns.pods().values())) == 2, 120)
                mesh(2, f"http://registry.{ns.name}:8761/eureka/")
            pods = ns.pods()
            ready[policy] = sum(map(is_ready, pods.values()))
            say(f"{policy}: registry-0 is unschedulable, {len(pods)} pods exist, {ready[policy]} of 3 replicas ready")
    check(ready == {"OrderedReady": 0, "Parallel": 2}, f"ready: {ready}")


def written(ns, pod):
    """How many instances the last snapshot of a replica has."""
    return json.loads(ns.ask(pod, "/api/v1/overview"))["snapshot"]["instances"] or 0


def restored(ns, pod):
    """How many instances of a replica have not renewed since it restored its snapshot."""
    return json.loads(ns.ask(pod, "/api/v1/overview"))["leases"]["restored"]


def moved_paths(it):
    """Ports, paths and a user that `config` moves: probes, `helm test` and the notes follow."""
    ns = Namespace(f"{it.ns.name}-moved", CHART, IMAGE)
    password = "s3cret/@"
    config = {
        "server": {"port": "${SERVER_PORT:9000}", "servlet": {"contextPath": "/registry"}},
        "management.endpoints.web.base-path": "/manage",
        "spring": {"security": {"user": {"name": "ops", "password": password}}},
    }
    try:
        notes = ns.install("registry", "replicaCount=2", values={"config": config})
        line = f"defaultZone=http://USER:PASSWORD@registry.{ns.name}:9000/registry/eureka/"
        check(line in notes, f"the notes lack {line}")
        url = f"http://ops:{quote(password, safe='')}@registry.{ns.name}:9000/registry/eureka/"
        mesh(2, url)
        answered(url.replace("eureka/", "manage/prometheus"), 200)
        answered(f"http://registry.{ns.name}:9000/registry/eureka/apps/", 401)
        ns.helm("test", "registry", *HELM_LIMIT)
        maps = [one["metadata"]["name"] for one in ns.get("configmaps")["items"] if password in json.dumps(one)]
        check(not maps, f"the password is in ConfigMaps: {maps}")
        say("context path /registry, actuator /manage, port 9000, a user in config: ready, helm test succeeded")
        ns.upgrade("registry", values={"config": config | {"management.server.port": 9001}})
        ns.rolled_out()
        pods = ns.settled(2)
        mesh(2, url)
        for address in addresses(pods).values():
            answered(f"http://{address}:9001/manage/health/readiness", 200)
        check(not any(restarts(pods).values()), f"restarts: {restarts(pods)}")
        say("management.server.port 9001: ready, no restart")
    finally:
        ns.delete()


def secured(it):
    """Users and certificates from Secrets; the certificate renewed; then client certificates needed."""
    ns = Namespace(f"{it.ns.name}-secured", CHART, IMAGE)
    try:
        authority = Authority(it.directory)
        services = [
            "registry",
            f"registry.{ns.name}",
            f"registry.{ns.name}.svc",
            f"*.registry.{ns.name}.svc",
            f"*.registry.{ns.name}.svc.{DOMAIN}",
        ]

        def new_certificate():
            certificate, key, serial = authority.issue(*services)
            entries = {"tls_crt": contents(certificate), "tls_key": contents(key), "ca_crt": contents(authority.certificate)}
            ns.secret("registry-certificate", "kubernetes.io/tls", **entries)
            return serial

        serial = new_certificate()
        ns.secret("registry-peers", user="peers", secret=PEERS_PASSWORD)
        ns.secret("registry-people", alice="in-wonderland")
        define_custom_resources()
        notes = ns.install("registry", values={
            "auth": {
                "enabled": True, "existingSecret": "registry-peers", "usernameKey": "user", "passwordKey": "secret",
                "users": [READER, {"name": "alice", "existingSecret": "registry-people", "passwordKey": "alice"}],
            },
            "tls": {"enabled": True, "existingSecret": "registry-certificate"},
            "logging": {"format": "json", "level": {"root": "info", "eureka_registry::replication": "debug"}},
            "metrics": {
                "byApplication": True, "serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True},
                "grafanaDashboard": {"enabled": True},
            },
        })
        check("defaultZone=https://USER:PASSWORD@registry:8761/eureka/" in notes, f"the notes: {notes}")
        bare = f"https://registry.{ns.name}:8761/eureka/"
        url = bare.replace("//", f"//peers:{quote(PEERS_PASSWORD, safe='')}@")
        alice, trust = bare.replace("//", "//alice:in-wonderland@"), f"--ca={authority.certificate}"
        certificate, key, _ = authority.issue("application")
        shown = (f"--certificate={certificate}", f"--key={key}")
        mesh(3, url, trust)
        group = OwnClients(url, CLIENTS, "2s", trust, *shown)
        pods = ns.pods()
        check(set(serials(pods).values()) == {serial}, f"certificates {serials(pods)}, not {serial}")
        renewed, renewing = new_certificate(), time.monotonic()  # what follows passes the time until kubelet looks
        log = ns.kubectl("logs", "registry-0").splitlines()
        check(all(json.loads(line)["level"] for line in log), "the log is not JSON")
        check(json.loads(ns.get("configmap", "registry-dashboard")["data"]["registry.json"])["panels"], "the dashboard has no panel")

        answered(f"{alice}apps/", 200, trust)
        answered(f"{bare}apps/", 401, trust)
        answered(f"{alice.replace('wonder', 'neverwonder')}apps/", 401, trust)
        untrusted = subprocess.run(client_command("get", f"{alice}apps/"), capture_output=True, text=True, check=False, timeout=30)
        check("certificate" in untrusted.stderr, f"without the authority: {untrusted.stdout[:200]}{untrusted.stderr}")
        plain = subprocess.run(client_command("get", f"http{alice[5:]}apps/"), capture_output=True, text=True, check=False, timeout=30)
        check(plain.returncode != 0, "plain HTTP was answered")
        say("a client with user and authority is served; without either, or by plain HTTP, it is not")
        ns.helm("test", "registry", *HELM_LIMIT)
        say("helm test succeeded")
        scraped(ns, trust)

        until(f"certificate {renewed} everywhere", lambda: set(serials(pods).values()) == {renewed}, 300)
        say(f"a renewed Secret was served by all after {time.monotonic() - renewing:.0f} s; kubelet alone may take 60 to 90")
        now = ns.pods()
        check(uids(now) == uids(pods) and not any(restarts(now).values()), "a pod was replaced or restarted for it")
        mesh(3, url, trust)
        group.none_wrong("certificate renewed")

        begin = time.monotonic()
        ns.upgrade("registry", "podAnnotations.roll=one")
        ns.rolled_out()
        pods = ns.settled(3)
        say(f"replaced in {time.monotonic() - begin:.1f} s")
        mesh(3, url, trust)
        group.none_wrong("rolling update")

        ns.upgrade("registry", "tls.clientAuth=need,tls.peersNeedCertificate=true")
        ns.rolled_out()
        pods = ns.settled(3)
        mesh(3, url, trust, *shown)
        until("why a client without a certificate is refused", lambda: certificate_required(trust, f"{alice}apps/"), 60)
        answered(f"{alice}apps/", 200, trust, *shown)
        say("with clientAuth=need a client without a certificate is refused; probes use the management port")
        ns.helm("test", "registry", *HELM_LIMIT)
        say("helm test succeeded")
        scraped(ns, trust)
        group.none_wrong("client certificates needed")
        check(not any(restarts(ns.pods()).values()), f"restarts: {restarts(ns.pods())}")
        return group.stop()
    finally:
        ns.delete()


def java_servers_replaced(it):
    """Three Java servers with users are replaced by the commands of deploy/README.md, while applications use the old name and the new."""
    ns = Namespace(f"{it.ns.name}-java", CHART, IMAGE)
    blocks = pages.blocks(pages.section("deploy/README.md", "## Moving from a Java StatefulSet"))
    steps = [pages.commands(body) for kind, body in blocks if kind == "sh"]
    check(len(steps) == 4, f"the page has {len(steps)} steps")
    url = lambda name: f"http://eureka:{PASSWORD_OF_JAVA}@{name}.{ns.name}:8761/eureka/"
    directory = os.path.join(it.directory, "java")
    os.makedirs(directory)
    os.symlink(os.path.dirname(CHART), os.path.join(directory, "deploy"))
    for name, text in pages.files(blocks).items():
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            file.write(text)
    try:
        ns.kubectl("create", "secret", "generic", "eureka-password", f"--from-literal=EUREKA_PASSWORD={PASSWORD_OF_JAVA}")
        java.install(ns, "eureka", os.environ["KUBE_JAVA_IMAGE"], pages.files(blocks)["application.yml"])
        ns.settled(3, "eureka", 240)
        known = lambda: json.loads(answered(f"{url('eureka')}apps/EUREKA", 200))["application"]["instance"]
        until("the Java servers to know each other", lambda: len(known()) == 3, 120)
        say("three Java servers with a user know each other")
        count = deletion.CLIENTS_OF_JAVA
        with spring_running(url("eureka"), it.directory) as applications, deletion.crowd(url("eureka"), applications, count) as crowd:
            it.deletions.append(crowd.kill_servers(ns, "three Java servers", "eureka"))
        until("the Java servers to know each other again", lambda: len(known()) == 3, 120)
        old = OwnClients(url("eureka"), 3, "1s", "--app=OLD")

        shell(ns, directory, steps[0])
        # The name server keeps for seconds that the name does not exist: the new replicas asked for it before there was one of them.
        mesh(3, url("registry"))
        new = OwnClients(url("registry"), 3, "1s", "--app=NEW")
        until("the new replicas to know what the Java servers know", lambda: '"OLD"' in answered(f"{url('registry')}apps", 200), 30)
        shell(ns, directory, steps[1])
        java_saw = old.group.mark("restarts")
        say(f"clients of the Java servers, while these restart: {', '.join(f'{key} {java_saw[key]}' for key in FAULTS[:4])}")
        new.none_wrong("clients of the new replicas, while the Java servers restart")
        for app, name in ("NEW", "eureka"), ("OLD", "registry"):
            until(f"{app} at {name}", lambda app=app, name=name: f'"{app}"' in answered(f"{url(name)}apps", 200), 60)

        shell(ns, directory, steps[2])
        until("the old name to lead to the new replicas", lambda: addresses_of(ns, "eureka") == addresses_of(ns, "registry"), 30)
        # A Java server that ends resets connections, which a client keeps to it though the name leads elsewhere.
        shell(ns, directory, steps[3][:1])
        until("the Java servers to end", lambda: not ns.pods("eureka"), 60)
        java_saw = old.group.mark("removed")
        say(f"clients of the old name, while the Java servers end: {', '.join(f'{key} {java_saw[key]}' for key in FAULTS[:4])}")
        check(not any(java_saw[key] for key in FAULTS[1:4]), f"clients of the old name: {java_saw}")
        shell(ns, directory, steps[3][1:])
        pods = ns.settled(3)
        check(not ns.pods("eureka"), "Java servers are left")
        mesh(3, url("eureka"))
        for name in "eureka", "registry":
            answered(f"http://{name}.{ns.name}:8761/eureka/apps", 401)
        check(not any(restarts(pods).values()), f"restarts: {restarts(pods)}")
        old.none_wrong("clients of the old name")
        new.none_wrong("clients of the new name")
        return dict(Counter(old.stop()) + Counter(new.stop())) | dict.fromkeys(FAULTS[:4], 0)
    finally:
        ns.delete()


def certificate_required(*args):
    """Whether a client that shows no certificate is told that it needs one. It is refused in any case, but it may hear only that the
    connection is closed: its request and the refusal cross each other."""
    without = subprocess.run(client_command("get", *args), capture_output=True, text=True, check=False, timeout=30)
    if not without.returncode:
        raise AssertionError("a client without a certificate was served")
    check("certificate required" in without.stderr or "bad certificate" in without.stderr, f"without a certificate: {without.stderr}")
    return True


def shell(ns, directory, commands):
    """Runs commands of a page in a directory, for this namespace and the image of the test."""
    config = os.path.join(directory, "kubeconfig")
    with open(config, "w", encoding="utf-8") as file:
        file.write(run("kubectl", "config", "view", "--raw", "--flatten"))
    run("kubectl", "--kubeconfig", config, "config", "set-context", "--current", f"--namespace={ns.name}")
    repository, _, tag = IMAGE.rpartition(":")
    image = f"image.repository={repository},image.tag={tag},image.pullPolicy={os.environ['KUBE_PULL_POLICY']}"
    for command in commands:
        say(f"$ {command[:110]}")
        more = f" --set {image}" if command.startswith("helm install") else ""
        done = subprocess.run(
            ["bash", "-c", command + more], cwd=directory, env=os.environ | {"KUBECONFIG": config}, capture_output=True, text=True,
            check=False, timeout=600,
        )
        check(done.returncode == 0, f"{command}: {done.stderr.strip() or done.stdout.strip()}")


def addresses_of(ns, service):
    """The addresses to which a Service's name leads."""
    subsets = ns.get("endpoints", service).get("subsets", [])
    return sorted(address["ip"] for subset in subsets for address in subset.get("addresses", []))


def serials(pods):
    """The serial number of the certificate that each pod shows."""
    return {name: run(*client_command("serial", f"{address}:8761", "registry")).strip() for name, address in addresses(pods).items()}


def restarts(pods):
    return {name: pod["status"]["containerStatuses"][0]["restartCount"] for name, pod in pods.items()}


def define_custom_resources():
    """Defines what the chart makes for others' controllers, as they do, unless it is defined."""
    files = os.environ["KUBE_CUSTOM_RESOURCES"]
    for file in sorted(os.listdir(files)):
        path = os.path.join(files, file)
        name = json.loads(run("kubectl", "create", "--dry-run=client", "-o", "json", "-f", path))["metadata"]["name"]
        if run("kubectl", "get", "crd", name, "--ignore-not-found", "-o", "name"):
            continue
        run("kubectl", "create", "-f", path)  # not `apply`, which would keep the whole text in an annotation, where there is no room for it
        run("kubectl", "label", "crd", name, f"{LABEL}={os.environ['KUBE_NAMESPACE']}")
        run("kubectl", "wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")


CUSTOM = ("Certificate", "HTTPRoute", "PrometheusRule", "ServiceMonitor")


def custom_resources(it):
    """The chart's objects for cert-manager, gateways and the Prometheus operator fit their definitions."""
    define_custom_resources()
    seen = set()
    for values in sorted(os.listdir(os.path.join(CHART, "ci"))):
        text = run(
            "helm",
            "template",
            "registry",
            CHART,
            "--kube-version",
            "1.32.4",
            "--values",
            os.path.join(CHART, "ci", values),
            "--set",
            "image.repository=registry.example.com/eureka-registry,metrics.serviceMonitor.namespace=",
        )
        for document in text.split("\n---\n"):
            kind = next((line.partition(": ")[2] for line in document.splitlines() if line.startswith("kind: ")), "")
            if kind in CUSTOM:
                said = run("kubectl", "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=document)
                say(f"{values}: {said.strip()}")
                seen.add(kind)
    check(seen == set(CUSTOM), f"seen only {sorted(seen)}")


def scraped(ns, *args):
    """Does what Prometheus would: scrapes every pod as the ServiceMonitor says."""
    monitor = ns.get("servicemonitor.monitoring.coreos.com", "registry")["spec"]
    rules = ns.get("prometheusrule.monitoring.coreos.com", "registry")["spec"]["groups"]
    wanted = monitor["selector"]["matchLabels"].items()
    services = [one for one in ns.get("services")["items"] if wanted <= one["metadata"]["labels"].items()]
    check([one["metadata"]["name"] for one in services] == ["registry"], f"it selects {[one['metadata']['name'] for one in services]}")
    (endpoint,) = monitor["endpoints"]
    pods = ns.pods()
    if "targetPort" in endpoint:
        container = next(iter(pods.values()))["spec"]["containers"][0]
        port = next(one["containerPort"] for one in container["ports"] if one["name"] == endpoint["targetPort"])
    else:
        port = next(one["port"] for one in services[0]["spec"]["ports"] if one["name"] == endpoint["port"])
    secret = lambda of: b64decode(ns.get("secret", of["name"])["data"][of["key"]]).decode()
    user = ":".join(quote(secret(endpoint["basicAuth"][part]), safe="") for part in ("username", "password"))
    if endpoint["scheme"] == "https":
        check(secret(endpoint["tlsConfig"]["ca"]["secret"]) == contents(args[0].partition("=")[2]), "it names another authority")
        args = (*args, f"--name={endpoint['tlsConfig']['serverName']}")
    for address in addresses(pods).values():
        target = f"{endpoint['scheme']}://{{}}{address}:{port}{endpoint['path']}"
        text = answered(target.format(f"{user}@"), 200, *args)
        check("\neureka_peer_available{" in text, f"{target}: {text[:200]}")
        answered(target.format(""), 401, *args)
    say(
        f"{len(pods)} pods scraped by {endpoint['scheme']} on port {port} as the ServiceMonitor says; "
        f"{sum(len(group['rules']) for group in rules)} alert rules"
    )


def fleet(it):
    """10,000 instances renew and fetch against three replicas of 0.25 CPU and 128 MB."""
    ns = Namespace(f"{it.ns.name}-fleet", CHART, IMAGE)
    try:
        ns.install("registry", *FLEET_SETS)
        url = f"http://registry.{ns.name}:8761/eureka/"
        mesh(len(ns.pods()), url)
        # As the first client of each replica does. Deltas alone would show that clients knew a registry before this one.
        for pod in ns.pods():
            ns.ask(pod, "/eureka/apps/")
        before = failed_probes(ns)  # those of a port that was not open yet
        accounted = lambda: (used := cpu_and_memory(ns)).keys() >= ns.pods().keys() and used
        used = until("kubelet to account for every pod", accounted, 60)
        instances, ramp, hold = (
            os.environ.get(f"KUBE_FLEET{name}", usual) for name, usual in (("", "10000"), ("_RAMP", "30s"), ("_HOLD", "45s"))
        )
        command = client_command("fleet", f"--url={url}", f"--instances={instances}", f"--ramp={ramp}", f"--hold={hold}")
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peaks, most, begin = {}, dict.fromkeys(ns.pods(), 0), time.monotonic()
        while process.poll() is None:
            # A look that is too late for its answer is no fault of the registry: what counts is what the clients see.
            with contextlib.suppress(Failed, json.JSONDecodeError):
                for pod, (_, memory) in cpu_and_memory(ns).items():
                    peaks[pod] = max(peaks.get(pod, 0), memory)
                    health = json.loads(ns.ask(pod, "/actuator/health"))
                    most[pod] = max(most.get(pod, 0), health["components"]["registry"]["details"]["instances"])
            time.sleep(1)
        elapsed, after = time.monotonic() - begin, cpu_and_memory(ns)
        seen = json.loads(process.stdout.read())
        say(f"{seen['calls']} calls on {seen['connections']} connections, {seen['megabytes']} MB received, "
            f"p50 {seen['p50_ms']:.1f} ms, p99 {seen['p99_ms']:.1f} ms, slowest {seen['max_ms']:.0f} ms")
        for pod, (cpu, _) in after.items():
            average, most_memory = (cpu - used[pod][0]) / elapsed * 1000, peaks.get(pod, 0) / 1e6
            say(f"{pod}: {average:.0f} m CPU on average, working set at most {most_memory:.0f} MB")
        check(not seen["failed"] and not seen["renewals_404"], f"failed {seen['failed']}, 404 {seen['renewals_404']}: {seen['errors']}")
        lost = int(instances) - min(most.values())
        check(not lost, f"instances at most: {most}")
        again = restarts(ns.pods())
        check(not any(again.values()), f"restarts: {again}")
        unhealthy = failed_probes(ns) - before
        check(not unhealthy, f"failed probes: {unhealthy}")
        say(f"no failed probe, no restart, no failed call, {instances} instances at each replica")
        return {"calls": seen["calls"], "failed": seen["failed"], "renewals_404": seen["renewals_404"], "lost": lost}
    finally:
        ns.delete()


def pod_ends(it):
    """With kubernetesAware.enabled an instance is gone a second after its pod."""
    watched_pods.one_ends(f"{it.ns.name}-ends", CHART, IMAGE)


def pods(it):
    """Seconds that an instance stays whose pod is dead: Java server, ours, and ours that watches pods."""
    watched_pods.compare(f"{it.ns.name}-pods", CHART, IMAGE)


def rollout(it):
    """Failed calls while an application is updated: Java server, ours, ours that watches pods, ours with drains."""
    rolling.compare(f"{it.ns.name}-rollout", CHART, IMAGE)


def failed_probes(ns):
    """How often each probe failed, counted by what Kubernetes says of it."""
    events = [event for event in ns.get("events")["items"] if event["reason"] == "Unhealthy"]
    return Counter({(event["involvedObject"]["name"], event["message"]): event.get("count") or 1 for event in events})


def cpu_and_memory(ns):
    """CPU seconds used and working set in bytes, by pod, as kubelet accounts them."""
    seen = {}
    for node in json.loads(run("kubectl", "get", "nodes", "-o", "json"))["items"]:
        summary = json.loads(run("kubectl", "get", "--raw", f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"))
        for pod in summary["pods"]:
            if pod["podRef"]["namespace"] == ns.name:
                cpu, memory = pod.get("cpu", {}), pod.get("memory", {})
                seen[pod["podRef"]["name"]] = (cpu.get("usageCoreNanoSeconds", 0) / 1e9, memory.get("workingSetBytes", 0))
    return seen


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # so that what was started is ended
    it = Run()
    wanted = sys.argv[1:]
    shared = [  # one release, with the clients
        start,
        names,
        helm_test,
        clients,
        peers,
        scale,
        pod_deleted,
        replica_killed,
        rolling_update,
        canary,
        on_delete,
        failed_update,
        all_deleted,
        uninstalled,
    ]
    alone = [
        other_names,
        other_domain,
        plain_manifests,
        custom_resources,
        authentication_on,
        made_password,
        moved_paths,
        secured,
        pod_ends,
        fleet,
    ]
    # Long, or not yet steady on busy machines: played only where they are named.
    named = [volumes, java_servers_replaced, unschedulable, pods, rollout]
    harmful = {all_deleted: ("partial", "lost")}  # takes the whole registry away: calls fail, but clients lose nobody
    needed = (start, clients, uninstalled)  # by every other shared one
    every = shared + alone + named
    plan = [one for one in every if one.__name__ in wanted] if wanted else shared + alone
    if set(plan) & set(shared):
        plan = [one for one in every if one in plan or one in needed]
    unknown = set(wanted) - {one.__name__ for one in plan}
    if unknown:
        sys.exit(f"no such scenario: {', '.join(sorted(unknown))}")
    try:
        for function in plan:
            it.scenario(function, harmful.get(function, FAULTS))
            if function in needed[:2] and it.rows[-1]["verdict"] != "ok":
                break  # the others would only say the same again
    finally:
        for application in it.spring:
            application.stop()
    it.table()
    bad = sum(row["verdict"] != "ok" for row in it.rows)
    print(f"\n{len(it.rows) - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)


main()
