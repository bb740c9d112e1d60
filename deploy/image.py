"""Images that hold one static binary, made without a container engine: the same input gives the same bytes.

image.py OUT BINARY NAME:TAG VERSION REVISION CREATED-EPOCH    writes an archive in the OCI layout and in Docker's at once
"""

import hashlib
import io
import json
import struct
import sys
import tarfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

MACHINES = {62: "amd64", 183: "arm64"}
PT_INTERP = 3


def architecture(elf):
    """The binary's architecture; fails if it is not a static 64-bit ELF file."""
    if elf[:5] != b"\x7fELF\x02":
        sys.exit("not a 64-bit ELF file")
    (machine,) = struct.unpack_from("<H", elf, 18)
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for index in range(count):
        (kind,) = struct.unpack_from("<I", elf, offset + index * size)
        if kind == PT_INTERP:
            sys.exit("the binary is not static: it asks for a dynamic loader, which a scratch image lacks")
    return MACHINES[machine]


def tar(files, created):
    """A tar archive of (name, mode, bytes), all of root and of one time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), mode, created
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def compressed(data):
    """In the format of gzip (RFC 1952), without a time, a name or an operating system. Python's gzip names one, or none, by its version."""
    deflate = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    header = b"\x1f\x8b\x08" + bytes(5) + b"\x02\xff"
    return header + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def to_json(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def rfc3339(epoch):
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


OCI = "application/vnd.oci.image"


class Layout:
    """An OCI layout: blobs by their digests, and what its index.json names."""

    def __init__(self):
        self.blobs = {}

    def add(self, data, media_type, **more):
        """Adds a blob, and returns its descriptor."""
        digest = f"sha256:{sha256(data)}"
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def add_manifest(self, config, layers, **more):
        manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": layers}
        return self.add(to_json(manifest | more), f"{OCI}.manifest.v1+json")

    def add_index(self, manifests, **more):
        return self.add(to_json(index(manifests) | more), f"{OCI}.index.v1+json")

    def files(self, *named):
        """(path, bytes) of its files; `named` are the descriptors in its index.json."""
        return [
            ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
            ("index.json", to_json(index(named))),
            *((blob(digest), data) for digest, data in sorted(self.blobs.items())),
        ]


def index(manifests):
    return {"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": list(manifests)}


def blob(digest):
    return f"blobs/{digest.replace(':', '/')}"


def labels(version, revision, created, source=""):
    """What an image says of itself, as labels and as annotations. `source`: the address of the repository, if it has one."""
    entries = {
        "title": "eureka-registry",
        "description": "A Eureka-compatible service registry",
        "authors": "the maintainers of eureka-registry",
        "vendor": "eureka-registry",
        "licenses": "Apache-2.0",
        "version": version,
        "revision": revision,
        "created": rfc3339(created),
    }
    if source:
        entries |= {"source": source, "url": source, "documentation": f"{source}/blob/{revision}/deploy/README.md"}
    return {f"org.opencontainers.image.{key}": value for key, value in entries.items()}


def config(arch, layer, about, created):
    return to_json({
        "architecture": arch,
        "os": "linux",
        "created": rfc3339(created),
        "config": {
            "User": "65532:65532",
            "ExposedPorts": {"8761/tcp": {}},
            "Entrypoint": ["/eureka-registry"],
            # Docker's own field, in nanoseconds: Kubernetes has probes, and ignores it.
            "Healthcheck": {
                "Test": ["CMD", "/eureka-registry", "health"],
                "Interval": 10_000_000_000,
                "Timeout": 6_000_000_000,
                "StartPeriod": 60_000_000_000,
                "StartInterval": 1_000_000_000,
            },
            "WorkingDir": "/",
            "Labels": about,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]},
        "history": [{"created": rfc3339(created), "created_by": "deploy/build-image"}],
    })


def add_image(layout, elf, about, created, **more):
    """Adds the image of a binary, with `more` fields in its manifest: the manifest's descriptor, with the platform."""
    arch = architecture(elf)
    layer = tar([("eureka-registry", 0o755, elf)], created)
    packed = layout.add(compressed(layer), f"{OCI}.layer.v1.tar+gzip")
    manifest = layout.add_manifest(layout.add(config(arch, layer, about, created), f"{OCI}.config.v1+json"), [packed], **more)
    return manifest | {"platform": {"architecture": arch, "os": "linux"}}


def main():
    out, binary, name, version, revision, epoch = sys.argv[1:]
    created = int(epoch)
    elf = Path(binary).read_bytes()
    layout = Layout()
    image = add_image(layout, elf, labels(version, revision, created), created)
    manifest = json.loads(layout.blobs[image["digest"]])
    full_name = name if "/" in name else f"docker.io/library/{name}"
    image["annotations"] = {"io.containerd.image.name": full_name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    layers = [blob(layer["digest"]) for layer in manifest["layers"]]
    docker = to_json([{"Config": blob(manifest["config"]["digest"]), "RepoTags": [name], "Layers": layers}])
    files = [*layout.files(image), ("manifest.json", docker)]
    Path(out).write_bytes(tar([(path, 0o644, data) for path, data in files], created))
    size = sum(layer["size"] for layer in manifest["layers"])
    print(f"{name}: {len(elf) / 1e6:.1f} MB binary, {size / 1e6:.1f} MB compressed, image {image['digest'][:19]}")


if __name__ == "__main__":
    main()
