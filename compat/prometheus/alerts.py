"""Makes tests for promtool from the scenarios of alerts_test.yaml, and rule files from the chart.

alerts.py SCENARIOS RULES_ONE RULES_TWO: the files with what Helm renders for the two releases are replaced by rule files; the tests are
printed. Fails if an alert fires in no scenario.
"""

import json
import re
import sys

import yaml

RELEASES = {"one": ("orders", "abc"), "two": ("registry", "ab")}
# What is so while all is well.
WELL = {
    "up": 1,
    "eureka_ready": 1,
    "eureka_self_preservation_active": 0,
    "eureka_registry_applications": 3,
    "eureka_registry_applications_without_up": 0,
    'eureka_registry_instances|status="UP"': 9,
    'eureka_registry_instances|status="DOWN"': 1,
    "eureka_registry_bytes": 10,
    "eureka_registry_max_bytes": 100,
    "process_resident_memory_bytes": 50,
    "eureka_memory_limit_bytes": 100,
    "process_open_fds": 9,
    "process_max_fds": 1000,
}
PER_PEER = {
    "eureka_peer_available": 1,
    "eureka_peer_differing_applications": 0,
    "eureka_peer_clock_offset_seconds": 0,
    "eureka_replication_oldest_seconds": 0,
}
MINUTES = 90


def series(metric, namespace, replica, more=""):
    job = RELEASES[namespace][0]
    return f'{metric}{{job="{job}",namespace="{namespace}",instance="{replica}"{more}}}'


def well():
    found = {}
    for namespace, (_, replicas) in RELEASES.items():
        for replica in replicas:
            for metric, value in WELL.items():
                name, _, label = metric.partition("|")
                found[series(name, namespace, replica, label and f",{label}")] = f"{value}x{MINUTES}"
            found[series("eureka_peers", namespace, replica)] = f"{len(replicas) - 1}x{MINUTES}"
            for peer in replicas.replace(replica, ""):
                for metric, value in PER_PEER.items():
                    found[series(metric, namespace, replica, f',peer="{peer}"')] = f"{value}x{MINUTES}"
    return found


def changed(scenario):
    """The series of a scenario: those of a day when all is well, with its own in their places."""
    found = well()
    for name, values in scenario.get("series", {}).items():
        metric, namespace, replica, more = re.fullmatch(r"(\w+)\{(\w+),([a-c*])(.*)\}", name).groups()
        for each in RELEASES[namespace][1] if replica == "*" else replica:
            found.pop(series(metric, namespace, each, more), None)
            if values is not None:
                found[series(metric, namespace, each, more)] = values
    return found


def place(alert, where):
    namespace, _, which = where.partition("/")
    labels = {"alertname": alert, "namespace": namespace}
    if which:
        labels["instance" if len(which) == 1 else "application"] = which
    inside = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return {"labels": f"{{{inside}}}", "value": 1}


def test(scenario):
    fires = [place(alert, where) for alert, places in scenario["fires"].items() for where in places]
    return {
        "name": scenario["name"],
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in changed(scenario).items()],
        "promql_expr_test": [
            {
                "expr": 'group by (alertname, namespace, instance, application) (ALERTS{alertstate="firing"})',
                "eval_time": f"{MINUTES}m",
                "exp_samples": fires,
            }
        ],
    }


def main(scenarios, *rules):
    alerts = set()
    for file in rules:
        with open(file, encoding="utf-8") as rendered:
            spec = yaml.safe_load(rendered)["spec"]
        alerts |= {rule["alert"] for group in spec["groups"] for rule in group["rules"]}
        with open(file, "w", encoding="utf-8") as out:
            json.dump(spec, out)
    with open(scenarios, encoding="utf-8") as file:
        found = yaml.safe_load(file)
    missing = alerts - {alert for scenario in found for alert in scenario["fires"]}
    if missing:
        sys.exit(f"no scenario makes these fire: {', '.join(sorted(missing))}")
    tests = [test(scenario) for scenario in found]
    json.dump({"rule_files": rules, "evaluation_interval": "1m", "tests": tests}, sys.stdout, indent=1)


main(*sys.argv[1:])
