"""Plays scenarios of faults against real replicas, several at a time, and prints what readers saw of each."""

import argparse
import asyncio
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import lib
from lab.lab import Lab
from lab.namespace import die_with_parent
from scenarios import load

# No scenario takes longer; what hangs is a failure.
LONGEST = 400


def options():
    parser = argparse.ArgumentParser(prog="compat/faults/run", description=__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this scenario; may be given more than once")
    parser.add_argument("--short", action="store_true", help="a choice that takes less than three minutes")
    parser.add_argument("--java", action="store_true", help="three Java servers play what they can, in place of ours")
    parser.add_argument("--list", action="store_true", help="say what there is, and play nothing")
    parser.add_argument("--jobs", type=int, default=5, help="how many at a time")
    parser.add_argument("--logs", default="", help="where the replicas' logs of failed scenarios go")
    parser.add_argument("--binary", default=os.environ.get("EUREKA_REGISTRY_BIN", ""), help=argparse.SUPPRESS)
    parser.add_argument("--jar", default="", help="the Java server; without it, scenarios that need one are left out")
    parser.add_argument("--play", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    chosen.kind = "java" if chosen.java else "ours"
    return chosen


def choice(chosen, scenarios):
    if unknown := [name for name in chosen.only if name not in scenarios]:
        raise SystemExit(f"faults: no scenario {', '.join(unknown)}; there are {', '.join(scenarios)}")
    found = [one for one in scenarios.values() if not chosen.only or one.name in chosen.only]
    if chosen.short and not chosen.only:
        found = [one for one in found if one.short]
    if chosen.java:
        found = [dataclasses.replace(one, weight=2) for one in found if one.java]
    elif not chosen.jar:
        found = [one for one in found if not one.needs_java]
    return sorted(found, key=lambda one: -one.seconds * one.weight)


# One scenario, in a process of its own.


async def play(one, chosen, folder):
    lab = Lab(one.name, chosen, folder)
    loop, playing = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, playing.cancel)
    try:
        async with asyncio.timeout(LONGEST):
            await one.play(lab)
    except TimeoutError as error:
        lab.failures.append(str(error) or f"not over after {LONGEST} s")
    except SystemExit as error:
        lab.failures.append(str(error))
    except Exception:  # noqa: BLE001, a fault of the scenario is its result, too
        lab.failures.append(traceback.format_exc())
    finally:
        await lab.close()
    return {"seconds": lab.now(), "figures": {**lab.figures, **lab.counts}, "failures": lab.failures}


def play_alone(one, chosen):
    """The child: what it found goes to its standard output."""
    found = asyncio.run(play(one, chosen, chosen.logs))
    print(json.dumps(found))


# All of them.


class Running:
    def __init__(self, one, chosen, logs):
        self.one, self.folder = one, Path(logs, one.name)
        self.folder.mkdir(parents=True)
        arguments = ["--play", one.name, "--logs", str(self.folder), "--binary", chosen.binary, "--jar", chosen.jar]
        self.started = time.monotonic()
        self.errors = Path(self.folder, "laboratory.log").open("w+", encoding="utf-8")  # noqa: SIM115, `result` closes it
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments, *(["--java"] if chosen.java else [])],
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509, there is one thread
        )

    def result(self):
        text = self.process.stdout.read()
        self.errors.close()
        if self.process.returncode == 0:
            return json.loads(text)
        said = Path(self.folder, "laboratory.log").read_text(encoding="utf-8").strip()
        return {"seconds": 0.0, "figures": {}, "failures": [f"the laboratory ended with {self.process.returncode}: {said[-2000:]}"]}

    def end_if_it_hangs(self):
        if time.monotonic() > self.started + LONGEST + 30:
            self.process.kill()

    def stop(self):
        lib.end(self.process, 10)
        shutil.rmtree(self.folder)


def report(running, width):
    found = running.result()
    passed = not found["failures"]
    figures = ", ".join(f"{name} {value}" for name, value in found["figures"].items())
    print(f"{running.one.name:<{width}}  {found['seconds']:5.0f}  {'right' if passed else 'WRONG'}  {figures}", flush=True)
    for sentence in found["failures"]:
        print("".join(f"{'':{width}}    {line}\n" for line in sentence.splitlines()), end="", flush=True)
    if passed:
        shutil.rmtree(running.folder)
    else:
        print(f"{'':{width}}    logs: {running.folder}", flush=True)
    return passed


def play_all(waiting, chosen, logs):
    width = max(len(one.name) for one in waiting)
    print(f"{'scenario':<{width}}  {'s':>5}  verdict  counts")
    running, passed, failed = [], 0, 0
    try:
        while waiting or running:
            free = chosen.jobs - sum(each.one.weight for each in running)
            for one in waiting:
                if one.weight <= free or not running:
                    waiting.remove(one)
                    running.append(Running(one, chosen, logs))
                    break
            else:
                time.sleep(0.1)
            for each in running:
                each.end_if_it_hangs()
            for each in [each for each in running if each.process.poll() is not None]:
                running.remove(each)
                if report(each, width):
                    passed += 1
                else:
                    failed += 1
    finally:
        for each in running:
            each.stop()
    print(f"\n{passed} passed, {failed} failed")
    return failed == 0


def stopped(*_):
    raise KeyboardInterrupt


def main():
    chosen, scenarios = options(), load()
    if chosen.play:
        play_alone(scenarios[chosen.play], chosen)
        return 0
    found = choice(chosen, scenarios)
    if chosen.list:
        for one in found:
            print(f"{one.name}\n    {one.what()}")
        return 0
    if not found:
        raise SystemExit("faults: nothing to play")
    # Of both: a shell starts what runs in the background with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    logs = chosen.logs or tempfile.mkdtemp(prefix=f"eureka-registry-faults.{os.getpid()}.")
    try:
        return 0 if play_all(found, chosen, logs) else 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    finally:
        if not chosen.logs and not os.listdir(logs):
            os.rmdir(logs)


if __name__ == "__main__":
    sys.exit(main())
