"""A headless Service `registry` on this machine: three replicas, and a name server that names them."""

import json
import signal
import socket
import struct
import subprocess
import sys
import threading

import lib

BINARY, CHECK = sys.argv[1], "--check" in sys.argv
PODS = {f"registry-{number}.registry": f"127.0.0.{11 + number}" for number in range(3)}
A, SRV = 1, 33
EXAMPLE = json.dumps({"instance": {
    "instanceId": "orders-1", "hostName": "orders-1.local", "app": "ORDERS", "ipAddr": "10.0.0.1",
    "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
}}, separators=(",", ":"))


RESERVED = lib.ReservedPort() if CHECK else None
PORT = RESERVED.number if CHECK else 8761


def answer(query):
    """What CoreDNS answers for a headless Service, in the format of RFC 1035."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
        at += query[at] + 1
    name, kind, end = ".".join(labels), struct.unpack("!H", query[at + 1 : at + 3])[0], at + 5
    records = []
    if kind == A:
        hosts = PODS.values() if name == "registry" else [PODS[name]] if name in PODS else []
        records = [socket.inet_aton(host) for host in hosts]
    elif kind == SRV and name == "registry":
        encode = lambda pod: b"".join(bytes([len(part)]) + part.encode() for part in pod.split(".")) + b"\0"
        records = [struct.pack("!HHH", 0, 50, PORT) + encode(pod) for pod in PODS]
    known = name == "registry" or name in PODS
    header = query[:2] + struct.pack("!HHHHH", 0x8580 if known else 0x8583, 1, len(records), 0, 0)
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(data)) + data for data in records)
    return header + query[12:end] + body


def serve_names(names):
    while True:
        query, client = names.recvfrom(512)
        names.sendto(answer(query), client)


def peers_of(base):
    """The number of peers that a replica shows as available."""
    return json.loads(lib.request(f"{base}/eureka/status"))["applicationStats"]["available-replicas"].count("http://")


names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 0))
threading.Thread(target=serve_names, args=(names,), daemon=True).start()
replicas = [
    subprocess.Popen(
        [
            BINARY, f"--server.port={PORT}", f"--server.address={host}", f"--eureka.instance.hostname={pod}",
            "--registry.discovery.service=registry", "--registry.discovery.refresh-interval=1s",
            f"--registry.discovery.nameservers=127.0.0.1:{names.getsockname()[1]}",
        ],
        stdout=subprocess.DEVNULL if CHECK else None,
    )
    for pod, host in PODS.items()
]
bases = [f"http://{host}:{PORT}" for host in PODS.values()]
try:
    lib.until("all to know each other", lambda: all(peers_of(base) == 2 for base in bases), 60)
    if CHECK:
        lib.request(f"{bases[0]}/eureka/apps/ORDERS", "POST", lib.instance("ORDERS", "orders-1"))
        seen = lambda: all("orders-1" in lib.request(f"{base}/eureka/apps/ORDERS") for base in bases)
        lib.until("a registration to be seen at all", seen, 60)
        print("three replicas found each other by their names and tell each other what is registered\n\n1 passed, 0 failed")
    else:
        print("\nregistry-0, registry-1 and registry-2 know each other. Register at one, look at another:\n")
        print(f"  curl -X POST {bases[0]}/eureka/apps/ORDERS -H 'Content-Type: application/json' -d '{EXAMPLE}'")
        print(f"  curl {bases[2]}/eureka/apps/ORDERS -H 'Accept: application/json'\n\nCtrl-C stops them.")
        signal.pause()
except KeyboardInterrupt:
    pass
finally:
    for replica in replicas:
        replica.terminate()
    for replica in replicas:
        replica.wait(60)
