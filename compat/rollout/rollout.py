"""Updates an application one instance after the other, while others call it, and prints how many calls failed.

Arguments: the binary, the directories of the Java server, of the application and of the gateway, a directory for logs; then what to play.
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
    """One server, the instances of an application, and their callers: one by a load balancer, one through a gateway."""

    def __init__(self, arguments, kind):
        self.arguments, self.kind = arguments, kind
        self.ports = [lib.ReservedPort() for _ in range(2 * INSTANCES + 4)]
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

    def start_application(self, name, port, options=(), program=None):
        """An application with the defaults of Spring Cloud; instances are called by the id that says which port they have."""
        classes, main = program or (self.arguments.application, "compat.Application")
        settings = ["--server.address=127.0.0.1", f"--server.port={port}", f"--spring.application.name={name}",
                    f"--eureka.instance.instance-id={name}:{port}", "--eureka.instance.hostname=127.0.0.1",
                    "--eureka.instance.ip-address=127.0.0.1",
                    f"--eureka.client.service-url.defaultZone={self.registry}/eureka/", *options]
        if self.arguments.short:
            settings += [f"--eureka.client.registry-fetch-interval-seconds={SHORT_INTERVAL}",
                         "--spring.cloud.loadbalancer.cache.enabled=false"]
        process = self.java(f"{name}-{port}", classes, main, settings)
        lib.until(f"{name} at {port}", lambda: lib.request(f"http://127.0.0.1:{port}/work"), 120)
        return process

    def start_callers(self):
        balanced, through_gateway, gateway = (port.number for port in self.ports[-3:])
        route = "--spring.cloud.gateway.server.webflux.routes[0]."
        self.start_application("gateway", gateway, [f"{route}id=orders", f"{route}uri=lb://orders", f"{route}predicates[0]=Path=/work"],
                               (self.arguments.gateway, "compat.Gateway"))
        self.start_application("balanced", balanced, ["--calls.of=orders"])
        self.start_application("through-gateway", through_gateway, [f"--calls.of=127.0.0.1:{gateway}"])
        # Until they know all instances, and so do their load balancers.
        lib.until("the callers to know all", lambda: all(known == INSTANCES for _, _, known in self.counts()), 120)
        time.sleep(0 if self.arguments.short else LOADBALANCER + 5)

    def counts(self):
        """For each caller: calls that were answered and that failed, and the instances that it knows."""
        asked = [lib.request(f"http://127.0.0.1:{port.number}/counts") for port in self.ports[-3:-1]]
        return [tuple(int(word) for word in text.split()) for text in asked]

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
        self.start_callers()
        before = self.counts()
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
        calls = [(after[0] - first[0], after[1] - first[1]) for first, after in zip(before, self.counts(), strict=True)]
        return calls, took, drains

    def end(self):
        for process in self.running:
            process.kill()
        for process in self.running:
            process.wait(20)


def main():
    parser = argparse.ArgumentParser()
    for name in ("binary", "server", "application", "gateway", "work"):
        parser.add_argument(name)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("kinds", nargs="*", choices=("java", "ours", "drain"), default=["java", "ours", "drain"])
    arguments = parser.parse_args()
    print("| | LoadBalancer: failed | of | Gateway: failed | of | rollout | each drain |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    failures = {}
    for kind in arguments.kinds:
        rollout = Rollout(arguments, kind)
        try:
            calls, took, drains = rollout.play()
        finally:
            rollout.end()
        columns = " | ".join(f"{failed} | {answered + failed}" for answered, failed in calls)
        each = ", ".join(f"{drain:.0f} s" for drain in drains) or "no drain"
        print(f"| {kind} | {columns} | {took:.0f} s | {each} |", flush=True)
        failures[kind] = sum(failed for _, failed in calls)
    if failures.get("drain"):
        raise SystemExit("calls failed although each instance was drained")


if __name__ == "__main__":
    main()
