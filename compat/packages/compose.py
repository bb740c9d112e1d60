"""Checks deploy/compose.yaml without Docker: compose.py FILE BINARY.

Plays its three replicas with their environment, each at a loopback address, beside a name server that answers as Docker's: the addresses
of an alias, and no SRV records. They have to know each other, and to be healthy by their own health check.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import yaml

import lib

BINARY = sys.argv[2]
A = 1
# What the services may have: another key has not been thought about here.
KNOWN = {
    "image",
    "build",
    "hostname",
    "networks",
    "environment",
    "healthcheck",
    "ports",
    "restart",
    "read_only",
    "cap_drop",
    "security_opt",
    "stop_grace_period",
    "mem_limit",
}


def addresses(services):
    """The addresses by name: each service's own, and those of its aliases."""
    found = {}
    for number, (name, service) in enumerate(services.items()):
        for alias in (name, *service["networks"]["default"]["aliases"]):
            found.setdefault(alias, []).append(f"127.0.0.{41 + number}")
    return found


def answer(query, names):
    """In the format of RFC 1035."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    name, kind, end = ".".join(labels), struct.unpack("!H", query[at + 1 : at + 3])[0], at + 5
    records = [socket.inet_aton(address) for address in names.get(name, [])] if kind == A else []
    header = query[:2] + struct.pack("!HHHHH", 0x8580 if name in names else 0x8583, 1, len(records), 0, 0)
    return header + query[12:end] + b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, 4) + data for data in records)


def serve(names, known):
    while True:
        query, client = names.recvfrom(512)
        names.sendto(answer(query, known), client)


def check(services):
    assert len(services) == 3, list(services)
    for name, service in services.items():
        assert set(service) <= KNOWN, f"{name}: {set(service) - KNOWN}"
        assert service["hostname"] == name, f"{name} is called {service['hostname']}"
        assert service["healthcheck"]["test"] == ["CMD", "/eureka-registry", "health"], f"{name}: {service['healthcheck']}"
        assert service["ports"][0].endswith(":8761"), f"{name}: {service['ports']}"
    published = [port for service in services.values() for port in service["ports"]]
    assert len(set(published)) == len(published) == 3, published


def peers_of(base):
    """The number of peers that a replica shows as available."""
    return json.loads(lib.request(f"{base}/eureka/status"))["applicationStats"]["available-replicas"].count("http://")


def is_healthy(base):
    """What the health check of the container says."""
    done = subprocess.run([BINARY, "health", "--url", f"{base}/actuator/health/readiness"], capture_output=True, check=False)
    return done.returncode == 0


def play(services):
    names, port = addresses(services), lib.ReservedPort()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(server, names), daemon=True).start()
    replicas = {}
    try:
        for name, service in services.items():
            base = f"http://{names[name][0]}:{port.number}"
            here = {
                "SERVER_ADDRESS": names[name][0],
                "SERVER_PORT": str(port.number),
                "REGISTRY_DISCOVERY_NAMESERVERS": f"127.0.0.1:{server.getsockname()[1]}",
                "REGISTRY_DISCOVERY_REFRESHINTERVAL": "1s",
                "REGISTRY_SHUTDOWN_LAMEDUCK": "0",
            }
            environment = {"PATH": os.environ["PATH"]} | service["environment"] | here
            replicas[base] = subprocess.Popen([BINARY], env=environment, stdout=subprocess.DEVNULL)
        lib.until("all to know each other", lambda: all(peers_of(base) == 2 for base in replicas), 60)
        for base in replicas:
            lib.until(f"{base} to be healthy", lambda base=base: is_healthy(base), 60)
    finally:
        for replica in replicas.values():
            replica.terminate()
        for replica in replicas.values():
            replica.wait(60)


def main():
    services = yaml.safe_load(Path(sys.argv[1]).read_text())["services"]
    check(services)
    play(services)
    print("  compose.yaml: with its environment, three replicas find each other by A records alone, and each is healthy")


main()
