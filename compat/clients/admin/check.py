"""Reads Spring Boot Admin's view of its instances, and prints what it shows of the registry, or what is missing."""

import json
import sys

WANTED = {"health", "info", "prometheus"}

registries = [one for one in json.load(sys.stdin) if one["registration"]["name"].upper() == "EUREKA"]
if not registries:
    sys.exit("the registry is not among them")
registry = registries[0]
endpoints = {endpoint["id"]: endpoint["url"] for endpoint in registry["endpoints"]}
version = registry["info"].get("build", {}).get("version")
if registry["statusInfo"]["status"] != "UP" or WANTED - endpoints.keys() or not version:
    sys.exit(f"status {registry['statusInfo']}, endpoints {endpoints}, info {registry['info']}")
print(f"Spring Boot Admin shows the registry UP, version {version}, with {', '.join(sorted(endpoints))}")
