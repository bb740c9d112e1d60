"""Reads each configuration of cases.py by Spring Boot and by ours, and compares.

configuration.py BINARY WORK CLASSES ... -- [--only=NAME] [--short], where CLASSES are the unpacked Java servers, the newest first.
With --short, the older ones read only a sample.
"""

import base64
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lib
from cases import CASES, MANAGEMENT, SERVED

SPLIT = sys.argv.index("--")
BINARY, WORK, *SERVERS = sys.argv[1:SPLIT]
OPTIONS = sys.argv[SPLIT + 1 :]
ONLY = next((option.removeprefix("--only=") for option in OPTIONS if option.startswith("--only=")), None)
# Of so many configurations and whole servers, the older Java servers read one.
SAMPLE = 4 if "--short" in OPTIONS else 1
WORK = Path(WORK)
BASE = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8"}
# Maximum seconds until a Java program on a busy machine has ended, or a server has started.
LIMIT = 300
TRUE, FALSE = {"true", "on", "yes", "1"}, {"false", "off", "no", "0"}


def java(classes, main, *arguments):
    boot = Path(classes, "BOOT-INF")
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return ["java", *options, "-cp", f"{boot / 'classes'}:{boot / 'lib'}/*", main, *arguments]


def boot(classes):
    return Path(classes).name.removeprefix("configuration-")


def lay(files, name):
    directory = WORK / re.sub(r"\W+", "-", name)
    directory.mkdir()
    for path, content in files.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def run(command, case, directory):
    done = subprocess.run(command, cwd=directory, env=BASE | case.env, capture_output=True, timeout=LIMIT, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def ours(case, directory):
    """The settings that this server reads, by key; None if it refuses the configuration."""
    code, out, error = run([BINARY, "check-config", "--format=json", *case.args], case, directory)
    if code:
        return None, error
    read = json.loads(out)
    values = {one["key"]: one["value"] for one in read["settings"] if one["origin"] != "default"}
    return values | {"profiles": ",".join(read["profiles"])}, ""


def springs(classes, case, directory, keys):
    code, out, error = run(java(classes, "compat.Effective", str(keys), *case.args), case, directory)
    if code:
        return None, out[-500:] + error[-500:]
    lines = (line[1:].split("\t", 1) for line in out.splitlines() if line.startswith("=") and "\t" in line)
    return {key: json.loads(f'"{value}"') if "\\" in value else value for key, value in lines}, ""


def plain(value):
    """A value in the form that both write."""
    text = ",".join(part.strip() for part in (value or "").strip().split(","))
    return "true" if text.lower() in TRUE else "false" if text.lower() in FALSE else text


def compare(case, classes, keys):
    """The differences, by key."""
    directory = lay(case.files, f"{case.name}-{Path(classes).name}")
    mine, why = ours(case, directory)
    java_values, java_why = springs(classes, case, directory, keys)
    if (mine is None) != (java_values is None):
        return {"refused": f"ours: {why.strip() or 'starts'}; Spring: {java_why.strip()[-300:] or 'starts'}"}
    if mine is None:
        return {}
    found = {}
    for key in sorted(mine.keys() | java_values.keys()):
        a, b = plain(mine.get(key)), plain(java_values.get(key))
        if a != b and not a.startswith("***"):
            found[key] = f"ours {a!r}, Spring {b!r}"
    return found


def chosen_of(all_of_them):
    """What is compared: each with the classes of a server."""
    named = [one for one in all_of_them if not ONLY or ONLY in one.name]
    newest, *older = SERVERS
    return [(one, newest) for one in named] + [(one, classes) for classes in older for one in named[::SAMPLE]]


def known_keys():
    """The keys that both know, in a file for Java."""
    out = subprocess.run([BINARY, "check-config", "--format=json"], cwd=WORK, env=BASE, capture_output=True, check=True).stdout
    keys = [one["key"] for one in json.loads(out)["settings"] if not one["key"].startswith("registry.")]
    path = WORK / "keys"
    path.write_text("\n".join(keys) + "\n")
    return path, len(keys)


def check_cases():
    keys, count = known_keys()
    print(f"  {count} keys")
    chosen = chosen_of(CASES)
    # As many at a time as this machine has cores, most of a start being spent on them.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda one: compare(*one, keys), chosen))
    passed, listed, failed = 0, [], []
    for (case, classes), found in zip(chosen, results, strict=True):
        expected = case.differs if classes == SERVERS[0] else case.differs | case.older
        unlisted = {key: what for key, what in found.items() if key not in expected}
        gone = {key for key in case.differs if key not in found} if classes == SERVERS[0] else set()
        if unlisted or gone:
            failed.append(f"{case.name} ({boot(classes)}): {unlisted or ''} {f'no longer differs: {gone}' if gone else ''}")
        elif found:
            listed += [f"{case.name} ({boot(classes)}), {key}: {expected[key]}" for key in found]
        else:
            passed += 1
    print(f"  {passed} of {len(chosen)} readings the same; listed differences:")
    for line in listed:
        print(f"    {line}")
    return said(failed)


def said(failed):
    """The failures, which are printed: a later part may not end."""
    for line in failed:
        print(f"  FAIL {line}", flush=True)
    return failed


class Running:
    """A server and its log."""

    def __init__(self, command, directory, log):
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=directory, env=BASE, stdout=output, stderr=subprocess.STDOUT)

    def ports(self, pattern, count, started):
        """The ports that it says, once it also says `started`."""

        def found():
            if self.process.poll() is not None:
                raise RuntimeError(f"it ended: {self.log.read_text()[-2000:]}")
            # Not of a line that is still being written.
            said = self.log.read_text().rpartition("\n")[0]
            ports = re.findall(pattern, said)
            return ports if len(ports) >= count and re.search(started, said) else None

        return lib.until(f"the ports of {self.log}", found, seconds=LIMIT)

    def stop(self):
        self.process.kill()
        self.process.wait()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def ask(port, path, user):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    # Without it a browser's login page is answered instead of a status.
    request.add_header("X-Requested-With", "XMLHttpRequest")
    if user is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def serve(one, classes):
    """Starts both servers, asks both the same, and gives what differs: by path, as ours and Spring's answers."""
    directory = lay(one.files, f"served-{one.name}-{Path(classes).name}")
    count = 1 + any(port == MANAGEMENT for _, _, port in one.asks)
    options = ["--server.port=0", "--server.address=127.0.0.1"]
    theirs = ["--eureka.client.register-with-eureka=false", "--eureka.client.fetch-registry=false"]
    servers = [
        (
            Running([BINARY, *options], directory, directory / "ours.log"),
            r"(?:listening|answering /actuator) on http://\S+?:(\d+)",
            "listening on http",
        ),
        (
            Running(java(classes, "compat.Server", *options, *theirs), directory, directory / "java.log"),
            r"Tomcat started on port(?:\(s\):)? (\d+)",
            # Its ports are open before the application is ready.
            r"Started Server in ",
        ),
    ]
    try:
        ports = [server.ports(pattern, count, started) for server, pattern, started in servers]
        # Ours says the management port first.
        if count == 2:
            ports[0].reverse()
        found = {}
        for path, user, port in one.asks:
            answers = [ask(listed[1 if port == MANAGEMENT else 0], path, user) for listed in ports]
            if answers[0] != answers[1]:
                found[path] = f"as {user} on the {port} port: ours {answers[0]}, Spring {answers[1]}"
        return found
    finally:
        for server, *_ in servers:
            server.stop()


def check_served():
    chosen = chosen_of(SERVED)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda pair: serve(*pair), chosen))
    failed, listed = [], []
    for (one, classes), found in zip(chosen, results, strict=True):
        expected = one.differs if classes == SERVERS[0] else one.differs | one.older
        for path, what in found.items():
            if path in expected:
                listed.append(f"{one.name} ({boot(classes)}), {path}: {expected[path]}")
            else:
                failed.append(f"{one.name} ({boot(classes)}), {path} {what}")
        failed += [f"{one.name} ({boot(classes)}), {path}: no longer differs" for path in expected if path not in found]
    print(f"  {sum(len(one.asks) for one, _ in chosen)} answers of {len(chosen)} whole servers; listed differences:")
    for line in listed:
        print(f"    {line}")
    return said(failed)


def main():
    if not chosen_of([*CASES, *SERVED]):
        sys.exit(f"no configuration has {ONLY!r} in its name")
    failed = check_cases() + check_served()
    print(f"  {len(CASES)} configurations and {len(SERVED)} whole servers, {len(failed)} unlisted differences")
    if failed:
        sys.exit(1)


main()
