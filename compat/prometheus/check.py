"""Drives two replicas a little, then asks Prometheus for everything the Grafana dashboard shows, and for the alerts."""

import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import lib

ONE, TWO, PROMETHEUS, DASHBOARD = sys.argv[1:]
# What stands for Grafana's variables; the window holds a few of the test's scrapes.
VARIABLES = {"$__rate_interval": "10s", "$job": ".*", "$instance": ".*"}
LIMIT = 120


def call(method, url, body=None):
    """A request that may be refused."""
    with contextlib.suppress(urllib.error.HTTPError):
        lib.request(url, method, body)


def drive():
    """One round of what clients do, some of it refused."""
    for number in range(5):
        call("POST", f"{ONE}/eureka/apps/ORDERS", lib.instance("ORDERS", f"orders-{number}"))
        call("PUT", f"{TWO}/eureka/apps/ORDERS/orders-{number}")
    call("GET", f"{ONE}/eureka/apps")
    call("GET", f"{ONE}/eureka/apps/delta")
    call("PUT", f"{ONE}/eureka/apps/ORDERS/nobody")
    call("PUT", f"{ONE}/eureka/apps/ORDERS/orders-1/status?value=OUT_OF_SERVICE")
    call("DELETE", f"{ONE}/eureka/apps/ORDERS/orders-4")


def ask(path, **parameters):
    with urllib.request.urlopen(f"{PROMETHEUS}/api/v1/{path}?{urllib.parse.urlencode(parameters)}") as answer:
        return json.load(answer)["data"]


def queries():
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            assert "$" not in expression, expression
            yield panel["title"], expression


class Complaint(Exception):
    """The conditions that do not hold yet."""


def until_none(what, complaints):
    """Sends requests and checks again until all conditions hold."""
    def look():
        if found := complaints():
            drive()
            raise Complaint(found)
        return True

    lib.until(f"no {what}", look, LIMIT, not_yet=Complaint, pause=0.5)


def unanswered():
    return [(title, query) for title, query in queries() if not ask("query", query=query)["result"]]


def missing_targets():
    return [target["lastError"] or target["scrapeUrl"] for target in ask("targets")["activeTargets"] if target["health"] != "up"]


def not_firing():
    firing = {alert["labels"]["alertname"] for alert in ask("alerts")["alerts"] if alert["state"] == "firing"}
    return {"EurekaPeerUnavailable", "EurekaSelfPreservation", "EurekaReplicasMissing"} - firing


until_none("targets that are not up", missing_targets)
until_none("queries of the dashboard without an answer", unanswered)
print(f"  {len(list(queries()))} queries of the dashboard answered")
broken = [rule["name"] for group in ask("rules")["groups"] for rule in group["rules"] if rule["health"] == "err"]
assert not broken, broken
until_none("alerts that do not fire, though a peer is absent and renewals are few", not_firing)
print("  fires for the absent peer, the missing renewals and the missing replica, no rule fails")


def missing_statuses():
    seen = ask("query", query='eureka_server_instances{application="ORDERS"}')["result"]
    return {"UP", "OUT_OF_SERVICE"} - {sample["metric"]["status"] for sample in seen}


until_none("statuses of ORDERS that are not shown", missing_statuses)
print("  eureka_server_instances{application,status} is there, as Spring has it")
