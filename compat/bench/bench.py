"""Drives the Java server and ours with the same load and prints one table; see `run`."""

import argparse
import functools
import json
import os
import sys
import time

import cases
import connections
import instances
import nacos
import peers
import ratios
import report
import servers
from load import AnswerWasAnError, Plan

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("single", "bare", "beside_bare", "nacos", "heartbeat_with_peer", "lag", "growth", "churn", "delta_traffic", "connections",
         "million")


def options():
    parser = argparse.ArgumentParser(prog="compat/bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds, small sizes: a smoke run, whose numbers mean little")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each case instead of 3; the median counts")
    parser.add_argument("--only", action="append", metavar="NAME", default=[],
                        help=f"only this part ({', '.join(PARTS)}) or this case of `single` (heartbeat, delta, ...); repeatable")
    parser.add_argument("--ours-only", action="store_true", help="without the Java server")
    parser.add_argument("--java-only", action="store_true", help="without ours")
    parser.add_argument("--ours", metavar="BIN", help="the eureka-registry binary")
    parser.add_argument("--java", metavar="JAR", help="the Java server's jar")
    parser.add_argument("--bare", metavar="BIN", help="the binary of bare/")
    parser.add_argument("--rnacos", metavar="BIN", help="the r-nacos binary: adds its column")
    parser.add_argument("--million", action="store_true", help="also 1,000,000 instances, ours, once")
    return parser.parse_args()


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":", 1)[1].strip() for line in info if line.startswith("model name")), "unknown")
    return {"cores": os.cpu_count(), "model": model, "load_average": os.getloadavg(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class Bench:
    """The parts of a run, each of which adds its numbers to `results`."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.effort = cases.Effort(arguments.quick, arguments.rounds)
        self.results = {"machine": machine(), "quick": arguments.quick}
        self.kinds = [] if arguments.ours_only or not arguments.java else [servers.Java]
        if arguments.ours and not arguments.java_only:
            self.kinds.append(servers.Ours)
        self.case_names = [name for name in arguments.only if name not in PARTS]

    def wants(self, part):
        only = self.arguments.only
        return not only or part in only or (part == "single" and bool(self.case_names))

    def put(self, kind, name, value):
        self.results.setdefault(kind, {})[name] = value

    def run(self):
        for part in PARTS:
            if self.wants(part):
                print(f"{part}:", flush=True)
                getattr(self, part)()

    def single(self):
        for kind in self.kinds:
            found = cases.single(kind, self.effort, only=self.case_names or None)
            quiet, churned = (found["cases"].get(name, {}).get("cpu_us") for name in ("full_gzip", "under_churn"))
            if quiet and churned:
                found["churn_ratio"] = churned / quiet
            self.put(kind.kind, "single", found)

    def bare(self):
        """Handlers that do nothing, the large one with as many bytes as ours sends."""
        if not self.arguments.bare:
            return
        fleet = instances.Fleet(10_000)
        ours = self.results.get("ours", {}).get("single", {}).get("cases", {})
        document_bytes = round(ours.get("full_gzip", {}).get("bytes_each", 447_000))
        with servers.Bare(document_bytes) as server:
            found = {"start_seconds": server.start_seconds, "memory_empty_mb": server.memory(), "cases": {}}
            found["cases"]["heartbeat"] = cases.heartbeat(server, fleet, self.effort)
            with Plan((1, [instances.get(server.host, "/eureka/apps/")])) as plan:
                found["cases"]["full_gzip"] = cases.drive(server, self.effort, plan, connections=8)
            found["cases"]["beside_fetches"] = cases.heartbeats_beside_fetches(server, fleet, self.effort)
            for name, result in found["cases"].items():
                cases.tell(server, name, result)
        self.put("bare", "single", found)

    def beside_bare(self):
        if not self.arguments.bare or servers.Ours not in self.kinds:
            return
        found = ratios.measure(self.effort)
        for name, one in found.items():
            low, high = one["ratio_range"]
            print(f"  ours     {name:14} {one['ours_us']:.1f} us beside {one['bare_us']:.1f} us: {one['ratio']:.2f} times "
                  f"({low:.2f} to {high:.2f} in {one['rounds']} rounds)", flush=True)
        self.put("ours", "beside_bare", found)

    def nacos(self):
        if not self.arguments.rnacos:
            return
        self.put("r-nacos", "single", nacos.measure(self.effort))

    def heartbeat_with_peer(self):
        for kind, addresses in self.clusters(2):
            found = peers.heartbeat_with_peer(kind, addresses, self.effort)
            print(f"  {kind.kind:8} {found['cpu_us']:.1f} us at the receiver, {found['others_cpu_us'][0]:.1f} us at the peer, "
                  f"{found['per_second']:.0f}/s", flush=True)
            self.put(kind.kind, "heartbeat_with_peer", found)

    def lag(self):
        for kind, addresses in self.clusters(3):
            found = peers.measure(kind, addresses, self.effort)
            for how in ("by_id", "in_full"):
                print(f"  {kind.kind:8} {how:8} p50 {found[how]['p50_ms']:8.1f} ms  p99 {found[how]['p99_ms']:8.1f} ms  "
                      f"of {found[how]['samples']}", flush=True)
            self.put(kind.kind, "lag", found)

    def clusters(self, ours):
        """Addresses for a cluster of each kind: two Java servers, and the requested number of ours."""
        for kind in self.kinds:
            count, first = (2, 21) if kind is servers.Java else (ours, 11)
            yield kind, [f"127.0.0.{first + index}" for index in range(count)]

    def growth(self):
        if servers.Ours not in self.kinds:
            return
        rows = {}
        for count in (1_000, 10_000) if self.arguments.quick else (1_000, 10_000, 100_000):
            rows[str(count)] = cases.scale(servers.Ours, count, self.effort)
            print(f"  ours     {count} instances done", flush=True)
            self.put("ours", "growth", rows)

    def churn(self):
        if servers.Ours not in self.kinds:
            return
        fleet, rows = instances.Fleet(10_000), {}
        for rate in (1, 100) if self.arguments.quick else (1, 10, 100, 1_000):
            with servers.Ours() as server:
                cases.register_all(server, fleet)
                cases.wait_until_visible(server, fleet.count)
                rows[str(rate)] = cases.under_churn(server, fleet, self.effort, rate)
                cases.tell(server, f"{rate} changes/s", rows[str(rate)])
                rows[str(rate)]["beats"] = cases.heartbeats_under_churn(server, fleet, self.effort, rate)
                cases.tell(server, "    heartbeats", rows[str(rate)]["beats"])
        self.put("ours", "churn", rows)

    def delta_traffic(self):
        for kind in self.kinds:
            found = {str(rate): cases.delta_traffic(kind, rate) for rate in (1, 10)}
            for rate, each in found.items():
                print(f"  {kind.kind:8} {rate} changes/s: {each:,.0f} bytes a minute for each client", flush=True)
            self.put(kind.kind, "delta_traffic", found)

    def connections(self):
        for kind in self.kinds:
            self.put(kind.kind, "connections", connections.measure(kind, self.arguments.quick))

    def million(self):
        if not self.arguments.million or servers.Ours not in self.kinds:
            return
        # The first answer in a form takes the better part of the 20 s after which a connection on which nothing
        # moves is closed.
        patient = functools.partial(servers.Ours, options=["--registry.http.body-timeout=120s"])
        self.put("ours", "million", cases.scale(patient, 1_000_000, self.effort))


def main():
    arguments = options()
    servers.Ours.binary = arguments.ours and os.path.abspath(arguments.ours)
    servers.Java.jar = arguments.java and os.path.abspath(arguments.java)
    servers.Bare.binary = arguments.bare and os.path.abspath(arguments.bare)
    servers.Nacos.binary = arguments.rnacos and os.path.abspath(arguments.rnacos)
    bench = Bench(arguments)
    failure = None
    try:
        bench.run()
    except AnswerWasAnError as error:
        failure = str(error)
    finally:
        os.makedirs(os.path.join(HERE, "out"), exist_ok=True)
        with open(os.path.join(HERE, "out", "bench.json"), "w") as out:
            json.dump(bench.results, out, indent=1)
    lines, met, missed = report.table(bench.results)
    about = bench.results["machine"]
    print(f"\n{about['cores']} cores of {about['model']}, load average at the start {about['load_average'][0]:.1f}; "
          f"wrk with one thread over loopback; CPU is the server's own, from /proc\n")
    print("\n".join(lines + report.growth(bench.results) + report.noise(bench.results) + report.pace_note(bench.results)))
    print(f"\n{met} goals met, {missed} missed; all numbers are in compat/bench/out/bench.json")
    if failure:
        sys.exit(f"FAILED: {failure}")


if __name__ == "__main__":
    main()
