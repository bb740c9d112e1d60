"""The list of what a binary is made of, in CycloneDX: from the binary itself, with licences from cargo.

`cargo auditable` writes the list into the binary. For macOS it is made from cargo's own graph.
"""

import json
import struct
import subprocess
import uuid
import zlib
from pathlib import Path

from image import rfc3339

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {"linux-amd64": "x86_64-unknown-linux-gnu", "linux-arm64": "aarch64-unknown-linux-gnu", "macos-arm64": "aarch64-apple-darwin"}
SECTION = ".dep-v0"


def audited(elf):
    """The packages that a 64-bit ELF file names: (name, version, kind, dependencies as indices)."""
    offset, = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, offset + number * size) for number in range(count)]
    table = headers[names][4]
    for name, _, _, _, start, length in headers:
        if elf[table + name :].split(b"\0", 1)[0].decode() == SECTION:
            return json.loads(zlib.decompress(elf[start : start + length]))["packages"]
    return None


def graph(platform):
    """cargo's packages for a platform by (name, version), and what the root depends on, which is no dependency of tests alone."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGETS[platform]]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
    by_id = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, edges = [metadata["resolve"]["root"]], {}
    for one in found:
        wanted = [dep["pkg"] for dep in nodes[one]["deps"] if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])]
        edges[key(by_id[one])] = sorted(key(by_id[dep]) for dep in wanted)
        found += [dep for dep in wanted if dep not in found]
    return {key(package): package for package in by_id.values()}, edges


def key(package):
    return package["name"], package["version"]


def purl(name, version):
    return f"pkg:cargo/{name}@{version}"


def checksums():
    """The SHA-256 of each package as Cargo.lock has it."""
    blocks = (ROOT / "Cargo.lock").read_text().split("[[package]]\n")[1:]
    entries = [dict(line.split(" = ", 1) for line in block.splitlines() if line.count(" = ") == 1) for block in blocks]
    return {(one["name"].strip('"'), one["version"].strip('"')): one["checksum"].strip('"') for one in entries if "checksum" in one}


def component(package, kind, checksum):
    entry = {
        "type": "library", "bom-ref": purl(*key(package)), "name": package["name"], "version": package["version"],
        "purl": purl(*key(package)),
        # Only needed to build: it is not in the binary.
        "scope": "excluded" if kind == "build" else "required",
    }
    if package["license"]:
        entry["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if package["repository"]:
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return entry


def of(platform, version, revision, created, binary):
    """The document, as bytes. Its serial number follows from the platform and the commit."""
    packages, edges = graph(platform)
    own = audited(binary) if binary[:4] == b"\x7fELF" else None
    if own is not None:
        kinds = {key(one): one.get("kind", "runtime") for one in own if not one.get("root")}
        edges = {key(one): sorted(key(own[index]) for index in one.get("dependencies", [])) for one in own}
    else:
        root = next(iter(edges))
        kinds = {one: "runtime" for one in edges if one != root}
    sums = checksums()
    reference = purl("eureka-registry", version)
    name = lambda one: reference if one[0] == "eureka-registry" else purl(*one)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'eureka-registry/{version}/{platform}/{revision}')}",
        "metadata": {
            "timestamp": rfc3339(created),
            "component": {
                "type": "application", "bom-ref": reference, "name": "eureka-registry", "version": version, "purl": reference,
                "licenses": [{"expression": "Apache-2.0"}],
            },
            "properties": [{"name": "platform", "value": platform}, {"name": "commit", "value": revision}],
        },
        "components": [component(packages[one], kind, sums.get(one)) for one, kind in sorted(kinds.items())],
        "dependencies": [{"ref": name(one), "dependsOn": [name(dep) for dep in deps]} for one, deps in sorted(edges.items())],
    }
    return json.dumps(document, indent=1).encode() + b"\n"
