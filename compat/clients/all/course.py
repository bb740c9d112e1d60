"""The course that each client plays against three replicas, and what it is played on.

A client is a process that registers an application, prints `SEES host:port=color ...` whenever what it finds under the name of another
application changes, and leaves on SIGTERM. Everything else is looked at from outside: the steps write at one replica and read at others.
"""

import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
from pathlib import Path

import lib

REPLICAS = 3
# A JVM that shares two cores with other work.
START = 120
USER = "eureka:secret"
SEEN = 60
# Longer than a busy machine may keep a client from renewing. Nothing waits for its end.
LEASE = 30
# What a client's log must not have: a delta that led elsewhere than the full answer, or a call that failed.
FAULTS = re.compile(
    r"(hash|reconcil).*(mismatch|not match|differ)|was unable to|Cannot execute request|registration failed|Traceback", re.IGNORECASE)


# The steps in their order, and what they show.
STEPS = {
    "registers": "registers, and all three replicas show it",
    "reads": "finds another application",
    "added": "sees an instance that is added at another replica",
    "changed": "sees a change of metadata",
    "removed": "sees an instance leave",
    "down": "no longer finds what is out of service, and finds it again",
    "renews": "renews its lease three times",
    "overridden": "stays out of service while an operator's override lasts, and is UP after it",
    "again": "registers again after its heartbeat is answered 404",
    "health": "tells that its health check is DOWN, and UP again",
    "calls": "calls the other application by its name",
    "clean": "has no failed call and no hash mismatch in its log",
    "leaves": "leaves when it is stopped",
}


class Failed(Exception):
    """A step in which the client or the registry did not do what it has to."""


def expect(what, holds):
    if not holds:
        raise Failed(what)


class Replicas:
    """Three replicas that know each other by fixed addresses."""

    def __init__(self, binary, work, name="replica", options=(), scheme="http", user=None, context=None):
        self.binary, self.work, self.name, self.scheme, self.user, self.context = binary, work, name, scheme, user, context
        self.ports = [lib.ReservedPort() for _ in range(REPLICAS)]
        self.bases = [f"{scheme}://127.0.0.1:{port.number}" for port in self.ports]
        self.processes = []
        peers = ",".join(self.urls(user))
        for number, port in enumerate(self.ports):
            command = [
                binary, "--server.address=127.0.0.1", f"--server.port={port.number}", "--registry.shutdown.lame-duck=0",
                f"--eureka.client.service-url.defaultZone={peers}", "--eureka.client.register-with-eureka=false", *options,
            ]
            with Path(work, f"{name}-{number}.txt").open("w", encoding="utf-8") as log:
                self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=work))
        try:
            for number in range(REPLICAS):
                lib.until("the replicas to open", lambda: self.call(number, "GET", "apps") is not None, 60)
        except TimeoutError:
            self.end()
            raise

    @classmethod
    def secured(cls, binary, work):
        """Three replicas with TLS, a user, and an authority of their own."""
        pki = Path(work, "pki")
        subprocess.run([Path(__file__).parents[2] / "security/certificates", pki], check=True, stdout=subprocess.DEVNULL)
        name, password = USER.split(":")
        options = [f"--server.ssl.certificate={pki}/good.crt", f"--server.ssl.certificate-private-key={pki}/good.key",
                   f"--server.ssl.trust-certificate={pki}/ca.crt", f"--spring.security.user.name={name}",
                   f"--spring.security.user.password={{noop}}{password}"]
        made = cls(binary, work, "secured", options, "https", USER, ssl.create_default_context(cafile=f"{pki}/ca.crt"))
        made.pki = pki
        return made

    def urls(self, user=None):
        """What a client is told, one for each replica."""
        authority = f"{user}@" if user else ""
        return [f"{self.scheme}://{authority}127.0.0.1:{port.number}/eureka/" for port in self.ports]

    def address(self, replica):
        """Host and port of one of them."""
        return "127.0.0.1", self.ports[replica].number

    def call(self, replica, method, path, body=None, accept="application/json"):
        """The text of an answer; `None` for 404."""
        request = urllib.request.Request(f"{self.bases[replica]}/eureka/{path}", method=method, data=body)
        request.add_header("Accept", accept)
        request.add_header("Content-Type", "application/json")
        if self.user:
            request.add_header("Authorization", "Basic " + lib.base64.b64encode(self.user.encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=10, context=self.context) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def instance(self, replica, app, instance_id):
        """An instance as one replica shows it; `None` if it is not there."""
        text = self.call(replica, "GET", f"apps/{app.upper()}/{urllib.parse.quote(instance_id)}")
        return json.loads(text)["instance"] if text else None

    def instances(self, replica, app):
        text = self.call(replica, "GET", f"apps/{app.upper()}")
        return json.loads(text)["application"]["instance"] if text else []

    def end(self):
        for process in self.processes:
            lib.end(process, 15)


class Answering:
    """Two addresses at which somebody answers who he is: what the clients find and call."""

    def __init__(self):
        self.servers = [self.server(f"instance {number}") for number in (1, 2)]
        self.ports = [server.server_port for server in self.servers]

    @staticmethod
    def server(words):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(words)))
                self.end_headers()
                self.wfile.write(words.encode())

            def log_message(self, *arguments):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def end(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


class Client:
    """A client's process and its log."""

    def __init__(self, name, command, work, environment=None):
        # No name that ends with `.log`: of these the shell prints the last lines of a run that failed.
        self.log = Path(work, f"{name}.txt")
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["nice", "-n", "5", *map(str, command)], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=work,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            )

    def lines(self):
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    def sees(self):
        """What it found last under the watched name, as a set; `None` before it said so."""
        said = [line for line in self.lines() if line.startswith("SEES")]
        return set(said[-1].split()[1:]) if said else None

    def alive(self):
        if self.process.poll() is not None:
            last = " | ".join(self.lines()[-3:])
            raise Failed(f"the client ended by itself with {self.process.returncode}: {last}")
        return True

    def stop(self):
        """As a person or a scheduler stops it."""
        self.process.send_signal(signal.SIGTERM)

    def end(self):
        lib.end(self.process, 10)


class Course:
    """One client on the course. Each step is a method; it raises what was not as it has to be."""

    def __init__(self, row, replicas, answering, work):
        self.row, self.replicas, self.answering = row, replicas, answering
        self.port = lib.ReservedPort()
        self.app, self.id = row.name, row.id.format(name=row.name, port=self.port.number)
        self.watched = f"watched-{row.name}"
        self.sick = Path(work, f"{row.name}-disk")
        self.sick.mkdir(exist_ok=True)
        self.classes = Path(work, f"{row.name}-classes")
        self.nobody = lib.ReservedPort()
        self.config_server = f"config-{row.name}"
        self.work, self.client = work, None
        self.done = []

    # What the steps share.

    def watch(self, number, **more):
        """What a registration of a watched instance says."""
        return lib.instance(self.watched.upper(), f"{self.watched}:{number}", **{
            "hostName": "127.0.0.1", "ipAddr": "127.0.0.1", "vipAddress": self.watched, "secureVipAddress": self.watched,
            "port": {"$": self.answering.ports[number - 1], "@enabled": "true"}, "metadata": {"color": "blue"},
            "homePageUrl": f"http://127.0.0.1:{self.answering.ports[number - 1]}/",
            "healthCheckUrl": f"http://127.0.0.1:{self.answering.ports[number - 1]}/",
            "statusPageUrl": f"http://127.0.0.1:{self.answering.ports[number - 1]}/",
            "leaseInfo": {"renewalIntervalInSecs": 300, "durationInSecs": 900}, **more})

    def path(self, number):
        return f"apps/{self.watched.upper()}/{self.watched}:{number}"

    def address(self, number, color):
        shown = f"127.0.0.1:{self.answering.ports[number - 1]}"
        return shown if "changed" in self.row.lacks else f"{shown}={color}"

    def until(self, what, condition, seconds=SEEN):
        def looked():
            if self.client:
                self.client.alive()
            return condition()
        try:
            return lib.until(what, looked, seconds)
        except TimeoutError as error:
            raise Failed(str(error)) from error

    def write(self, replica, method, path, body=None):
        """Writes at a replica, which may first have to learn from another what is written to."""
        try:
            lib.until(f"replica {replica} to know {path}", lambda: self.replicas.call(replica, method, path, body) is not None, SEEN,
                      not_yet=())
        except TimeoutError as error:
            raise Failed(str(error)) from error

    def until_it_has(self, replica, number, what, holds):
        """Waits until a replica has a watched instance as another one was told, so that the next write there comes after that."""
        def has():
            found = self.replicas.instance(replica, self.watched, f"{self.watched}:{number}")
            return found and holds(found)
        self.until(f"replica {replica} to have {self.watched}:{number} {what}", has)

    def until_it_sees(self, *wanted):
        def sees():
            found = self.client.sees()
            if found == set(wanted):
                return True
            raise OSError(f"it sees {found}, wanted {set(wanted)}")
        self.until(f"the client to see {wanted}", sees, SEEN + self.row.interval)

    def status(self, replica):
        found = self.replicas.instance(replica, self.app, self.id)
        return found and found["status"]

    def until_status(self, wanted, seconds=SEEN):
        seconds += 2 * self.row.interval
        for replica in range(REPLICAS):
            self.until(f"{self.id} to be {wanted} at replica {replica}", lambda: self.status(replica) == wanted, seconds)

    # The steps.

    def registers(self):
        self.until_status("UP", START)
        shown = json.loads(self.replicas.call(1, "GET", "apps"))["applications"]
        counts = {}
        for application in shown["application"]:
            for one in application["instance"]:
                counts[one["status"]] = counts.get(one["status"], 0) + 1
        wanted = "".join(f"{status}_{counts[status]}_" for status in sorted(counts))
        expect(f"the hash code is {shown['apps__hashcode']}, and what was read {wanted}", shown["apps__hashcode"] == wanted)

    def reads(self):
        self.until("the client to see anything", lambda: self.client.sees() is not None, START)
        self.until_it_sees(self.address(1, "blue"))

    def added(self):
        self.replicas.call(1, "POST", f"apps/{self.watched.upper()}", self.watch(2))
        self.until_it_sees(self.address(1, "blue"), self.address(2, "blue"))

    def changed(self):
        self.write(2, "PUT", f"{self.path(1)}/metadata?color=green")
        second = [] if "added" in self.row.lacks else [self.address(2, "blue")]
        self.until_it_sees(self.address(1, "green"), *second)
        self.until_it_has(0, 1, "green", lambda one: one["metadata"]["color"] == "green")
        self.write(0, "PUT", f"{self.path(1)}/metadata?color=blue")
        self.until_it_sees(self.address(1, "blue"), *second)

    def removed(self):
        self.write(2, "DELETE", self.path(2))
        self.until_it_sees(self.address(1, "blue"))

    def down(self):
        self.write(2, "PUT", f"{self.path(1)}/status?value=OUT_OF_SERVICE")
        self.until_it_sees()
        self.until_it_has(1, 1, "out of service", lambda one: one["status"] == "OUT_OF_SERVICE")
        self.write(1, "DELETE", f"{self.path(1)}/status?value=UP")
        # Nobody renews it, so nobody registers it again either: what the registry asks of an owner is done here.
        self.replicas.call(1, "POST", f"apps/{self.watched.upper()}", self.watch(1))
        self.until_it_sees(self.address(1, "blue"))

    def renews(self):
        for _ in range(3 if self.row.interval < 10 else 1):
            before = self.renewed()
            self.until("the next heartbeat", lambda: self.renewed() > before, 20 + 2 * self.row.interval)

    def renewed(self):
        """When it renewed last, as the replica that knows the newest says."""
        known = [self.replicas.instance(replica, self.app, self.id) for replica in range(REPLICAS)]
        expect(f"{self.id} is gone from a replica", all(known))
        return max(int(one["leaseInfo"]["lastRenewalTimestamp"]) for one in known)

    def overridden(self):
        self.write(2, "PUT", f"apps/{self.app.upper()}/{self.id}/status?value=OUT_OF_SERVICE")
        self.until_status("OUT_OF_SERVICE")
        if "renews" not in self.row.lacks:
            self.renews()
        expect("its heartbeats took it back into service", self.status(0) == self.status(1) == "OUT_OF_SERVICE")
        self.write(1, "DELETE", f"apps/{self.app.upper()}/{self.id}/status?value=UP")
        self.until_status("UP")

    def again(self):
        before = int(self.replicas.instance(0, self.app, self.id)["leaseInfo"]["registrationTimestamp"])
        self.write(1, "DELETE", f"apps/{self.app.upper()}/{self.id}")

        def registered_anew():
            found = self.replicas.instance(0, self.app, self.id)
            return found and found["status"] == "UP" and int(found["leaseInfo"]["registrationTimestamp"]) > before
        self.until("it to register again", registered_anew, SEEN + 2 * self.row.interval)
        self.until_status("UP")

    def health(self):
        """The disk that its health check looks at is taken away, and given back."""
        self.sick.rmdir()
        self.until_status("DOWN")
        self.sick.mkdir()
        self.until_status("UP")

    def calls(self):
        if not self.row.call_path:
            called = lambda: "CALLED instance 1" in self.client.lines()
            self.until("its call of the other application", called, SEEN + 2 * self.row.interval)
            return
        url = f"http://127.0.0.1:{self.port.number}{self.row.call_path.format(watched=self.watched)}"

        def answered():
            said = lib.request(url, accept="*/*")
            if said != "instance 1":
                raise OSError(f"it answered {said}")
            return True
        self.until("its call of the other application", answered)

    def clean(self):
        found = [line for line in self.client.lines() if FAULTS.search(line)]
        expect(f"its log has {len(found)} lines such as: {found[:1]}", not found)

    def transport(self):
        """The class that makes its calls is the one that the row names."""
        expect(f"it did not use {self.row.loads}", f" {self.row.loads} " in self.classes.read_text(encoding="utf-8"))

    def leaves(self):
        self.client.stop()
        for replica in range(REPLICAS):
            try:
                lib.until("it to be gone", lambda: self.status(replica) is None, SEEN)
            except TimeoutError as error:
                raise Failed(f"it is still at replica {replica}") from error

    def course(self):
        """Plays all steps that this client has; what it lacks is in its row, with the reason."""
        self.replicas.call(0, "POST", f"apps/{self.watched.upper()}", self.watch(1))
        self.client = Client(self.row.name, self.row.command(self), self.work, self.row.environment)
        if self.row.sees:
            self.client.sees = lambda: self.row.sees(self)
        for step in STEPS:
            if step in self.row.lacks:
                continue
            try:
                getattr(self, step)()
            except Failed as error:
                raise Failed(f"{step}: {error}") from error
            self.done.append(step)
        if self.row.loads:
            self.transport()
        for words in self.row.tells:
            expect(f"its log never says {words}", any(words in line for line in self.client.lines()))

    def forget(self):
        """Removes what a client left behind that failed."""
        for number in (1, 2):
            self.replicas.call(0, "DELETE", self.path(number))
        self.replicas.call(0, "DELETE", f"apps/{self.app.upper()}/{self.id}")

    def play(self):
        """What the row plays: the course, unless it names something else."""
        try:
            (self.row.play or Course.course)(self)
        finally:
            if self.client:
                self.client.end()
            self.forget()
