"""Pushes the image and the chart of a release by crane, and signs them by cosign unless it is told not to.

Both are signed by their digests, and so is SHA256SUMS. Each image has the list of what it is made of as an attestation.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile


def run(*command):
    subprocess.run([str(part) for part in command], check=True)


def digest(name):
    return subprocess.run(["crane", "digest", name], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def push(archive, name, expected):
    """Pushes what an archive's index.json names. Returns the name by digest."""
    with tempfile.TemporaryDirectory() as directory:
        with tarfile.open(archive) as layout:
            layout.extractall(directory, filter="data")
        run("crane", "push", directory, name)
    if digest(name) != expected:
        sys.exit(f"{name} has the digest {digest(name)} in the registry, and {expected} here")
    return f"{name.rpartition(':')[0]}@{expected}"


def how_to_sign(key):
    """Options of cosign. With a key of ours nothing is told to a public log."""
    if key:
        os.environ.setdefault("COSIGN_PASSWORD", "")
        return ["--yes", "--key", key, "--tlog-upload=false"]
    return ["--yes"]


def release(output, key, is_unsigned):
    record = json.loads((output / "release.json").read_text())
    version, image, chart = record["version"], record["image"], record["chart"]
    if "/" not in image["name"]:
        sys.exit("the files were made without --registry, so there is nowhere to push them")
    pushed = push(output / f"eureka-registry-{version}-image.tar", image["name"], image["digest"])
    packed = push(output / f"registry-{version}-chart.tar", chart["name"], chart["digest"])
    if not is_unsigned:
        sign(output, record, how_to_sign(key), (pushed, packed))
    print(f"{'pushed' if is_unsigned else 'pushed and signed'}:\n{pushed}\n{packed}")


def sign(output, record, signing, names):
    pushed, packed = names
    run("cosign", "sign", *signing, "--recursive", pushed)
    for platform, part in record["image"]["platforms"].items():
        predicate = output / f"eureka-registry-{record['version']}-{platform}.cdx.json"
        run("cosign", "attest", *signing, "--type", "cyclonedx", "--predicate", predicate, f"{pushed.partition('@')[0]}@{part}")
    run("cosign", "sign", *signing, packed)
    sums = output / "SHA256SUMS"
    run("cosign", "sign-blob", *signing, "--bundle", f"{sums}.sigstore.json", "--output-signature", os.devnull, sums)
