"""Writes an image archive that holds one static binary, in the OCI layout and in Docker's at once.

image.py OUT BINARY NAME:TAG VERSION REVISION CREATED-EPOCH
"""

import gzip
import hashlib
import io
import json
import struct
import sys
import tarfile
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


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def blob(data):
    return f"blobs/sha256/{sha256(data)}"


def to_json(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def config(arch, layer, version, revision, created):
    labels = {
        "title": "eureka-registry",
        "description": "A Eureka-compatible service registry",
        "licenses": "Apache-2.0",
        "version": version,
        "revision": revision,
    }
    when = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return to_json({
        "architecture": arch,
        "os": "linux",
        "created": when,
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
            "Labels": {f"org.opencontainers.image.{key}": value for key, value in labels.items()},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]},
        "history": [{"created": when, "created_by": "deploy/build-image"}],
    })


def main():
    out, binary, name, version, revision, epoch = sys.argv[1:]
    created = int(epoch)
    elf = Path(binary).read_bytes()
    layer = tar([("eureka-registry", 0o755, elf)], created)
    packed = gzip.compress(layer, 9, mtime=0)
    image = config(architecture(elf), layer, version, revision, created)
    kind = "application/vnd.oci.image"
    manifest = to_json({
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", "digest": f"sha256:{sha256(image)}", "size": len(image)},
        "layers": [{"mediaType": f"{kind}.layer.v1.tar+gzip", "digest": f"sha256:{sha256(packed)}", "size": len(packed)}],
    })
    full_name = name if "/" in name else f"docker.io/library/{name}"
    index = to_json({
        "schemaVersion": 2,
        "mediaType": f"{kind}.index.v1+json",
        "manifests": [{
            "mediaType": f"{kind}.manifest.v1+json",
            "digest": f"sha256:{sha256(manifest)}",
            "size": len(manifest),
            "annotations": {"io.containerd.image.name": full_name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]},
        }],
    })
    docker = to_json([{"Config": blob(image), "RepoTags": [name], "Layers": [blob(packed)]}])
    files = [
        ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        ("index.json", index),
        ("manifest.json", docker),
        *((blob(data), data) for data in (image, manifest, packed)),
    ]
    Path(out).write_bytes(tar([(path, 0o644, data) for path, data in files], created))
    print(f"{name}: {len(elf) / 1e6:.1f} MB binary, {len(packed) / 1e6:.1f} MB compressed, image sha256:{sha256(manifest)[:12]}")


main()
