"""Parts of `compat/run release` that read documents.

release.py lines REGISTRY VERSION KEY                prints the lines of SECURITY.md that verify a release, for this registry and key
release.py archive                                   prints the README's lines that unpack an archive and start its binary
release.py bom FILE ATTESTATION BINARY               compares an SBOM with its attestation, and with what the binary lists
release.py cluster REGISTRY PREVIOUS RELEASE         installs the chart from the registry, upgrades from a previous version, and back
"""

import json
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path

import lib
import pages

sys.path.insert(0, str(pages.ROOT / "deploy"))
import sbom

NAMESPACE = "eureka-release"


def lines(registry, version, key):
    """The first block of the section. The signer of a workflow becomes a key, about which no public log knows."""
    kind, body = pages.blocks(pages.section(".github/SECURITY.md", "## Verify a release"))[0]
    assert kind == "sh", kind
    given = {"VERSION=": f"VERSION={version}", "REGISTRY=": f"REGISTRY={registry}"}
    given["SIGNER="] = f"SIGNER=(--key={key} --insecure-ignore-tlog=true)"
    out = []
    for line in body.replace("\\\n", "").splitlines():
        start = line.partition("=")[0] + "="
        out.append(given.pop(start, line))
    assert not given, f"SECURITY.md does not set {', '.join(given)}"
    print("\n".join(out))


def archive():
    block = next(body for kind, body in pages.blocks(pages.section("README.md", "")) if kind == "sh" and body.startswith("tar "))
    print("\n".join(pages.commands(block)))


def bom(file, attestation, binary):
    document = json.loads(Path(file).read_text())
    statement = json.loads(b64decode(json.loads(Path(attestation).read_text().splitlines()[0])["payload"]))
    assert statement["predicate"] == document, "the attestation is of another SBOM"
    listed = {(one["name"], one["version"]) for one in document["components"]}
    packages = sbom.audited(Path(binary).read_bytes())
    assert packages, f"{binary} does not list its dependencies: it was not built by deploy/build-binary"
    inside = {(one["name"], one["version"]) for one in packages if not one.get("root")}
    assert listed == inside, f"differ in {listed ^ inside}"
    assert all(one.get("licenses") and one.get("hashes") for one in document["components"]), "a component without licence or hash"
    references = {document["metadata"]["component"]["bom-ref"], *(one["bom-ref"] for one in document["components"])}
    for one in document["dependencies"]:
        assert {one["ref"], *one["dependsOn"]} <= references, f"{one['ref']} depends on what is not listed"
    print(f"  {Path(file).name}: {len(listed)} components, the same in the binary and in the attestation")


def run(*command, stdin=None, seconds=200):
    result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(command)}: {result.stdout}{result.stderr}")
    return result.stdout


def helm(*command):
    return run("helm", "-n", NAMESPACE, *command)


def pods():
    return json.loads(run("kubectl", "-n", NAMESPACE, "get", "pods", "-o", "json", "-l", "app.kubernetes.io/instance=registry"))["items"]


def images():
    """The images that the pods of the StatefulSet name, and that the container runtime says it runs, when all pods are ready."""
    run("kubectl", "-n", NAMESPACE, "rollout", "status", "statefulset/registry", "--timeout=180s")
    found = [pod for pod in pods() if pod["metadata"]["name"].startswith("registry-") and pod["metadata"]["name"][9:].isdigit()]
    assert len(found) == 3, f"{len(found)} pods"
    return {(pod["spec"]["containers"][0]["image"], pod["status"]["containerStatuses"][0]["imageID"]) for pod in found}


def runs(record, what):
    """All three pods run this release's image, pulled by its digest."""
    name = f"{record['image']['name'].rpartition(':')[0]}@{record['image']['digest']}"
    lib.until(f"{what} by three pods", lambda: images() == {(name, name)}, 60)
    print(f"  {what}: three pods run {name}", flush=True)


def cluster(registry, *records):
    previous, release = (json.loads(Path(record).read_text()) for record in records)
    chart = f"oci://{registry}/charts/registry"
    options = ["--plain-http", "--wait", "--timeout", "180s"]
    run("kubectl", "create", "namespace", NAMESPACE)
    try:
        run("kubectl", "label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=restricted")
        began = time.monotonic()
        helm("install", "registry", chart, "--version", previous["version"], *options)
        runs(previous, f"installed {previous['version']}")
        helm("test", "registry", "--timeout", "60s")
        helm("upgrade", "registry", chart, "--version", release["version"], "--reset-then-reuse-values", *options)
        runs(release, f"upgraded to {release['version']}")
        helm("test", "registry", "--timeout", "60s")
        helm("rollback", "registry", "1", "--wait", "--timeout", "180s")
        runs(previous, "rolled back")
        helm("test", "registry", "--timeout", "60s")
        helm("uninstall", "registry", "--wait", "--timeout", "60s")
        print(f"  helm test succeeded after each; {time.monotonic() - began:.0f} s on Kubernetes")
    finally:
        run("kubectl", "delete", "namespace", NAMESPACE, "--timeout=90s")


def main():
    command, *arguments = sys.argv[1:]
    {"lines": lines, "archive": archive, "bom": bom, "cluster": cluster}[command](*arguments)


main()
