"""All servers of a cluster are killed at once, and their pods deleted: what many clients and Spring Boot applications see of it."""

import os
import re
import shlex
import subprocess
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

from cluster import SPRING, Group, addresses, answered, check, is_ready, say, uids, until

CLIENTS = int(os.environ.get("KUBE_CROWD", "1000"))
APP = "CROWD"
# Three Java servers on two cores take long to tell each other of a thousand.
CLIENTS_OF_JAVA = min(CLIENTS, 200)
HEADS = {
    "servers": "all servers killed at once", "clients": "clients", "calls": "calls", "failed": "failed calls", "partial": "partial answers",
    "empty": "of them empty", "renewals_404": "404 renewals", "whole": "whole after (s)",
    "fewest": "fewest in an application's list",
}


class Crowd:
    """Clients that renew and fetch every 30 s, which is Spring's default, and Spring Boot applications whose lists are looked at."""

    def __init__(self, url, applications, count):
        self.url, self.applications, self.count = url, applications, count
        self.wanted = {APP.lower(): count} | dict.fromkeys(SPRING, 1)
        self.clients = Group(url, count, "30s", f"--app={APP}")

    def settle(self):
        """Waits until each application sees everybody."""
        applications = self.applications
        short = lambda: any(self.lacking(application.ask("seen")) for application in applications)
        until("the applications to see everybody", lambda: not short(), 240)
        say(f"{self.count} clients, and {len(applications)} Spring Boot applications that see all of them and each other")

    def kill_servers(self, ns, servers, statefulset="registry"):
        """Kills all, and waits until the new servers have everybody and the applications have fetched that. Returns what was seen."""
        before = ns.pods(statefulset)
        for application in self.applications:
            application.ask("fewest", "POST")
        self.clients.mark("before")
        begin = time.monotonic()
        kill(before.values())
        ns.kubectl("delete", "pod", *before, "--force", "--grace-period=0", "--wait=false")

        def whole():
            pods = ns.pods(statefulset)
            if len(pods) < len(before) or set(uids(pods).values()) & set(uids(before).values()) or not all(map(is_ready, pods.values())):
                return False
            # Not before all are ready: somebody who fetches everything first looks like a client that has no list to lose.
            for name, address in addresses(pods).items():
                missing = self.count - present(answered(at(self.url, address), 200))
                check(not missing, f"{name} lacks {missing} of {self.count}")
            return True

        until("the new servers to have everybody", whole, 180)
        took = time.monotonic() - begin
        for application in self.applications:
            fetches = application.ask("fewest")["fetches"]
            until(f"{application.name} to fetch", lambda one=application, many=fetches: one.ask("fewest")["fetches"] > many, 90)
        seen = self.clients.mark("deleted")
        fewest = {one.name: one.ask("fewest")["instances"] for one in self.applications}
        for name, instances in fewest.items():
            if lost := self.lacking(instances):
                say(f"{name} had a list with {', '.join(f'{few} of {self.wanted[service]} {service}' for service, few in lost.items())}")
        for what, times in sorted(seen.get("errors", {}).items(), key=lambda item: -item[1])[:4]:
            say(f"{times} times: {what}")
        return {key: seen[key] for key in ("calls", "failed", "partial", "empty", "renewals_404", "lost")} | {
            "servers": servers, "clients": self.count, "whole": took,
            "fewest": min(instances.get(APP.lower(), 0) for instances in fewest.values()),
            "short": {name: lost for name, instances in fewest.items() if (lost := self.lacking(instances))},
        }

    def lacking(self, instances):
        """Of which services an application's list has fewer instances than there are."""
        return {service: instances.get(service, 0) for service, all_of_it in self.wanted.items() if instances.get(service, 0) < all_of_it}


@contextmanager
def crowd(url, applications, count=CLIENTS):
    """A crowd that is settled, and is ended afterwards; not the applications."""
    made = Crowd(url, applications, count)
    try:
        made.settle()
        yield made
    finally:
        made.clients.stop()


def kill(pods):
    """Kills the processes of pods, all at once. Otherwise they live for two seconds more, and new ones could still copy from them."""
    command = os.environ.get("KUBE_KILL")
    if not command:
        say("KUBE_KILL names no command that kills a container: the pods are told to end instead")
        return
    containers = [pod["status"]["containerStatuses"][0]["containerID"].partition("//")[2] for pod in pods]
    killing = [subprocess.Popen([*shlex.split(command), container]) for container in containers]
    codes = [one.wait(timeout=30) for one in killing]
    check(not any(codes), f"the command of KUBE_KILL ended with {codes}")


def present(answer):
    """How many of the clients an answer has."""
    return len(set(re.findall(rf'"instanceId":"({APP.lower()}-\d+)"', answer)))


def at(url, address):
    """Where one server answers with everything."""
    parts = urlsplit(url)
    user, sign, _ = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user}{sign}{address}:{parts.port}{parts.path}apps/"


def none_lost(seen, *more):
    """Fails if a client that had a list was given one without somebody who lives."""
    wrong = {key: seen[key] for key in ("partial", "lost", "short", *more) if seen[key]}
    check(not wrong, f"clients lost who lives: {wrong}")


def table(rows):
    """Prints what was seen of each cluster, one beside the other."""
    lines = [list(HEADS.values())]
    lines += [[f"{row[key]:.1f}" if key == "whole" else str(row[key]) for key in HEADS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print()
    for line in lines:
        print("  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in list(zip(line, widths, strict=True))[1:])]))
