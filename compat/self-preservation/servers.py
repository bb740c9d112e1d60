"""The three columns: a Java server, and ours in both modes of self-preservation."""

import json
import os
import re
import subprocess
from pathlib import Path

import lib

# Seconds between two renewals, and of a lease: a sixth and a third of the defaults. A lease that was renewed lasts for two durations, at
# the Java server and at ours.
INTERVAL, DURATION = 5, 30
# Seconds for which ours keeps expired leases at most, in place of half an hour.
MAX_DURATION = 65

running = []


def end_all():
    """Ends this process and all servers at once."""
    for process in running:
        process.kill()
    os._exit(1)


class Server:
    """One server without peers. What it shows is read as a person reads it."""

    def __init__(self, name, work):
        self.port = lib.ReservedPort()
        self.url = f"http://127.0.0.1:{self.port.number}"
        self.command = [
            *self.program(), "--server.address=127.0.0.1", f"--server.port={self.port.number}", "--eureka.instance.hostname=127.0.0.1",
            "--eureka.client.register-with-eureka=false", "--eureka.client.fetch-registry=false",
            f"--eureka.client.service-url.defaultZone={self.url}/eureka/", *lib.JAVA_ANSWERS_ANEW,
            "--eureka.server.wait-time-in-ms-when-sync-empty=0", "--eureka.server.eviction-interval-timer-in-ms=500",
            "--eureka.server.renewal-threshold-update-interval-ms=10000",
            f"--eureka.server.expected-client-renewal-interval-seconds={INTERVAL}", *self.options(),
        ]
        # No name that ends with `.log`: of these the shell prints the last lines of a run that failed, and these say the same all the time.
        with open(Path(work, f"{name}.txt"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=work)
        running.append(self.process)
        self.log = log.name

    def program(self):
        raise NotImplementedError

    def options(self):
        return []

    def get(self, path, accept="application/json"):
        return lib.request(self.url + path, accept=accept, seconds=30)

    def ids(self):
        """The instances that a client fetches."""
        applications = json.loads(self.get("/eureka/apps"))["applications"]["application"]
        return {instance["instanceId"] for application in applications for instance in application["instance"]}

    def shown(self):
        """The renewals of the last full minute, and whether self-preservation is active."""
        raise NotImplementedError

    def is_open(self):
        """Whether clients can register. Raises OSError if it does not answer."""
        self.check()
        return self.shown()[0] is not None

    def check(self):
        """Raises an error if its process has ended."""
        if self.process.poll() is not None:
            end = Path(self.log).read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"a server ended with {self.process.returncode}: {end}")

    def stop(self):
        lib.end(self.process, 20)


class Java(Server):
    column = "Java server"
    classes = None

    def program(self):
        boot = Path(self.classes, "BOOT-INF")
        options = ["-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
        return ["java", *options, "-cp", f"{boot / 'classes'}:{boot / 'lib'}/*", "compat.JavaServer"]

    def is_open(self):
        self.check()
        # It answers before it counts those that register. It does count once it expects a client of its own.
        return self.figure("Renews threshold", self.page()) > 0

    def page(self):
        return self.get("/", accept="text/html")

    @staticmethod
    def figure(name, page):
        return int(re.sub(r"\D", "", re.search(rf"{re.escape(name)}</td>\s*<td>([\d,.]+)", page)[1]))

    def shown(self):
        page = self.page()
        return self.figure("Renews (last min)", page), "EMERGENCY!" in page


class Ours(Server):
    binary = None
    mode = None

    def program(self):
        return [self.binary]

    def options(self):
        return [
            f"--registry.self-preservation.mode={self.mode}", f"--registry.self-preservation.max-duration={MAX_DURATION}s",
            "--registry.shutdown.lame-duck=0",
        ]

    def shown(self):
        state = json.loads(self.get("/api/v1/self-preservation"))
        return state["renewalsLastMinute"], state["state"] == "active"


class OursAsJava(Ours):
    column = mode = "java"


class OursByDefault(Ours):
    column = mode = "per-application"


COLUMNS = [Java, OursAsJava, OursByDefault]
