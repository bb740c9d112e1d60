#!/usr/bin/env python3
"""Breaks the product on purpose, one fault at a time, and says which invariant of the simulation, or which test of the library,
notices it. Every fault has to be noticed: one that is not shows what the tests do not see.

Works on a copy below target/, so the sources stay as they are. SIM_SEEDS chooses the seeds (0..60).
"""

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "faults"
# Not the tree's own folder: cargo gives the two the same names.
TARGET = ROOT / "target" / "faults-build"
SEEDS = os.environ.get("SIM_SEEDS", "0..60")

# The fault, the file, its code, and the code with the fault.
FAULTS = [
    ("failed batches are dropped", "src/replication/batcher.rs",
     "            self.put_back(place, queued);", "            drop((place, queued));"),
    ("newcomers are not queued for", "src/replication/peer_eureka_nodes.rs",
     "            let changes = state.membership.announced(service_url, now);",
     "            let changes = Default::default();\n            let _ = (service_url, now);"),
    ("what is copied gets a fresh age", "src/registry/merge.rs",
     "Lease::new(key, Arc::new(record), Timestamp::NEVER, heard, now)",
     "Lease::new(key, Arc::new(record), Timestamp::NEVER, Heard { at: now, ..heard }, now)"),
    ("overrides are dated on arrival", "src/registry/merge.rs",
     "        if let Some(lease) = self.leases.get(key.as_str()) {\n            heard.into_iter()",
     "        let mut theirs = theirs;\n        let arrived = edit.clock.tick(now);\n"
     "        match &mut theirs {\n            Fact::Registered(record) => record.status_override.stamp = arrived,\n"
     "            Fact::Cancelled(tombstone) => tombstone.status_override.stamp = arrived,\n        }\n"
     "        if let Some(lease) = self.leases.get(key.as_str()) {\n            heard.into_iter()"),
    ("the digest leaves metadata out", "src/registry/digest.rs",
     "[record.data.registered, record.data.changed, record.cancelled]", "[record.data.registered, record.cancelled]"),
    ("the digest leaves overrides out", "src/registry/digest.rs",
     "    let stamps = stamps.iter().chain([&status_override.stamp]);", "    let stamps = stamps.iter();\n"
     "    let status_override = StatusOverride { status: None, ..status_override };"),
    ("the digest leaves cancellations out", "src/registry/digest.rs",
     "    hash(&tombstone.key, 2, &[tombstone.cancelled, tombstone.data.changed], tombstone.status_override)",
     "    hash(&tombstone.key, 2, &[tombstone.cancelled], tombstone.status_override).wrapping_mul(0)"),
    ("cancellations are not remembered", "src/registry/merge.rs",
     "        let merged = match edit.tombstone(key.as_str()) {",
     "        let merged = match edit.tombstone(key.as_str()).filter(|_| false) {"),
    ("evictions are not remembered", "src/registry/eviction.rs",
     "            edit.evicted.insert(key, lease.last_heard(), data);", "            drop((key, data));"),
    ("nobody is asked before an eviction", "src/replication/eviction.rs",
     "        ask_peers(&peers, nodes.around()).await;", "        let _ = nodes.around();"),
    ("stamps are not observed", "src/model/stamp.rs",
     "        self.last = self.last.max(stamp.time);\n        self.meet(stamp.millis(), now);",
     "        let _ = (stamp, now);"),
    ("what a peer heard counts as heard now", "src/registry/merge.rs",
     "heard.into_iter().for_each(|heard| lease.hear(heard));",
     "heard.into_iter().for_each(|heard| lease.hear(Heard { at: now, ..heard }));"),
    ("what a peer heard later is not taken", "src/registry/lease.rs",
     "        self.heard_ms.fetch_max(heard.at.0, Relaxed);", ""),
    ("clocks of peers are believed", "src/replication/peer_clock.rs",
     "        self.bounds().map(|(_, most)| Timestamp(theirs.0.saturating_sub(most)))",
     "        self.bounds().map(|_| theirs)"),
    ("the earlier override wins", "src/model/record.rs",
     "if (other.stamp, other.status) > (self.stamp, self.status) { other }",
     "if (other.stamp, other.status) < (self.stamp, self.status) { other }"),
    ("a peer that does not answer is nobody", "src/replication/sync_up.rs",
     "        | PeerError::Timeout\n        | PeerError::Broken(_) => Answer::Open(error.to_string()),",
     "        | PeerError::Broken(_) => Answer::Open(error.to_string()),\n        PeerError::Timeout => Answer::Refused,"),
    ("other clusters are believed", "src/http/clusters.rs",
     "    if nodes.is_of_another_cluster(&caller, cluster) {", "    if nodes.is_of_another_cluster(&caller, cluster) && false {"),
    ("a lost memory is not noticed", "src/registry/memory.rs",
     "        self.state = State::Lost(lost);", "        self.state = State::Whole;\n        let _ = &lost;"),
    ("a snapshot leaves cancellations out", "src/registry/restore.rs",
     "        for cancelled in self.cancelled.chunks(CANCELLED_IN_A_PART) {",
     "        for cancelled in self.cancelled[..0].chunks(CANCELLED_IN_A_PART) {"),
    ("what is restored has no time to renew", "src/registry/lease.rs",
     "        self.restored_ms.store(now.0, Relaxed);", "        let _ = now;"),
    ("queues are not flushed at the end", "src/server/node.rs",
     "        self.tasks.stop(deadline).await;", "        let _ = deadline;\n        drop(self.tasks);"),
    ("nothing is compared", "src/replication/peer_eureka_node.rs",
     "            self.compare(around).await?;", "            if false {\n                self.compare(around).await?;\n            }"),
    ("a registration is not replicated", "src/replication/peer_aware_registry.rs",
     "                self.replicate(Action::Register, registered.lease.key(), Some(&registered.lease), caller.source, now);",
     "                let _ = registered;"),
    ("evictions are not in the delta", "src/registry/content.rs",
     "        self.changed(lease, last, now);\n", "        let _ = (last, now);\n"),
]


def run(*arguments: str, seeds: str = SEEDS) -> subprocess.CompletedProcess:
    environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET), "SIM_SEEDS": seeds, "SIM_BRIEF": "1"}
    environment.pop("SIM_SEED", None)
    return subprocess.run(
        ["cargo", "test", "--offline", *arguments], cwd=COPY, env=environment, text=True, capture_output=True, check=False
    )


def pieces() -> list[str]:
    """The seeds in pieces, each as many as all before it: most faults break one of the first."""
    first, end = map(int, SEEDS.split(".."))
    bounds, size = [first], 6
    while bounds[-1] + size < end:
        bounds.append(bounds[-1] + size)
        size = bounds[-1] - first
    return [f"{since}..{until}" for since, until in itertools.pairwise([*bounds, end])]


def broken(seeds: str = SEEDS) -> dict[str, set[int]] | str:
    """The seeds that break an invariant, by invariant; or why there is no saying."""
    ran = run("--test", "sim", "invariants_hold", seeds=seeds)
    found = re.search(r"broken, by seeds: \{(.*)\}", ran.stdout)
    if found:
        pairs = re.findall(r'"([^"]+)": \[([^\]]*)\]', found[1])
        return {name: {int(seed) for seed in seeds.split(",")} for name, seeds in pairs}
    return {} if ran.returncode == 0 else ran.stderr[-1500:]


def noticed(before: dict[str, set[int]], file: str) -> str:
    known = set().union(*before.values()) if before else set()
    for piece in pieces():
        now = broken(piece)
        if isinstance(now, str):
            return f"DOES NOT COMPILE\n{now}"
        more = {name: sorted(seeds - known) for name, seeds in now.items() if seeds - known}
        if more:
            worst = max(more, key=lambda name: len(more[name]))
            told = ", ".join(f"{name} {len(seeds)}" for name, seeds in more.items())
            return f"simulation: {told} of {piece} (seed {more[worst][0]})"
    # The tests of the file's own module, and of those that decide what replicas know.
    modules = {"model", "registry", "replication", Path(file).parts[1].removesuffix(".rs")}
    ran = run("--lib", "--", *(f"{module}::" for module in sorted(modules)))
    failed = re.findall(r"^test (\S+) \.\.\. FAILED$", ran.stdout, re.MULTILINE)
    return f"library: {', '.join(failed)}" if failed else "NOT NOTICED"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", metavar="WORD", nargs="*", help="only faults whose name has one of the words")
    words = parser.parse_args().words
    chosen = [fault for fault in FAULTS if not words or any(word in fault[0] for word in words)]
    if not chosen:
        parser.error(f"no fault has {' or '.join(words)} in its name")
    shutil.rmtree(COPY, ignore_errors=True)
    ignore = shutil.ignore_patterns("corpus")
    for part in ("src", "tests"):
        shutil.copytree(ROOT / part, COPY / part, ignore=ignore)
    for part in ("Cargo.lock", "README.md"):
        shutil.copy(ROOT / part, COPY / part)
    # Without the binary, which cargo would build for each fault, and which no test here runs.
    manifest = (ROOT / "Cargo.toml").read_text()
    (COPY / "Cargo.toml").write_text(re.sub(r"\[\[bin\]\]\n(?:.+\n)+", "", manifest))
    (COPY / "src" / "main.rs").unlink()
    if not TARGET.exists() and (ROOT / "target" / "debug").exists():
        # The dependencies, which are built already.
        ignore = shutil.ignore_patterns("incremental", "examples", "*eureka_registry*", "*eureka-registry*", "sim-*", "it-*")
        shutil.copytree(ROOT / "target" / "debug", TARGET / "debug", ignore=ignore)
    before = broken()
    if isinstance(before, str):
        print(before)
        return 1
    print(f"without a fault: {before or 'nothing is broken'}", flush=True)
    missed = 0
    for name, file, old, new in chosen:
        path = COPY / file
        text = path.read_text()
        if text.count(old) != 1:
            print(f"{name}: STALE, {file} has what it replaces {text.count(old)} times", flush=True)
            missed += 1
            continue
        path.write_text(text.replace(old, new))
        result = noticed(before, file)
        path.write_text(text)
        missed += not result.startswith(("simulation", "library"))
        print(f"{name}: {result}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} faults noticed")
    return missed > 0


if __name__ == "__main__":
    sys.exit(main())
