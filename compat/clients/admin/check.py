"""Reads what Spring Boot Admin shows of the registry, and sets a log level through it; prints that, or what is missing.

Its argument is Admin's URL.
"""

import json
import sys
import urllib.request

WANTED = {"configprops", "env", "health", "info", "loggers", "prometheus"}
LOGGER = "eureka_registry::replication"


def call(url, body=None):
    """The JSON that Admin answers; `None` for an empty answer."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def level_through(actuator, wanted):
    """Sets the level of a logger, and returns what it is afterwards."""
    call(f"{actuator}/loggers/{LOGGER}", {"configuredLevel": wanted})
    return call(f"{actuator}/loggers/{LOGGER}")["effectiveLevel"]


admin = sys.argv[1]
registries = [one for one in call(f"{admin}/instances") if one["registration"]["name"].upper() == "EUREKA"]
if not registries:
    sys.exit("the registry is not among them")
registry = registries[0]
endpoints = {endpoint["id"]: endpoint["url"] for endpoint in registry["endpoints"]}
version = registry["info"].get("build", {}).get("version")
if registry["statusInfo"]["status"] != "UP" or WANTED - endpoints.keys() or not version:
    sys.exit(f"status {registry['statusInfo']}, endpoints {endpoints}, info {registry['info']}")

proxied = f"{admin}/instances/{registry['id']}/actuator"
levels = [level_through(proxied, "DEBUG"), level_through(proxied, None)]
if levels != ["DEBUG", "INFO"]:
    sys.exit(f"the levels set through Admin are {levels}")
sources = [source["name"] for source in call(f"{proxied}/env")["propertySources"]]
key = call(f"{proxied}/env/eureka.client.register-with-eureka")["property"]
if key != {"source": "commandLineArgs", "value": "true"}:
    sys.exit(f"{key} of {sources}")
(beans,) = [context["beans"] for context in call(f"{proxied}/configprops")["contexts"].values()]
if beans["eureka.client"]["properties"]["registerWithEureka"] != "******":
    sys.exit(f"values of configprops are not masked: {beans['eureka.client']}")
print(f"Spring Boot Admin shows the registry UP, version {version}, with {', '.join(sorted(endpoints))}; {LOGGER} was set to")
print(f"  {' and back to '.join(levels)} through it, and it reads {len(sources)} sources and {len(beans)} groups of settings")
