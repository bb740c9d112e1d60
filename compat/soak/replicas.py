"""Three real replicas with fixed peers and snapshots, and what their processes cost."""

import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import lib
from calls import Door, NoAnswer, request

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
TICK = os.sysconf("SC_CLK_TCK")
ADDRESSES = ["127.0.0.21", "127.0.0.22", "127.0.0.23"]
# Maximum seconds until a stopping replica has ended, and until a starting one is ready.
LONGEST_END, LONGEST_START = 120, 180
# After a restart it may take so long until this process sees that a kept connection was closed by it.
SECOND_THOUGHT = 5.0


def die_with_parent():
    """For a child, between fork and exec: the kernel ends it when this process ends, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@dataclass
class Sample:
    at: float
    memory_kib: int
    files: int
    cpu: float


@dataclass
class Lifetime:
    """One process of a replica, with what it cost."""

    replica: str
    began: float
    ended: str = "the end"
    samples: list = field(default_factory=list)

    def seconds(self):
        return self.samples[-1].at - self.began if self.samples else 0.0


class Replica:
    def __init__(self, number, binary, port, work, options):
        self.name, self.address, self.port = f"replica-{number}", ADDRESSES[number], port.number
        # No name that ends with `.log`: of these the shell prints the last lines of a run that failed, and here they are registrations.
        self.work, self.log = work, Path(work, f"replica-{number}.txt")
        peers = ",".join(f"http://{address}:{self.port}/eureka/" for address in ADDRESSES)
        self.command = [
            binary, f"--server.address={self.address}", f"--server.port={self.port}", f"--eureka.instance.hostname={self.address}",
            f"--eureka.client.service-url.defaultZone={peers}", "--eureka.client.register-with-eureka=false",
            f"--registry.data-dir={Path(work, f'data-{number}')}", *options,
        ]
        self.process, self.lifetimes = None, []
        self.restarts = []
        self.door = Door(self.address, self.port)

    def __str__(self):
        return self.name

    def start(self):
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.work,
                env={"PATH": os.environ["PATH"], "NO_COLOR": "1"}, preexec_fn=die_with_parent,  # noqa: PLW1509, there is one thread
            )
        self.lifetimes.append(Lifetime(self.name, time.monotonic()))

    async def ready(self):
        """Until it is ready; says after how many seconds."""
        begun, asked = time.monotonic(), request("GET", "/actuator/health/readiness")

        async def is_ready():
            if self.process.poll() is not None:
                raise SystemExit(f"{self} ended by itself with {self.process.returncode}")
            return (await self.door.call(asked))[0] == 200

        await lib.until_async(f"{self} to be ready", is_ready, LONGEST_START, not_yet=NoAnswer)
        return time.monotonic() - begun

    async def end(self, how):
        """Ends it by a signal, and says with what code it ended and after how many seconds. From now on it is being restarted."""
        begun = time.monotonic()
        self.restarts.append([begun, float("inf")])
        self.lifetimes[-1].ended = how.name
        self.process.send_signal(how)

        async def ended():
            return self.process.poll() is not None

        await lib.until_async(f"{self} to end by {how.name}", ended, LONGEST_END, pause=0.01)
        self.door.close()
        return self.process.returncode, time.monotonic() - begun

    async def start_again(self):
        """Starts it, and says after how many seconds it is ready. Its restart is over then."""
        self.start()
        took = await self.ready()
        self.restarts[-1][1] = time.monotonic()
        return took

    def restarted_since(self, moment):
        """Whether it is being restarted, or was after that moment."""
        return bool(self.restarts) and self.restarts[-1][1] + SECOND_THOUGHT >= moment

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def sample(self):
        """Notes what its process costs now."""
        if self.process.poll() is not None:
            return
        proc = Path(f"/proc/{self.process.pid}")
        try:
            memory = next(line for line in (proc / "status").read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS"))
            ticks = (proc / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[11:13]
            files = len(os.listdir(proc / "fd"))
        except (OSError, StopIteration):
            return  # it has just ended
        cpu = sum(int(each) for each in ticks) / TICK
        self.lifetimes[-1].samples.append(Sample(time.monotonic(), int(memory.split()[1]), files, cpu))

    def logged(self, *words):
        """The lines of its log that have one of the words."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if any(word in line for word in words)]
