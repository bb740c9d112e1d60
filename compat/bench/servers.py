"""Starts and stops the servers under test and reads their accounting from /proc."""

import atexit
import os
import re
import socket
import subprocess
import tempfile
import time

import lib

TICK = os.sysconf("SC_CLK_TCK")
RUNNING = []


PORTS = []


def port_of_ones_own():
    """A port that no other process is given before the end. Servers are timed from their start and asked at once, so it is
    known beforehand."""
    PORTS.append(lib.ReservedPort())
    return PORTS[-1].number


class Server:
    """One running server process; `start_seconds` is from exec to its first good answer."""

    kind = "?"

    def __init__(self, command, address, port, path="/eureka/apps", env=None, limit=120, context=None):
        self.address, self.port, self.context = address, port, context
        self.url = f"http://{address}:{port}"
        self.host = f"{address}:{port}"
        self.log = tempfile.NamedTemporaryFile(prefix=f"bench-{self.kind}-", suffix=".log", delete=False)  # noqa: SIM115, `stop` closes it
        self.directory = tempfile.TemporaryDirectory(prefix="bench-home-")
        begun = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT,
                                        cwd=self.directory.name, env=env)
        RUNNING.append(self)
        self._wait(path, begun, limit)
        self.start_seconds = time.monotonic() - begun

    def _wait(self, path, begun, limit):
        request = (f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\nAccept: application/json\r\n"
                   "Connection: close\r\n\r\n").encode()
        while time.monotonic() - begun < limit and self.process.poll() is None:
            try:
                with self._connect() as connection:
                    connection.sendall(request)
                    if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                pass
            time.sleep(0.001)
        with open(self.log.name, errors="replace") as log:
            tail = log.read()[-3000:]
        self.stop()
        raise RuntimeError(f"{self.kind} did not answer:\n{tail}")

    def _connect(self):
        connection = socket.create_connection((self.address, self.port), timeout=20)
        return self.context.wrap_socket(connection, server_hostname=self.address) if self.context else connection

    def cpu(self):
        """Processor time so far, user and system, in seconds."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self, key="VmRSS"):
        """Resident memory now (`VmRSS`) or at its peak (`VmHWM`), in MB of 10^6 bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{key}:\s+(\d+) kB", status.read()).group(1)) * 1024 / 1e6

    def stop(self):
        if self not in RUNNING:
            return
        RUNNING.remove(self)
        lib.end(self.process, 20)
        self.log.close()
        os.unlink(self.log.name)
        self.directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


@atexit.register
def stop_all():
    while RUNNING:
        RUNNING[0].stop()


def peer_urls(address, port, peers):
    return ",".join(f"http://{peer}:{port}/eureka/" for peer in peers if peer != address)


class Ours(Server):
    kind = "ours"
    binary = None

    def __init__(self, address="127.0.0.1", port=None, peers=(), options=(), context=None):
        port = port or port_of_ones_own()
        command = [self.binary, f"--server.port={port}", f"--server.address={address}",
                   f"--eureka.instance.hostname={address}", "--eureka.client.register-with-eureka=false",
                   "--registry.shutdown.lame-duck=0", *options]
        if peers:
            command.append(f"--eureka.client.service-url.defaultZone={peer_urls(address, port, peers)}")
        super().__init__(command, address, port, context=context)


class Java(Server):
    kind = "java"
    jar = None

    def __init__(self, address="127.0.0.1", port=None, peers=(), options=(), context=None):
        port = port or port_of_ones_own()
        # Without peers its own address is the one service URL: it knows itself by its host name.
        urls = peer_urls(address, port, peers) or f"http://{address}:{port}/eureka/"
        super().__init__(
            ["java", "-Xmx1g", "-jar", self.jar, f"--server.port={port}", f"--server.address={address}",
             f"--eureka.instance.hostname={address}", "--eureka.client.register-with-eureka=false",
             "--eureka.client.fetch-registry=false",
             f"--eureka.client.service-url.defaultZone={urls}", *options], address, port, context=context)


class Bare(Server):
    """The axum handler that does nothing: what HTTP alone costs. Its full fetch has `document_bytes`."""

    kind = "bare"
    binary = None

    def __init__(self, document_bytes):
        port = port_of_ones_own()
        super().__init__([self.binary, str(port), str(document_bytes)], "127.0.0.1", port)


class Nacos(Server):
    """r-nacos, the nearest registry in Rust."""

    kind = "r-nacos"
    binary = None

    def __init__(self):
        port = port_of_ones_own()
        self.data = tempfile.TemporaryDirectory(prefix="bench-nacos-")
        env = dict(os.environ, RNACOS_HTTP_PORT=str(port), RNACOS_GRPC_PORT=str(port_of_ones_own()),
                   RNACOS_HTTP_CONSOLE_PORT="0", RNACOS_DATA_DIR=self.data.name, RUST_LOG="error")
        super().__init__([self.binary], "127.0.0.1", port, path="/nacos/v1/ns/operator/metrics", env=env)

    def stop(self):
        super().stop()
        self.data.cleanup()
