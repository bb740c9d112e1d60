"""Good logins while others guess passwords: `passwords.py BINARY WORK` plays both ways of guessing and prints the slowest good login.

The guesser is another process (`passwords.py guess PORT WAY`), so that its work delays no measurement but by the processor it needs. All
is on loopback, and ends after a few seconds."""

import asyncio
import base64
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import lib

# The password of all users, hashed at Spring's own cost.
PASSWORD = "good-password"
HASHED = "{bcrypt}$2b$10$abcdefghijklmnopqrstuuMwP0KmcXt6JkFbHYoMlCwdwhHKyI1lm"
USERS = ["first", "second", "third", "fourth", "fifth", "sixth", "calm"]
SECONDS = 8
# A good login waits at most so many seconds because others guess, or so many hashes on a machine where these take longer, beside the time
# of three hashes (its own, the one that it finds under way, and one more that may go first), and what a request without a password takes
# meanwhile.
WAIT, WAIT_HASHES = 1.0, 10
# A machine that stands still for a moment delays one login, and one probe. A registry that lets guesses go first delays each.
STANDSTILLS = 2
PATIENCE = 30


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def login(port, authorization, path="/eureka/apps/NOBODY", local="127.0.0.1"):
    """The status of one request on a connection of its own, and how long it took from the connection's beginning."""
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(local, 0)) as connection:
        head = f"GET {path} HTTP/1.1\r\nHost: registry\r\nConnection: close\r\n"
        connection.sendall(f"{head}{f'Authorization: {authorization}' if authorization else 'X: y'}\r\n\r\n".encode())
        try:
            status = connection.recv(12, socket.MSG_WAITALL).decode()[9:]
        except TimeoutError:
            status = "none"
    return status, time.monotonic() - begun


async def guess(port, way):
    """Guesses the first user's password, each time another one, and prints how it was answered."""
    dice, counts, starting = random.Random(16), {}, asyncio.Semaphore(100)
    until = time.monotonic() + SECONDS

    async def one(local, times):
        for _ in range(times):
            try:
                async with starting:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(local, 0))
                    guessed = f"Authorization: {basic(USERS[0], dice.random())}\r\nConnection: close\r\n\r\n"
                    writer.write(f"GET /eureka/apps HTTP/1.1\r\nHost: x\r\n{guessed}".encode())
                status = (await asyncio.wait_for(reader.read(12), PATIENCE))[9:].decode() or "closed"
                writer.transport.abort()
            except (OSError, TimeoutError) as error:
                status = type(error).__name__
            counts[status] = counts.get(status, 0) + 1
            if time.monotonic() > until:
                return

    if way == "shared":
        # 120 at once, and again as long as it takes.
        await asyncio.gather(*(one("127.0.0.1", 1_000_000) for _ in range(120)))
    else:
        # 100 at once of each of 86 addresses, and again where that takes no time.
        while time.monotonic() < until:
            await asyncio.gather(*(one(f"127.0.0.{address}", 1) for address in range(10, 96) for _ in range(100)))
    print(counts)


def usual_most(seconds):
    """The longest time but those of a machine that stood still."""
    return sorted(seconds)[-1 - STANDSTILLS]


def play(binary, work, way, good_address):
    """Logs users in, each for the first time and then again, while somebody guesses; returns whether all succeeded."""
    log = work / f"passwords-{way}.log"
    users = [
        f"--registry.security.users[{place}].{key}={value}"
        for place, name in enumerate(USERS)
        for key, value in [("name", name), ("password", HASHED)]
    ]
    with log.open("w") as out:
        registry = subprocess.Popen(
            [binary, "--server.address=127.0.0.1", "--server.port=0", "--registry.shutdown.lame-duck=0", *users],
            stdout=out, stderr=subprocess.STDOUT, cwd=work,
        )
    try:
        found = lib.until("the registry listens", lambda: re.search(r"listening on http://127\.0\.0\.1:(\d+).*\n", log.read_text()), 60)
        port = int(found[1])
        _, quiet = login(port, basic(USERS[-1], PASSWORD))
        guesser = subprocess.Popen([sys.executable, __file__, "guess", str(port), way], stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        logins, probes, spelt = [], [], 0
        while guesser.poll() is None:
            # The guessed user comes last: the others are not guessed, but the server cannot know that at first.
            for name in USERS[-2::-1]:
                spelt += 1
                # As a client whose password was not checked yet: the same credentials in another spelling.
                logins.append((name, *login(port, basic(name, PASSWORD).replace(" ", " " * (1 + spelt % 500)), local=good_address)))
                probes.append(login(port, None, "/actuator/health/liveness", local="127.0.0.201")[1])
            time.sleep(0.05)
        answered = guesser.communicate()[0].strip()
        _, afterwards = login(port, basic(USERS[-1], PASSWORD).replace(" ", "  "))
    finally:
        registry.send_signal(signal.SIGTERM)
        registry.wait(60)
    first = logins[: len(USERS) - 1]
    hash_takes = max(quiet, afterwards)
    slowest, slowest_probe = usual_most(took for *_, took in logins), usual_most(probes)
    refused = [found for found in logins if found[1] != "404"]
    print(
        f"  {way}: guesses {answered}; {len(logins)} good logins, {len(refused)} refused, slowest but {STANDSTILLS} {slowest:.2f} s"
        f" (first ones {', '.join(f'{took:.2f}' for *_, took in first)}); slowest probe but {STANDSTILLS} {slowest_probe:.2f} s;"
        f" a login while nobody guesses {hash_takes:.2f} s",
        flush=True,
    )
    warned = len(re.findall("failed logins from", log.read_text()))
    wait = max(WAIT, WAIT_HASHES * hash_takes)
    well = not refused and slowest < wait + 3 * hash_takes + slowest_probe and slowest_probe < wait and 0 < warned < 25
    verdict = "ok" if well else "FAIL"
    print(f"  {verdict}: {way}: good logins are accepted soon, and the log has {warned} lines about it", refused[:3] or "", flush=True)
    return well


if __name__ == "__main__":
    if sys.argv[1] == "guess":
        asyncio.run(guess(int(sys.argv[2]), sys.argv[3]))
    else:
        rows = [("shared", "127.0.0.1"), ("many", "127.0.0.200")]
        results = [play(sys.argv[1], Path(sys.argv[2]), way, address) for way, address in rows]
        sys.exit(0 if all(results) else 1)
