"""What the scenarios need of a cluster: kubectl, helm, waiting with a deadline, and clients that use its names."""

import json
import os
import queue
import re
import shlex
import subprocess
import threading
from contextlib import contextmanager

import lib

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


# Of the namespaces of one run: `run` deletes what has it, however the run ended.
LABEL = "eureka-registry/test"


class Failed(Exception):
    """A scenario failed."""


def check(condition, what):
    if not condition:
        raise Failed(what)


def say(text):
    print(f"   {text}", flush=True)


def run(*args, stdin=None, timeout=120):
    """Standard output of a command that must succeed, in time."""
    try:
        result = subprocess.run(args, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(args)}: not done within {timeout} s") from error
    if result.returncode != 0:
        raise Failed(f"{' '.join(args)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


# A pod that is asked before it listens, or while the machine is busy, is asked again.
NOT_YET = (Failed, OSError, json.JSONDecodeError, KeyError)


def until(what, condition, seconds, pause=0.1):
    """Looks again and again until the condition holds and returns what it returned; fails with what was last seen."""
    try:
        return lib.until(what, condition, seconds, not_yet=NOT_YET, pause=pause)
    except TimeoutError as error:
        raise Failed(str(error)) from error


class Namespace:
    """One namespace that enforces the restricted Pod Security standard, and the releases in it."""

    def __init__(self, name, chart, image):
        self.name, self.chart, self.image = name, chart, image
        run("kubectl", "create", "namespace", name)
        labels = ("pod-security.kubernetes.io/enforce=restricted", f"{LABEL}={os.environ['KUBE_NAMESPACE']}")
        run("kubectl", "label", "namespace", name, *labels)

    def kubectl(self, *args, **options):
        return run("kubectl", "-n", self.name, *args, **options)

    def helm(self, *args, **options):
        return run("helm", "-n", self.name, *args, **options)

    def get(self, kind, *args):
        return json.loads(self.kubectl("get", kind, *args, "-o", "json"))

    def install(self, release, *sets, values=None, wait=True):
        """Installs the chart, with single values and with a map of them."""
        repository, _, tag = self.image.rpartition(":")
        arguments = ["--wait", "--timeout", "180s"] if wait else []
        return self.helm(
            "install", release, self.chart, *arguments, "--values", "-",
            "--set", f"image.repository={repository},image.tag={tag},image.pullPolicy={os.environ['KUBE_PULL_POLICY']}",
            *(part for value in sets for part in ("--set", value)),
            stdin=json.dumps(values or {}), timeout=200,
        )

    def upgrade(self, release, *sets, values=None, wait=True):
        arguments = ["--wait", "--timeout", "180s"] if wait else []
        return self.helm(
            "upgrade", release, self.chart, "--reset-then-reuse-values", *arguments, "--values", "-",
            *(part for value in sets for part in ("--set", value)),
            stdin=json.dumps(values or {}), timeout=200,
        )

    def secret(self, name, kind="Opaque", **entries):
        """Makes a Secret, or changes it. `_` in a key stands for a dot."""
        entries = {key.replace("_", "."): value for key, value in entries.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": entries}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(secret))

    def pods(self, statefulset="registry"):
        """Its pods by name, in order."""
        found = {}
        for pod in self.get("pods")["items"]:
            owners = pod["metadata"].get("ownerReferences", [])
            if any(owner["kind"] == "StatefulSet" and owner["name"] == statefulset for owner in owners):
                found[pod["metadata"]["name"]] = pod
        return dict(sorted(found.items(), key=lambda item: int(item[0].rpartition("-")[2])))

    def settled(self, replicas, statefulset="registry", seconds=120):
        """Waits until the StatefulSet has this many replicas, all ready, none terminating."""

        def now():
            pods = self.pods(statefulset)
            leaving = [name for name, pod in pods.items() if "deletionTimestamp" in pod["metadata"]]
            return pods if len(pods) == replicas and not leaving and all(map(is_ready, pods.values())) else None

        return until(f"{statefulset} with {replicas} ready pods", now, seconds)

    def rolled_out(self, statefulset="registry", seconds=180):
        """Waits until every pod is of the newest revision."""
        self.kubectl("rollout", "status", f"statefulset/{statefulset}", f"--timeout={seconds}s", timeout=seconds + 10)

    def scale(self, replicas, statefulset="registry"):
        self.kubectl("scale", f"statefulset/{statefulset}", f"--replicas={replicas}")

    def run_pod(self, name, image, args, **spec):
        """Runs a pod to its end, within the restricted standard, and returns what it printed."""
        context = {key: RESTRICTED[key] for key in ("runAsNonRoot", "runAsUser", "seccompProfile")}
        container = {key: value for key, value in RESTRICTED.items() if key != "seccompProfile"}
        pod = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False, "securityContext": context,
                "containers": [{
                    "name": "client", "image": image, "args": args, "securityContext": container,
                    "imagePullPolicy": os.environ["KUBE_PULL_POLICY"],
                }],
                **spec,
            },
        }
        self.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
        done = lambda: self.get("pod", name)["status"]["phase"] in ("Succeeded", "Failed")
        until(f"pod {name} to end", done, 180)
        output = self.kubectl("logs", name)
        phase = self.get("pod", name)["status"]["phase"]
        self.kubectl("delete", "pod", name, "--wait=false")
        check(phase == "Succeeded", f"pod {name}: {output.strip()}")
        return output

    def ask(self, pod, path):
        """GET at one pod's port, through the API server."""
        return run("kubectl", "get", "--raw", f"/api/v1/namespaces/{self.name}/pods/{pod}:8761/proxy{path}", timeout=30)

    def delete(self):
        run("kubectl", "delete", "namespace", self.name, "--wait=false")


class Departures:
    """How many pods of a namespace were told to end and had not ended yet, at most. Kubernetes tells of each change in its order, so none
    is missed, however long a look would take."""

    SHOWN = 'jsonpath={.type} {.object.metadata.name} {.object.metadata.deletionTimestamp}{"\\n"}'

    def __init__(self, ns, pods):
        command = ["kubectl", "-n", ns.name, "get", "pods", "--watch", "--output-watch-events", "-o", self.SHOWN]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.known, self.leaving, self.most, self.ended = set(), set(), 0, set()
        threading.Thread(target=self.read, daemon=True).start()
        until("to be told of the pods", lambda: self.known >= set(pods), 60)

    def read(self):
        for line in self.process.stdout:
            kind, name, *since = line.split()
            self.known.add(name)
            if kind == "DELETED":
                self.leaving.discard(name)
                self.ended.add(name)
            elif since:
                self.leaving.add(name)
            self.most = max(self.most, len(self.leaving))

    def stop(self):
        lib.end(self.process, 10)


def is_ready(pod):
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def ready_since(pod):
    return next(item["lastTransitionTime"] for item in pod["status"]["conditions"] if item["type"] == "Ready")


def addresses(pods):
    return {name: pod["status"]["podIP"] for name, pod in pods.items()}


def uids(pods):
    return {name: pod["metadata"]["uid"] for name, pod in pods.items()}


class Authority:
    """An authority of the test's own that signs certificates, by openssl."""

    def __init__(self, directory):
        self.directory, self.serial = directory, 100
        self.certificate = os.path.join(directory, "ca.crt")
        self.key = os.path.join(directory, "ca.key")
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        run(
            "openssl",
            "req",
            "-x509",
            *new_key,
            "-keyout",
            self.key,
            "-out",
            self.certificate,
            "-days",
            "2",
            "-subj",
            "/CN=authority of the test",
        )

    def issue(self, *names):
        """A certificate for these names, with a serial number of its own: the paths of it and of its key, and the number."""
        self.serial += 1
        base = os.path.join(self.directory, f"certificate-{self.serial}")
        extensions = f"subjectAltName={','.join(f'DNS:{name}' for name in names)}\nextendedKeyUsage=serverAuth,clientAuth\n"
        with open(f"{base}.ext", "w", encoding="utf-8") as file:
            file.write(extensions)
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        run("openssl", "req", *new_key, "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", "/CN=registry")
        run(
            "openssl", "x509", "-req", "-in", f"{base}.csr", "-CA", self.certificate, "-CAkey", self.key, "-set_serial", str(self.serial),
            "-days", "1", "-extfile", f"{base}.ext", "-out", f"{base}.crt",
        )
        return f"{base}.crt", f"{base}.key", f"{self.serial:x}"


def contents(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def client_command(*args):
    """A command of compat/kubernetes/client where the cluster's names resolve."""
    return [*shlex.split(os.environ["KUBE_CLIENT_EXEC"]), os.environ["KUBE_CLIENT"], *args]


def answered(url, status, *args):
    """The answer to a GET, which must have this status."""
    return run(*client_command("get", f"--status={status}", *args, url), timeout=30)


class Group:
    """The counting clients, running beside the scenarios."""

    def __init__(self, url, count, interval, *args):
        command = client_command("group", f"--url={url}", f"--count={count}", f"--interval={interval}", *args)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.line(120)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def line(self, seconds):
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"the clients said nothing for {seconds} s") from None
        check(line is not None, "the clients ended early")
        return json.loads(line)

    def mark(self, name):
        """What they counted since the last mark."""
        self.process.stdin.write(f"mark {name}\n")
        self.process.stdin.flush()
        return self.line(60)

    def stop(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait(timeout=60)


class SpringApplication:
    """A real Spring Boot application, a JVM of its own where the cluster's names resolve."""

    FAULT = re.compile(
        r"Cannot execute request on any known server|Request execution fail|registration failed|was unable to|hash ?code mismatch",
        re.IGNORECASE,
    )

    def __init__(self, jar, name, port, url, directory):
        self.name, self.port, self.log_path = name, port, os.path.join(directory, f"{name}.log")
        self.read_up_to = 0
        command = [
            *shlex.split(os.environ["KUBE_CLIENT_EXEC"]),
            "java",
            "-Dsun.net.inetaddr.ttl=5",
            "-Xmx128m",
            "-XX:TieredStopAtLevel=1",
            "-jar",
            jar,
            f"--spring.application.name={name}",
            f"--server.port={port}",
            "--eureka.instance.prefer-ip-address=true",
            f"--eureka.client.service-url.defaultZone={url}",
            "--eureka.client.registry-fetch-interval-seconds=5",
            "--eureka.instance.lease-renewal-interval-in-seconds=5",
            # As deploy/README.md recommends: Spring's own limit is three minutes, spent on an address that is gone.
            "--eureka.client.restclient.timeout.connect-timeout=2000",
            "--eureka.client.restclient.timeout.socket-timeout=8000",
        ]
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def faults(self):
        """Lines in which the client reported a failed call, since the last time this was asked."""
        with open(self.log_path, "rb") as log:
            log.seek(self.read_up_to)
            # Not the line that is still being written.
            text = log.read().rpartition(b"\n")[0]
        self.read_up_to += len(text)
        return [line for line in text.decode(errors="replace").splitlines() if self.FAULT.search(line)]

    def ask(self, path, method="GET"):
        """What it answers for itself."""
        return json.loads(answered(f"http://127.0.0.1:{self.port}/{path}", 200, f"--method={method}"))

    def stop(self):
        lib.end(self.process, 60)


# Their ports, where the clients are.
SPRING = {"shop": 18081, "stock": 18082, "cart": 18083, "mail": 18084}


def spring_applications(url, directory):
    """Starts all of them."""
    return [SpringApplication(os.environ["KUBE_SPRING_JAR"], name, port, url, directory) for name, port in SPRING.items()]


@contextmanager
def spring_running(url, directory):
    """All of them, which are ended afterwards."""
    applications = spring_applications(url, directory)
    try:
        yield applications
    finally:
        for application in applications:
            application.process.terminate()
        for application in applications:
            application.stop()
