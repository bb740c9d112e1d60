"""Makes the files of a release, the same bytes for the same commit, and publishes them. deploy/release starts it.

The time of everything is that of the commit, or SOURCE_DATE_EPOCH.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import image
import package
import publish
import sbom

ROOT = Path(__file__).resolve().parent.parent
# Their names are those of the archives.
LINUX = ("linux-amd64", "linux-arm64")
PLATFORMS = (*LINUX, "macos-arm64")
PARTS = (*PLATFORMS, "image", "chart", "notes")


class Release:
    """What the parts share: names, the commit, its time, and where files go."""

    def __init__(self, options):
        self.output, self.binaries = options.output, options.binaries
        self.registry, self.source = options.registry, options.source
        self.version = options.version or cargo_version()
        if not re.fullmatch(rf"{re.escape(cargo_version())}(-[0-9A-Za-z.-]+)?", self.version):
            sys.exit(f"the version is {self.version}, but Cargo.toml says {cargo_version()}: only a pre-release such as -rc.1 may be added")
        self.revision = git("rev-parse", "HEAD")
        self.created = int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))
        self.image = f"{self.registry}/eureka-registry" if self.registry else "eureka-registry"
        self.chart = f"{self.registry}/charts/registry" if self.registry else "charts/registry"
        # Of the image, as Artifact Hub writes them.
        self.platforms = []
        self.output.mkdir(parents=True, exist_ok=True)

    def write(self, name, data):
        (self.output / name).write_bytes(data)
        print(f"{len(data):>10}  {hashlib.sha256(data).hexdigest()}  {name}", flush=True)

    def write_layout(self, name, layout, named):
        self.write(name, image.tar([(path, 0o644, data) for path, data in layout.files(named)], self.created))

    def has(self, platform):
        """Whether there is a binary for it, or one can be built."""
        return (self.binaries / platform).is_dir() if self.binaries else platform in LINUX

    def binary(self, platform):
        """The binary's bytes: a given one, or built here."""
        if self.binaries:
            return (self.binaries / platform / "eureka-registry").read_bytes()
        command = [str(ROOT / "deploy/build-binary"), platform]
        built = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return Path(built.strip()).read_bytes()

    def labels(self):
        return image.labels(self.version, self.revision, self.created, self.source)


def git(*args):
    return subprocess.run(["git", "-C", str(ROOT), *args], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def cargo_version():
    return re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]


def archive(release, platform):
    """The binary with what a person wants beside it, and the list of what it is made of."""
    name = f"eureka-registry-{release.version}-{platform}"
    binary = release.binary(platform)
    if platform in LINUX and image.architecture(binary) != platform.removeprefix("linux-"):
        sys.exit(f"the binary for {platform} is for {image.architecture(binary)}")
    files = [(f"{name}/eureka-registry", 0o755, binary)]
    beside = dict.fromkeys(("LICENSE", "README.md", ".github/CHANGELOG.md"), "")
    beside |= {f"deploy/completions/eureka-registry.{shell}": "completions/" for shell in ("bash", "fish")}
    files += [(f"{name}/{where}{Path(path).name}", 0o644, (ROOT / path).read_bytes()) for path, where in beside.items()]
    release.write(f"{name}.tar.gz", image.compressed(image.tar(files, release.created)))
    release.write(f"{name}.cdx.json", sbom.of(platform, release.version, release.revision, release.created, binary))
    return binary


def make_image(release, binaries):
    """One image for all Linux platforms: an OCI layout in an archive. Returns its digest, and those of its parts by platform."""
    layout, about = image.Layout(), release.labels()
    manifests = [image.add_image(layout, elf, about, release.created, annotations=about) for elf in binaries.values()]
    index = layout.add_index(manifests, annotations=about)
    named = index | {"annotations": {"io.containerd.image.name": f"{release.image}:{release.version}", **ref_name(release.version)}}
    release.write_layout(f"eureka-registry-{release.version}-image.tar", layout, named)
    return index["digest"], dict(zip(binaries, (one["digest"] for one in manifests), strict=True))


def make_chart(release, image_digest):
    """The chart with the image's name in it, as a file and as an OCI layout. Returns the digest of its manifest."""
    files = package.chart_files(release, image_digest)
    packed = image.compressed(image.tar([(f"registry/{name}", 0o644, data) for name, data in files.items()], release.created))
    layout, helm = image.Layout(), "application/vnd.cncf.helm"
    config = layout.add(image.to_json(package.chart_metadata(files)), f"{helm}.config.v1+json")
    layer = layout.add(packed, f"{helm}.chart.content.v1.tar+gzip")
    about = release.labels() | {"org.opencontainers.image.title": "registry"}
    manifest = layout.add_manifest(config, [layer], annotations=about)
    release.write(f"registry-{release.version}.tgz", packed)
    named = manifest | {"annotations": ref_name(release.version)}
    release.write_layout(f"registry-{release.version}-chart.tar", layout, named)
    return manifest["digest"]


def ref_name(version):
    return {"org.opencontainers.image.ref.name": version}


def make(release, parts):
    if "chart" in parts and not release.registry:
        sys.exit("the chart names its image: say with --registry where that will be, or leave the chart out with --only")
    binaries = {platform: archive(release, platform) for platform in PLATFORMS if platform in parts}
    linux = {platform: elf for platform, elf in binaries.items() if platform in LINUX}
    record = package.read_record(release)
    if "image" in parts:
        linux = linux or {platform: release.binary(platform) for platform in LINUX if release.has(platform)}
        digest, platforms = make_image(release, linux)
        record["image"] = {"name": f"{release.image}:{release.version}", "digest": digest, "platforms": platforms}
    if "chart" in parts:
        if "image" not in record:
            sys.exit("the chart names the image by its digest: make the image first, or with it")
        release.platforms = [platform.replace("-", "/") for platform in record["image"]["platforms"]]
        digest = make_chart(release, record["image"]["digest"])
        record["chart"] = {"name": f"{release.chart}:{release.version}", "digest": digest}
    release.write("release.json", json.dumps(record, indent=2, sort_keys=True).encode() + b"\n")
    if "notes" in parts:
        release.write("NOTES.md", package.notes(release, record).encode())
    files = sorted(path for path in release.output.iterdir() if path.is_file() and not path.name.startswith(("SHA256SUMS", "NOTES")))
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    release.write("SHA256SUMS", sums.encode())


def arguments():
    parser = argparse.ArgumentParser(prog="deploy/release", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="the directory of the files")
    parser.add_argument("--version", help="that of Cargo.toml by default; may have a pre-release such as -rc.1 behind it")
    parser.add_argument("--registry", default="", help="where the image and the chart will be, such as registry.example.com/team")
    parser.add_argument("--source", default="", help="the address of the repository, for labels and links")
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}; by default all that can be built here")
    parser.add_argument("--binaries", type=Path, help="take PLATFORM/eureka-registry from this directory, and build none")
    parser.add_argument("--publish", action="store_true", help="push and sign the image and the chart in the output directory")
    parser.add_argument("--key", type=Path, help="sign with this key and tell no public log; by default as the workflow that runs it")
    parser.add_argument("--unsigned", action="store_true", help="push without signing, as to a registry of one's own")
    return parser.parse_args()


def main():
    options = arguments()
    if options.publish:
        publish.release(options.output, options.key, options.unsigned)
        return
    release = Release(options)
    # macOS is left out where its binary is not given and cannot be linked.
    parts = options.only.split(",") if options.only else [part for part in PARTS if part not in PLATFORMS or release.has(part)]
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    make(release, parts)


main()
