"""Plays everything that can fill a registry's memory against one with 10,000 instances in a memory cgroup of the chart's limit, with good
clients beside it. memory.py [ROW ...]: all rows, or these."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import attacks
import lib
from abuse import Checks
from good import SLOW_MS

HERE = Path(__file__).parent
# The limits of the chart, for ten thousand instances and for a thousand.
LIMIT, SMALL_LIMIT = 128 * 1024 * 1024, 64 * 1024 * 1024
INSTANCES, FEW_INSTANCES = 10_000, 1000
# Each row lasts so long.
SECONDS = 5
# Files that a container has by default, and connections of one address that are more.
FEW_FILES = 1024


class Cgroup:
    """A memory cgroup, of version 2 or 1."""

    def __init__(self):
        self.path = None
        for parent, limit, wide in [
            (Path("/sys/fs/cgroup"), "memory.max", "memory.swap.max"),
            (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        ]:
            path = parent / f"eureka-registry-abuse-{os.getpid()}"
            try:
                if limit == "memory.max":
                    controllers = (parent / "cgroup.controllers").read_text(encoding="ascii")
                    if "memory" not in controllers.split():
                        raise OSError("version 2 has no memory controller here")
                    (parent / "cgroup.subtree_control").write_text("+memory")
                else:
                    (parent / limit).read_text(encoding="ascii")
                path.mkdir()
            except OSError as error:
                self.why = error
                continue
            try:
                self.set_limit(path, limit, wide, LIMIT)
            except OSError as error:
                self.why = error
                path.rmdir()
                continue
            self.path, self.files = path, (path, limit, wide)
            return

    @staticmethod
    def set_limit(path, limit, wide, memory):
        """The limit of memory, and of memory with swap, which would only make it slower. Neither may pass the other."""

        def without_swap():
            # Where none is counted there is nothing to write.
            with contextlib.suppress(OSError):
                (path / wide).write_text("0" if wide == "memory.swap.max" else str(memory))

        without_swap()
        (path / limit).write_text(str(memory))
        without_swap()

    def allow(self, memory):
        self.set_limit(*self.files, memory)

    def command(self, command, files=None):
        """A command that runs another one in the cgroup, with this limit of open files."""
        limit = f"ulimit -n {files};" if files else ""
        return ["bash", "-c", f'echo $$ >"$0"; {limit} exec "$@"', str(self.path / "cgroup.procs"), *command]

    def remove(self):
        lib.until("the cgroup to be empty", lambda: self.path.rmdir() or True, 10)


class Registry:
    """One in the cgroup, with its instances."""

    def __init__(self, cgroup, work, *arguments, stdout=None, files=None, instances=INSTANCES):
        self.log = Path(work) / "registry.log"
        command = [os.environ["EUREKA_REGISTRY_BIN"], "--server.address=127.0.0.1", "--server.port=0", *arguments]
        # No client renews the instances that fill the registry.
        command += ["--registry.shutdown.lame-duck=0", "--eureka.server.eviction-interval-timer-in-ms=3600000"]
        with open(self.log, "w", encoding="utf-8") as log:
            command = cgroup.command(command, files)
            self.process = subprocess.Popen(command, stdout=stdout or log, stderr=log, cwd=work)
        self.host, self.most_kb = "127.0.0.1", 0
        self.port = lib.until("the registry to listen", self.listens, 60, not_yet=(OSError, IndexError))
        try:
            self.preload(instances)
        except BaseException:
            self.end()
            raise

    def listens(self):
        """The port on which it listens."""
        inodes = {os.readlink(file) for file in Path(f"/proc/{self.process.pid}/fd").iterdir()}
        for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                return int(fields[1].split(":")[1], 16)
        return None

    def preload(self, instances):
        attack = attacks.Attack(self.host, self.port, 120)
        with attack.connect() as connection:
            answers = connection.makefile("rb")
            for first in range(0, instances, 100):
                for number in range(first, first + 100):
                    app, instance_id = attacks.name(number)
                    urls = dict.fromkeys(("homePageUrl", "statusPageUrl", "healthCheckUrl"), "http://h/actuator")
                    metadata = {"zone": f"z{number % 3}", "version": f"1.{number % 7}", "management.port": "8081"}
                    body = lib.instance(app, instance_id, metadata=metadata, **urls)
                    connection.sendall(attacks.whole("POST", f"/eureka/apps/{app}", body, attacks.JSON | attacks.GOOD))
                for _ in range(100):
                    assert b" 204 " in answers.readline()
                    while answers.readline() != b"\r\n":
                        pass

    def is_alive(self):
        return self.process.poll() is None

    def memory_kb(self):
        try:
            for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
                if line.startswith("VmRSS"):
                    return int(line.split()[1])
        except OSError:
            pass
        return 0

    def watch(self, stop):
        """Notes the maximum memory that it takes."""
        self.most_kb = 0
        while not stop.wait(0.02):
            self.most_kb = max(self.most_kb, self.memory_kb())

    def end(self):
        self.process.kill()
        self.process.wait()


def attack(registry, names, expected, seconds=SECONDS):
    """Runs attacks in processes of their own, at the same time; returns the answers that they got. Those of which a status is expected go
    on until they are answered it."""
    place, statuses = [registry.host, str(registry.port), str(seconds)], dict(expected)
    commands = [[sys.executable, HERE / "attacks.py", name, *place, *filter(None, [statuses.get(name)])] for name in names]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    try:
        answered = [one.communicate(timeout=seconds + attacks.AT_MOST + 60)[0] for one in running]
    finally:
        for one in running:
            one.kill()
    return {name: json.loads(text or '{"failed": 1}') for name, text in zip(names, answered, strict=True)}


def play(
    checks, cgroup, work, row, names, arguments=(), files=None, expected=None, memory=LIMIT, instances=INSTANCES,
    room_after=False,
):
    """One row: a registry, good clients, and an attack."""
    cgroup.allow(memory)
    registry = Registry(cgroup, work, *arguments, files=files, instances=instances)
    alive, records, stop = Path(work) / "alive", Path(work) / "records", threading.Event()
    alive.touch()
    good = subprocess.Popen([sys.executable, HERE / "good.py", registry.host, str(registry.port), alive, records])
    watch = threading.Thread(target=registry.watch, args=(stop,))
    try:
        time.sleep(1)
        before = registry.memory_kb()
        watch.start()
        begun = time.time()
        answered = attack(registry, names, expected or [])
        ended = time.time()
        stop.set()
        watch.join()
        survived = registry.is_alive()
        if room_after:
            one = attacks.Attack(registry.host, registry.port, 60)
            status = one.request("POST", "/eureka/apps/LATER", lib.instance("LATER", "later-1"), attacks.JSON)
            checks.check(status == 204, f"{row}: a new instance is registered right after ({status})")
    finally:
        alive.unlink()
        if not registry.is_alive():
            good.kill()
        good.wait(timeout=60)
        registry.end()
    of_it = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines() if line.endswith("]")]
    of_it = [record for record in of_it if record[0] < ended and record[0] + record[2] > begun]
    wrong = [record for record in of_it if record[3]]
    slowest = max((1000 * record[4] for record in of_it), default=float("nan"))
    memory = f"{before / 1024:5.0f} -> {registry.most_kb / 1024:4.0f} MiB"
    print(f"  {row:30} {memory}, {len(of_it):5} good calls, slowest {slowest:6.0f} ms  {answered}", flush=True)
    checks.check(survived, f"{row}: the registry survived")
    checks.check(of_it and not wrong and slowest <= SLOW_MS, f"{row}: good clients are unharmed {wrong[:2] or ''}")
    for name, status in expected or []:
        checks.check(answered[name].get(status, 0) > 0, f"{row}: {name} is answered {status}")


def unread(checks, cgroup, work):
    """Standard output is a pipe that nobody reads."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stdout:
        registry = Registry(cgroup, work, stdout=stdout, instances=12_000)
    try:
        one = attacks.Attack(registry.host, registry.port, 60)
        checks.check(one.request("GET", "/actuator/health/liveness") == 200, "unread log: it is alive after 12,000 lines")
        metrics = lib.request(f"http://{registry.host}:{registry.port}/actuator/prometheus", accept="text/plain")
        dropped = next(line for line in metrics.splitlines() if line.startswith("eureka_log_lines_dropped_total "))
        checks.check(float(dropped.split()[1]) > 0, f"unread log: {dropped}")
        registry.process.send_signal(signal.SIGTERM)
        code = registry.process.wait(60)
        checks.check(code == 0, f"unread log: it ends on SIGTERM with {code}")
    except subprocess.TimeoutExpired:
        checks.check(False, "unread log: it ends on SIGTERM")
    finally:
        registry.end()
        os.close(reading)


# Whose password good clients have, and one who never logs in, so that every wrong password has to be hashed,
# by bcrypt at Spring's own cost.
USERS = [
    "--spring.security.user.name=good",
    "--spring.security.user.password={bcrypt}$2b$10$abcdefghijklmnopqrstuuMwP0KmcXt6JkFbHYoMlCwdwhHKyI1lm",
    "--registry.security.users[0].name=never",
    "--registry.security.users[0].password={bcrypt}$2b$10$abcdefghijklmnopqrstuuMwP0KmcXt6JkFbHYoMlCwdwhHKyI1lm",
]

ROWS = {
    "lists": (["lists"], {"expected": [("lists", "400")]}),
    "huge instances": (["huge_instances"], {"expected": [("huge_instances", "400")]}),
    "pages": (["page_readers"], {}),
    "api": (["api_readers"], {}),
    "api, never taken": (["api_readers_that_take_nothing"], {}),
    "versions": (["readers_of_everything", "readers_of_everything_as_xml", "metadata_in_a_loop"], {}),
    "versions, never taken": (["readers_of_everything_that_take_nothing", "metadata_in_a_loop"], {}),
    "event streams": (["event_streams", "metadata_in_a_loop"], {"expected": [("event_streams", "503")]}),
    "register and cancel": (["register_and_cancel"], {"room_after": True}),
    "fill": (["fill"], {"expected": [("fill", "507")]}),
    "half heads": (["half_heads"], {}),
    "half heads of 200 addresses": (["half_heads_of_many"], {}),
    "half bodies": (["half_bodies"], {}),
    "guessed passwords": (
        ["guesses"],
        {"arguments": USERS, "expected": [("guesses", "429")], "memory": SMALL_LIMIT, "instances": FEW_INSTANCES},
    ),
    "idle": (["idle"], {}),
    "few open files": (["idle_of_one"], {"files": FEW_FILES}),
}


def main(wanted):
    cgroup = Cgroup()
    if cgroup.path is None:
        print(f"  skipped: no memory cgroup can be made here ({cgroup.why})")
        return 0
    checks = Checks()
    try:
        for row, (names, more) in ROWS.items():
            if not wanted or row in wanted:
                with tempfile.TemporaryDirectory() as work:
                    play(checks, cgroup, work, row, names, **more)
        if not wanted or "unread log" in wanted:
            with tempfile.TemporaryDirectory() as work:
                unread(checks, cgroup, work)
    finally:
        cgroup.remove()
    print(f"{checks.passed} passed, {checks.failed} failed")
    return checks.failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
