"""One replica, ours or a Java server: a process in the namespace of its host."""

import asyncio
import glob
import os
import signal
import subprocess
from pathlib import Path

import lib

from . import names
from .http import Caller, NoAnswer
from .namespace import Namespace, die_with_parent

PORT = 8761
SERVICE = "registry.lab.test"
# Seconds that a full fetch may take where it is waited for what it shows, and not looked again and again.
LONG_LOOK = 10.0
# Freed memory goes back to the system at once, so that the process's memory is what it holds.
QUIET_HEAP = {"MIMALLOC_PURGE_DELAY": "0", "MIMALLOC_PURGE_DECOMMITS": "1"}
LEASES = [
    "--eureka.server.eviction-interval-timer-in-ms=1000",
    "--eureka.server.enable-self-preservation=false",
]
OURS = ["--registry.discovery.refresh-interval=1s", f"--registry.discovery.nameservers={names.ADDRESS}:53"]
JAVA = [
    "--spring.application.name=eureka", *lib.JAVA_ANSWERS_ANEW,
    "--eureka.client.registry-fetch-interval-seconds=1", "--eureka.server.wait-time-in-ms-when-sync-empty=0",
    "--eureka.server.registry-sync-retries=1", "--eureka.server.registry-sync-retry-wait-ms=1000",
    "--eureka.client.initial-instance-info-replication-interval-seconds=1",
    "--eureka.instance.lease-renewal-interval-in-seconds=2", "--eureka.instance.prefer-ip-address=true",
]


class Host:
    """A namespace on the switch, with a name server of its own."""

    def __init__(self, lab, name, zone=None):
        self.lab, self.name = lab, name
        lab.hosts += 1
        self.namespace = Namespace(f"10.23.0.{lab.hosts}")
        self.address = self.namespace.address
        self.zone = zone or lab.zone
        lab.switch.plug(self.namespace)

    async def attach(self):
        await names.serve(self)
        return self


class Replica(Host):
    def __init__(self, lab, name, kind="ours", zone=None, user=None):
        super().__init__(lab, name, zone)
        self.kind = kind
        self.log = Path(lab.folder, f"{name}.log")
        self.caller = Caller(self.namespace, PORT, user)
        self.process, self.arguments = None, []
        self.started = 0.0

    def __str__(self):
        return self.name

    def configure(self, arguments):
        self.arguments = arguments
        return self

    def start(self, *more, clock=None, monotonic=False):
        """Starts the process. `clock`: seconds that its clock is ahead of this machine's; with `monotonic`, steps of it move its
        monotonic clock, too."""
        with self.log.open("a", encoding="utf-8") as log, self.namespace:
            log.write(f"### started {self.lab.now():.1f} s into the scenario\n")
            log.flush()
            self.process = subprocess.Popen(
                self.command(more), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.lab.empty,
                env=self.environment(clock, monotonic), preexec_fn=die_with_parent,  # noqa: PLW1509, there is one thread
            )
        self.started = self.lab.now()
        return self

    def command(self, more):
        common = [f"--server.port={PORT}", *LEASES]
        if self.kind == "java":
            identity = [f"--eureka.instance.hostname={self.address}", f"--eureka.instance.ip-address={self.address}",
                        f"--eureka.instance.instance-id={self.address}:eureka:{PORT}"]
            java = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-jar", self.lab.options.jar]
            return java + common + JAVA + identity + self.arguments + list(more)
        return [self.lab.options.binary, *common, *OURS, *self.arguments, *more]

    def environment(self, clock, monotonic):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.lab.empty), "NO_COLOR": "1", **QUIET_HEAP}
        if clock is not None:
            self.clock_file().write_text(f"{clock:+d}\n", encoding="ascii")
            environment |= {
                "LD_PRELOAD": faketime(), "FAKETIME_TIMESTAMP_FILE": str(self.clock_file()), "FAKETIME_NO_CACHE": "1",
            }
            if not monotonic:
                environment |= {"DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return environment

    def clock_file(self):
        return Path(self.lab.folder, f"{self.name}.clock")

    def step_clock(self, seconds):
        """Its clock is `seconds` ahead from now on."""
        beside = self.clock_file().with_suffix(".new")
        beside.write_text(f"{seconds:+d}\n", encoding="ascii")
        beside.replace(self.clock_file())

    async def ready(self, patience=None):
        """Waits until it answers a full fetch; returns after how many seconds."""
        patience = patience or (240 if self.kind == "java" else 60)
        while True:
            try:
                if (await self.caller.call("GET", "/eureka/apps", patience=LONG_LOOK)).status == 200:
                    return self.lab.now() - self.started
            except NoAnswer:
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended by itself with {self.process.returncode}; its log: {self.log}")
            if self.lab.now() - self.started > patience:
                raise TimeoutError(f"{self.name} did not open within {patience} s")
            await asyncio.sleep(0.02)

    async def restart(self, *more, clock=None):
        await self.kill()
        return self.start(*more, clock=clock)

    async def kill(self):
        await self.end(signal.SIGKILL)

    async def terminate(self):
        await self.end(signal.SIGTERM)

    async def end(self, how):
        self.process.send_signal(how)
        while self.process.poll() is None:
            await asyncio.sleep(0.01)
        self.caller.close()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    @property
    def up(self):
        return self.process is not None and self.process.poll() is None

    def memory_mb(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        raise SystemExit(f"{self.name} is gone; its log: {self.log}")

    def logged(self):
        return self.log.read_text(encoding="utf-8", errors="replace")

    async def shown(self, patience=2.0):
        """What a full fetch shows: instances by id. None where it refuses."""
        answer = await self.caller.call("GET", "/eureka/apps", patience=patience)
        return instances_of(answer.json()) if answer.status == 200 else None


def instances_of(document):
    applications = document["applications"]["application"]
    return {one["instanceId"]: one for application in applications for one in application["instance"]}


def faketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise SystemExit("faults: libfaketime is missing (Debian package `faketime`)")
    return found[0]
