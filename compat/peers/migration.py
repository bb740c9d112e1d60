"""Moves three Java servers with users as deploy/migration.md says: with the file that the page shows, and by its commands.

migration.py BINARY CLASSES WORK, where the names eureka-1, eureka-2 and eureka-3 are loopback addresses.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import lib
import pages
from clients import Clients
from lib import until

BINARY, CLASSES, WORK = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
PAGE = pages.section("deploy/migration.md", "## 5. Move the cluster")
BLOCKS = pages.blocks(PAGE)
SERVE, READY, PEERS = [command for kind, body in BLOCKS if kind == "sh" for command in pages.commands(body)]
CHECK, WATCH = [
    command
    for kind, body in pages.blocks(pages.section("deploy/migration.md", "## Before you move the cluster")) if kind == "sh"
    for command in pages.commands(body)
]
PASSWORD = re.search(r"EUREKA_PASSWORD=(\S+)", SERVE)[1]
(SAID,) = [body.strip() for kind, body in BLOCKS if kind == "text"]
USER = f"eureka:{PASSWORD}"
NUMBERS = (1, 2, 3)
# What makes the Java servers quick, so that this does not take minutes; in the environment, because the file is the page's.
QUICK = {
    **lib.environment(lib.JAVA_ANSWERS_ANEW), "EUREKA_CLIENT_REGISTRYFETCHINTERVALSECONDS": "1",
    "EUREKA_SERVER_REGISTRYSYNCRETRIES": "1", "EUREKA_SERVER_REGISTRYSYNCRETRYWAITMS": "1000",
    "EUREKA_CLIENT_INITIALINSTANCEINFOREPLICATIONINTERVALSECONDS": "1",
}
EXPECTED = {f"orders:{number}" for number in range(10)}
# Its instances do not renew, and stay all the same.
LASTING = {"renewalIntervalInSecs": 30, "durationInSecs": 3600}
# Maximum seconds for what happens at once on a machine that is not busy.
LONG = 120
started = {}


def of(number, command):
    """A command that the page shows for the first server, as it is for another."""
    return command.replace("eureka-1:", f"eureka-{number}:").replace("=peer1", f"=peer{number}")


def start(number, kind, command, **environment):
    directory = WORK / f"eureka-{number}"
    directory.mkdir(exist_ok=True)
    for name, text in pages.files(BLOCKS).items():
        (directory / name).write_text(text)
    # On a machine of its own, a server may listen on every address, and its id has the machine's name.
    environment |= {"SERVER_ADDRESS": f"eureka-{number}", "EUREKA_INSTANCE_INSTANCEID": f"eureka-{number}:eureka:8761"}
    environment |= {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    with open(WORK / f"{kind}-{number}.log", "w", encoding="utf-8") as log:
        started[number] = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)


def java(number):
    classes = f"{CLASSES / 'BOOT-INF/classes'}:{CLASSES / 'BOOT-INF/lib'}/*"
    options = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", classes, "secured.Server", f"--spring.profiles.active=peer{number}"]
    start(number, "java", ["java", *options], EUREKA_PASSWORD=PASSWORD, **QUICK)


def ours(number):
    """Starts it by the page's command, which finds the binary by its name. It renews its own instance every two seconds: another Java
    server may tell it late that the Java server before it has cancelled that, and then it is gone here until it is renewed."""
    command = of(number, SERVE).replace("eureka-registry", shlex.quote(BINARY))
    start(number, "ours", ["bash", "-c", f"exec env {command}"], EUREKA_INSTANCE_LEASERENEWALINTERVALINSECONDS="2")


def stop(number):
    started[number].terminate()
    started[number].wait(LONG)


def call(number, path, method="GET", body=None, user=USER):
    return lib.request(f"http://eureka-{number}:8761{path}", method, body, user=user)


def ids(number, app="ORDERS"):
    """The instances of an application that a server knows, by its full answer, as clients read it."""
    try:
        answer = call(number, "/eureka/apps")
    except OSError:
        return set()
    known = json.loads(answer)["applications"]["application"]
    return {one["instanceId"] for each in known if each["name"] == app for one in each["instance"]}


def shown(command):
    """What a command of the page prints; None as long as it fails."""
    told = command.replace("curl ", "curl --silent --fail ", 1)
    try:
        done = subprocess.run(["bash", "-c", told], capture_output=True, text=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def refused(number, user):
    try:
        call(number, "/eureka/apps", user=user)
    except urllib.error.HTTPError as error:
        return error.code == 401
    return False


def move(number, watched):
    url = f"http://eureka-{number}:8761/eureka/"
    stop(number)
    # Otherwise the new one may be there before anybody has looked.
    until(f"migrate-check to miss eureka-{number}", lambda: f"{url} cannot be read" in watched.read_text(encoding="utf-8"), LONG)
    ours(number)
    until(f"eureka-{number} to be ready", lambda: shown(of(number, READY)), LONG)
    assert ids(number) >= EXPECTED, f"eureka-{number} began with {sorted(ids(number))}"
    assert refused(number, None) and refused(number, "eureka:wrong"), "somebody without the password was let in"
    # What is registered at the one that has just moved is known to the others, Java servers among them.
    app, more = f"MOVED{number}", f"moved:{number}"
    call(number, f"/eureka/apps/{app}", "POST", lib.instance(app, more, leaseInfo=LASTING))
    until(f"{more} to be known everywhere", lambda: all(more in ids(other, app) for other in NUMBERS), LONG)
    until(f"migrate-check to read eureka-{number}", lambda: f"{url} can be read again" in watched.read_text(encoding="utf-8"), LONG)
    print(f"  (e) eureka-{number} moved with all instances and its user; what it is told, the others know", flush=True)
    time.sleep(3)  # what clients see of this state is part of the count below


def calls_the_others_up(number):
    """Whether what the page asks for in the end is answered as the page shows it."""
    said = shown(of(number, PEERS))
    return said and SAID in said


def check():
    """What `migrate-check` says of the first Java server, by the page's command: the severity of each finding."""
    command = CHECK.replace("eureka-registry", shlex.quote(BINARY))
    done = subprocess.run(
        ["bash", "-c", f"{command} --format=json"], cwd=WORK / "eureka-1", capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"migrate-check ended with {done.returncode}: {done.stdout}{done.stderr}"
    said = json.loads(done.stdout)
    assert not said["unread"], said["unread"]
    return {finding["id"]: finding["severity"] for finding in said["findings"]}


def watch(said):
    """Compares the servers by the page's command, and writes to this file what it says. The Java servers keep no old lists here, so less
    is explained than usual."""
    command = WATCH.replace("eureka-registry", shlex.quote(BINARY))
    with said.open("w", encoding="utf-8") as out:
        return subprocess.Popen(["bash", "-c", f"exec {command} --every=1s --grace=20s"], stdout=out, stderr=subprocess.STDOUT)


def main():
    for number in NUMBERS:
        java(number)
    for number in NUMBERS:
        until(f"Java's eureka-{number} to know the others", lambda number=number: len(ids(number, "EUREKA")) == 3, 240)
    assert refused(1, None), "the Java server asks nobody for a password"
    clients = Clients([f"http://eureka-{number}:8761" for number in NUMBERS], USER)
    try:
        until("the Java servers to know all", lambda: all(ids(number) == EXPECTED for number in NUMBERS), 120)
        clients.watch()
        severities = check()
        assert severities["users"] == severities["peers-agree"] == severities["xml"] == "same", severities
        print(f"  (e) migrate-check has nothing to do before the move, and finds {len(severities)} things", flush=True)
        watched = WORK / "watched"
        watching = watch(watched)
        try:
            for number in NUMBERS:
                move(number, watched)
        finally:
            watching.send_signal(signal.SIGINT)
            code = watching.wait(LONG)
        said = watched.read_text(encoding="utf-8")
        assert code == 0, said
        print(f"  (e) migrate-check --watch: {said.splitlines()[-1]}")
    finally:
        clients.stop()
    print(f"  (e) {clients.said()}")
    assert (clients.least, clients.failed) == (10, 0)
    for number in NUMBERS:
        until(f"eureka-{number} to call the others up", lambda number=number: calls_the_others_up(number), LONG)
    print("  (e) each calls the two others up")


try:
    main()
finally:
    for process in started.values():
        if process.poll() is None:
            process.kill()
            process.wait()
print("\n1 passed, 0 failed")
