"""What connections cost: memory of idle ones, with and without TLS, and the processor time of handshakes."""

import os
import resource
import socket
import ssl
import subprocess
import tempfile
import time

import rush
import servers
from instances import Fleet, get
from load import AnswerWasAnError, register_all

# Connections from one address: ports are scarce, and at the limit the server closes those of the largest crowd first.
PER_ADDRESS = 1000
# Longer than the measurement: the server closes no idle connection meanwhile, and waits for clients that share these cores with it.
PATIENT = ["--server.tomcat.keep-alive-timeout=1h", "--server.tomcat.connection-timeout=1h", "--server.tomcat.max-connections=15000"]
JAVA_PATIENT = [*PATIENT, "--server.tomcat.max-keep-alive-requests=-1"]
# Connections that begin in a second: no more are busy at a time than with clients that call every 30 s.
PER_SECOND = 500


class Certificate:
    """A certificate for 127.0.0.1 in files, and a client configuration that trusts its authority."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="bench-tls-")
        self.certificate, self.key = (os.path.join(self.directory.name, name) for name in ("tls.crt", "tls.key"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.key, "-out", self.certificate],
            check=True, capture_output=True)

    def options(self):
        return [f"--server.ssl.certificate={self.certificate}", f"--server.ssl.certificate-private-key={self.key}",
                "--server.ssl.enabled=true"]

    def client(self):
        return ssl.create_default_context(cafile=self.certificate)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()


class Client:
    """A keep-alive connection with as little memory in Python as possible: there are 10,000 of them."""

    __slots__ = ("socket",)

    def __init__(self, server, number=0, context=None, session=None):
        source = (f"127.0.1.{1 + number // PER_ADDRESS}", 0)
        self.socket = socket.create_connection((server.address, server.port), timeout=60, source_address=source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=server.address, session=session)

    def ask(self, request, expected):
        """Sends a request and takes its whole answer."""
        self.socket.sendall(request)
        text = b""
        while b"\r\n\r\n" not in text:
            text += self.receive()
        head, _, body = text.partition(b"\r\n\r\n")
        if int(head[9:12]) != expected:
            raise AnswerWasAnError(f"{request[:60]!r} was answered {head!r}")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if b"content-length" in lines:
            missing = int(lines[b"content-length"]) - len(body)
            while missing > 0:
                missing -= len(self.receive())
        else:
            while lines.get(b"transfer-encoding") == b"chunked" and not body.endswith(b"0\r\n\r\n"):
                body += self.receive()

    def receive(self):
        got = self.socket.recv(1 << 16)
        if not got:
            raise AnswerWasAnError("a connection was closed")
        return got


def allow_files(count):
    """Raises this process's own limit of open files; what it starts has it, too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise RuntimeError(f"{count} open files are needed, and the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def start(kind, certificate=None):
    options = JAVA_PATIENT if kind is servers.Java else PATIENT
    options = [*options, *(certificate.options() if certificate else [])]
    return kind(options=options, context=certificate and certificate.client())


def settled(server, seconds=10):
    """Resident memory in MB when it no longer falls."""
    least, deadline, since = server.memory(), time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < 4:
        time.sleep(0.2)
        now = server.memory()
        if now < least - 0.1:
            least, since = now, time.monotonic()
    return server.memory()


def connect_all(server, fleet, count, context=None):
    """Connections of as many clients, each of which has renewed its instance and read the delta."""
    clients, begun = [], time.monotonic()
    for number in range(count):
        client = Client(server, number, context)
        client.ask(fleet.instance(number % fleet.count).renew(server.host, fleet.stamp), 200)
        client.ask(get(server.host, "/eureka/apps/delta"), 200)
        clients.append(client)
        pause = begun + number / PER_SECOND - time.monotonic()
        if pause > 0:
            time.sleep(pause)
    return clients


def still_there(server, fleet, clients):
    """Some of the connections are used again: none was closed, and all is as before."""
    for number in range(0, len(clients), max(1, len(clients) // 50)):
        clients[number].ask(fleet.instance(number % fleet.count).renew(server.host, fleet.stamp), 200)


def idle(kind, count, certificate=None):
    """Resident memory of one idle keep-alive connection, in kB of 10^3 bytes."""
    allow_files(count + 1000)
    fleet = Fleet(10)
    context = certificate and certificate.client()
    with start(kind, certificate) as server:
        warm = connect_all(server, fleet_of(server, fleet, context), 200, context)
        for client in warm:
            client.socket.close()
        before = settled(server)
        clients = connect_all(server, fleet, count, context)
        after = settled(server)
        still_there(server, fleet, clients)
        return {"connections": count, "kb_each": (after - before) * 1000 / count, "memory_mb": after}


def fleet_of(server, fleet, context):
    """Registers the instances."""
    client = Client(server, 0, context)
    for number in range(fleet.count):
        client.ask(fleet.instance(number).register(server.host, fleet.stamp), 204)
    client.socket.close()
    return fleet


def instances_with_connections(kind, count):
    """Resident memory in MB of as many instances, each with its connection."""
    allow_files(count + 1000)
    fleet = Fleet(count)
    with start(kind) as server:
        register_all(server, fleet)
        clients = connect_all(server, fleet, count)
        memory = settled(server)
        still_there(server, fleet, clients)
        return {"instances": count, "memory_mb": memory}


def reconnects(server, count, context, resume):
    """Processor time of the server for a connection with one request, in microseconds; how many were resumed."""
    session, resumed, before = None, 0, server.cpu()
    for number in range(count):
        client = Client(server, number % PER_ADDRESS, context, session if resume else None)
        client.ask(get(server.host, "/eureka/apps/NONE"), 404)
        if context:
            resumed += client.socket.session_reused
            session = client.socket.session
        client.socket.close()
    return (server.cpu() - before) / count * 1e6, resumed


def handshakes(kind, count, certificate):
    """What a new connection with one request costs: without TLS, with a full handshake, with a resumed one."""
    context, found = certificate.client(), {}
    with start(kind) as server:
        reconnects(server, count // 5, None, False)
        found["plain_us"], _ = reconnects(server, count, None, False)
    with start(kind, certificate) as server:
        reconnects(server, count // 5, context, False)
        found["full_us"], resumed = reconnects(server, count, context, False)
        if resumed:
            raise AnswerWasAnError(f"{resumed} handshakes were resumed that should be full")
        found["resumed_us"], resumed = reconnects(server, count, context, True)
        if resumed < count - 1:
            raise AnswerWasAnError(f"only {resumed} of {count} handshakes were resumed")
    return found


def rushes(kind, count, certificate):
    """What it costs when all clients come back at once by TLS, with full handshakes and with resumed ones."""
    allow_files(count + 1000)
    found = {}
    for name in ("full", "resumed"):
        with start(kind, certificate) as server:
            found[name] = rush.measure(server, count, certificate.certificate, name == "resumed")
            resumed, clients = found[name]["resumed"], found[name]["clients"]
            if resumed != (clients if name == "resumed" else 0):
                raise AnswerWasAnError(f"{resumed} of {clients} handshakes were resumed")
    return found


def measure(kind, quick):
    """All measurements for one kind of server."""
    count, found = 1_000 if quick else 10_000, {}
    with Certificate() as certificate:
        found["plain"] = idle(kind, count)
        print(f"  {kind.kind:8} idle connection        {found['plain']['kb_each']:8.1f} kB", flush=True)
        found["tls"] = idle(kind, count, certificate)
        print(f"  {kind.kind:8} idle connection, TLS   {found['tls']['kb_each']:8.1f} kB", flush=True)
        found["instances"] = instances_with_connections(kind, count)
        print(f"  {kind.kind:8} {count} instances, each with its connection {found['instances']['memory_mb']:8.1f} MB", flush=True)
        found["handshakes"] = handshakes(kind, 200 if quick else 1_000, certificate)
        costs = ", ".join(f"{name[:-3]} {cost:.0f} us" for name, cost in found["handshakes"].items())
        print(f"  {kind.kind:8} new connection with one request: {costs}", flush=True)
        found["rush"] = rushes(kind, count, certificate)
        for name, one in found["rush"].items():
            print(f"  {kind.kind:8} {one['clients']} clients at once, {name} handshakes: {one['cpu_us']:.0f} us each, the last after "
                  f"{one['longest_seconds']:.1f} s, {one['tried_again']} tried again, peak {one['peak_mb']:.0f} MB", flush=True)
    return found
