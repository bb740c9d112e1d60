"""r-nacos on the same load: its register and its heartbeat, over its HTTP interface (Nacos v1)."""

import json
import time
import urllib.parse

import cases
from instances import Fleet
from load import AnswerWasAnError, Connection, Plan
from servers import Nacos


def form(server, method, path, **fields):
    body = urllib.parse.urlencode(fields).encode()
    return (f"{method} {path} HTTP/1.1\r\nHost: {server.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n").encode() + body


def register(server, one):
    return form(server, "POST", "/nacos/v1/ns/instance", serviceName=one.vip, ip=one.ip, port=8080, ephemeral="true",
                metadata=json.dumps({"management.port": "8080", "zone": f"zone-{one.number % 3}"}))


def beat(server, one):
    body = json.dumps({"serviceName": f"DEFAULT_GROUP@@{one.vip}", "ip": one.ip, "port": 8080, "cluster": "DEFAULT"})
    return form(server, "PUT", "/nacos/v1/ns/instance/beat", serviceName=one.vip, ip=one.ip, port=8080, beat=body)


def measure(effort):
    fleet = Fleet(10_000)
    sample = fleet.sample(10_000)
    with Nacos() as server:
        found = {"start_seconds": server.start_seconds, "cases": {}}
        time.sleep(0.5)
        found["memory_empty_mb"] = server.memory()
        connection = Connection(server)
        for one in sample:
            status, body = connection.ask(register(server, one))
            if status != 200:
                raise AnswerWasAnError(f"r-nacos answered a registration with {status}: {body[:200]!r}")
        found["memory_loaded_mb"] = server.memory()
        for name, make in (("heartbeat", beat), ("register", register)):
            with Plan((1, [make(server, one) for one in sample])) as plan:
                found["cases"][name] = cases.drive(server, effort, plan)
            cases.tell(server, name, found["cases"][name])
    return found
