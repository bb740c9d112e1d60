"""Updates an application one instance after the other, while a caller calls it, and prints how many calls failed.

Arguments: the binary, the directories of the Java server and of the application, a directory for logs; then what to play.
"""

import argparse
import json
import subprocess
import time
import urllib.request
from pathlib import Path

import lib

INSTANCES = 3
# Seconds for which Spring Cloud LoadBalancer keeps its list by default.
LOADBALANCER = 35
SHORT_INTERVAL = 5


class Rollout:
    """One server, the instances of an application, and their caller."""

    def __init__(self, arguments, kind):
        self.arguments, self.kind = arguments, kind
        self.ports = [lib.ReservedPort() for _ in range(2 * INSTANCES + 2)]
        self.registry = f"http://127.0.0.1:{self.ports[0].number}"
        self.running = []

    def start(self, name, command):
        # No name that ends with `.log`: of these the shell prints the last lines of a run that failed.
        with open(Path(self.arguments.work, f"{self.kind}-{name}.txt"), "w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def java(self, name, classes, main, options):
        boot = Path(classes, "BOOT-INF")
        jvm = ["-Xmx160m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return self.start(name, ["java", *jvm, "-cp", f"{boot / 'classes'}:{boot / 'lib'}/*", main, *options])

    def start_registry(self):
        port = self.ports[0].number
        common = ["--server.address=127.0.0.1", f"--server.port={port}"]
        if self.kind == "java":
            alone = ["--eureka.client.register-with-eureka=false", "--eureka.client.fetch-registry=false",
                     "--eureka.server.wait-time-in-ms-when-sync-empty=0",
                     f"--eureka.client.service-url.defaultZone={self.registry}/eureka/"]
            self.java("registry", self.arguments.server, "compat.JavaServer", [*common, *alone])
        else:
            self.start("registry", [self.arguments.binary, *common, "--registry.shutdown.lame-duck=0"])
        lib.until("the registry", lambda: lib.request(f"{self.registry}/eureka/apps"), 90)

    def start_application(self, name, port, options=()):
        """An application with the defaults of Spring Cloud; instances are called by the id that says which port they have."""
        settings = ["--server.address=127.0.0.1", f"--server.port={port}", f"--spring.application.name={name}",
                    f"--eureka.instance.instance-id={name}:{port}", "--eureka.instance.hostname=127.0.0.1",
                    "--eureka.instance.ip-address=127.0.0.1",
                    f"--eureka.client.service-url.defaultZone={self.registry}/eureka/", *options]
        if self.arguments.short:
            settings += [f"--eureka.client.registry-fetch-interval-seconds={SHORT_INTERVAL}",
                         "--spring.cloud.loadbalancer.cache.enabled=false"]
        process = self.java(f"{name}-{port}", self.arguments.application, "compat.Application", settings)
        lib.until(f"{name} at {port}", lambda: lib.request(f"http://127.0.0.1:{port}/work"), 120)
        return process

    def counts(self):
        """Calls that were answered and that failed, and the instances that the caller knows."""
        return tuple(int(word) for word in lib.request(f"http://127.0.0.1:{self.ports[-1].number}/counts").split())

    def drain(self, port):
        """What the preStop hook does. Returns how many seconds it took."""
        interval, settle = (SHORT_INTERVAL, 0) if self.arguments.short else (30, LOADBALANCER)
        url = f"{self.registry}/api/v1/applications/ORDERS/instances/orders:{port}/drain"
        request = urllib.request.Request(f"{url}?timeout=90s&interval={interval}s&settle={settle}s", method="POST", data=b"")
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=300) as answer:
            report = json.load(answer)
        if not report["drained"]:
            raise RuntimeError(f"not drained: {report}")
        return time.monotonic() - began

    def play(self):
        self.start_registry()
        old = [(self.ports[number], self.start_application("orders", self.ports[number].number)) for number in range(1, INSTANCES + 1)]
        self.start_application("caller", self.ports[-1].number, ["--calls.of=orders"])
        # Until the caller knows all of them, and its load balancer does.
        lib.until("the caller to know all", lambda: self.counts()[2] == INSTANCES, 120)
        time.sleep(0 if self.arguments.short else LOADBALANCER + 5)
        answered, failed, _ = self.counts()
        began, drains = time.monotonic(), []
        for number, (port, process) in enumerate(old):
            if self.kind == "drain":
                drains.append(self.drain(port.number))
            process.terminate()
            process.wait(60)
            self.start_application("orders", self.ports[INSTANCES + 1 + number].number)
        took = time.monotonic() - began
        # Whatever anybody still has of the last one is forgotten after this: the server's cache, the fetch, the load balancer's cache.
        time.sleep(45 if self.arguments.short else 30 + 30 + LOADBALANCER + 10)
        now_answered, now_failed, _ = self.counts()
        return now_answered - answered, now_failed - failed, took, drains

    def end(self):
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait(20)


def main():
    parser = argparse.ArgumentParser()
    for name in ("binary", "server", "application", "work"):
        parser.add_argument(name)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("kinds", nargs="*", choices=("java", "ours", "drain"), default=["java", "ours", "drain"])
    arguments = parser.parse_args()
    print("| | failed calls | of | rollout | each drain |")
    print("| --- | --- | --- | --- | --- |")
    failures = {}
    for kind in arguments.kinds:
        rollout = Rollout(arguments, kind)
        try:
            answered, failed, took, drains = rollout.play()
        finally:
            rollout.end()
        each = ", ".join(f"{drain:.0f} s" for drain in drains) or "no drain"
        print(f"| {kind} | {failed} | {answered + failed} | {took:.0f} s | {each} |", flush=True)
        failures[kind] = failed
    if failures.get("drain"):
        raise SystemExit("calls failed although each instance was drained")


if __name__ == "__main__":
    main()
