"""Makes chart/README.md from chart/values.yaml, and manifests/ from the chart.

generate.py           writes them
generate.py --check   says which is out of date, and fails
"""

import json
import re
import subprocess
import sys
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
VALUES = DEPLOY / "chart/values.yaml"
KUBE_VERSION = "1.32.4"

README_HEAD = """\
# registry

{facts}
A Eureka-compatible service registry as a StatefulSet behind a headless Service. For installation, sizes, upgrades and
troubleshooting, see [deploy/README.md](../README.md). This file is generated from `values.yaml` by `deploy/generate`.

```
helm install registry deploy/chart --set image.repository=registry.example.com/eureka-registry
```

creates the StatefulSet and the headless Service `registry`, the pods `registry-0`, `registry-1` and `registry-2`, and the plain Service
`registry-http` for people and gateways. Applications use `http://registry:8761/eureka/`.
"""

MANIFEST_HEAD = """\
# Rendered from deploy/chart by `deploy/generate`, for clusters without Helm: kubectl -n NAMESPACE apply -f {name}.yaml
"""

IMAGE_HEAD = """\
# Replace IMAGE by an image that your cluster can pull, such as registry.example.com/eureka-registry:0.1.0.
"""

SECURED_HEAD = IMAGE_HEAD + """\
# With users and TLS. First create the Secrets: registry-auth with `username` and `password`, registry-tls with `tls.crt`, `tls.key` and
# `ca.crt`; the certificate needs the names registry, registry.NAMESPACE, registry.NAMESPACE.svc, *.registry.NAMESPACE.svc and
# *.registry.NAMESPACE.svc.cluster.local. Replace NAMESPACE below by your namespace, too.
"""

MONITORING_HEAD = """\
# For the Prometheus operator and Grafana's sidecar. Replace NAMESPACE below by the registry's namespace. With users or TLS, the
# ServiceMonitor needs basicAuth and tlsConfig. This command renders them:
#   helm template registry deploy/chart --show-only templates/servicemonitor.yaml \\
#     --set image.repository=registry.example.com/eureka-registry --set ...
"""

SECURED = ["auth.enabled=true", "auth.existingSecret=registry-auth", "tls.enabled=true", "tls.existingSecret=registry-tls"]
MONITORING = [f"metrics.{part}.enabled=true" for part in ("serviceMonitor", "prometheusRule", "grafanaDashboard")]
MONITORING_TEMPLATES = ["servicemonitor", "prometheusrule", "grafana-dashboard"]


class Undocumented(Exception):
    """A value without a comment above it."""


def values():
    """Yields (section, key path, description, default) for every documented value, in the order of the file."""
    section, comment, path, skip = "", [], [], None
    lines = VALUES.read_text().splitlines()
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if skip is not None and (not line.strip() or indent > skip):
            continue
        skip = None
        if line.startswith("## "):
            section, comment = line[3:], []
        elif line.strip().startswith("# "):
            comment.append(line.strip().removeprefix("# ").removeprefix("-- "))
        elif not line.strip():
            comment = []
        elif match := re.match(r"( *)([A-Za-z0-9_]+):\s*(.*)$", line):
            depth = len(match[1]) // 2
            path = [*path[:depth], match[2]]
            name = ".".join(path)
            if comment:
                block = match[3] or nested(lines[number + 1 :], indent)
                if not match[3]:
                    skip = indent
                yield section, name, " ".join(comment), block
            elif match[3]:
                raise Undocumented(name)
            comment = []


def nested(lines, indent):
    """The block below a key, as one line."""
    block = []
    for line in lines:
        if not line.strip() or len(line) - len(line.lstrip()) <= indent:
            break
        block.append(line.strip())
    return "; ".join(block)


def kind(default):
    """The type of a default, as helm-docs calls it."""
    if default in ("true", "false"):
        return "bool"
    if re.fullmatch(r"[0-9]+", default):
        return "int"
    return "list" if default.startswith(("[", "- ")) else "object" if default.startswith("{") or ": " in default else "string"


def schema_keys(schema, prefix=""):
    for key, child in schema.get("properties", {}).items():
        name = f"{prefix}{key}"
        if child.get("properties") and not child.get("additionalProperties", True):
            yield from schema_keys(child, f"{name}.")
        else:
            yield name


def readme():
    chart = (DEPLOY / "chart/Chart.yaml").read_text()
    field = lambda name: re.search(rf'^{name}: "?([^"\n]*)"?$', chart, re.MULTILINE)[1]
    facts = f"Version: {field('version')}, app version: {field('appVersion')}, type: {field('type')}"
    facts += f", Kubernetes: `{field('kubeVersion')}`\n"
    out, section = [README_HEAD.format(facts=facts)], None
    for title, name, description, default in values():
        if title != section:
            section = title
            out.append(f"\n## {title}\n\n| Key | Type | Default | Description |\n| --- | --- | --- | --- |\n")
        cells = [cell.replace("|", "\\|") for cell in (name, kind(default), f"`{default}`", description)]
        out.append(f"| {' | '.join(cells)} |\n")
    return "".join(out)


def manifests(name, head="", sets=(), templates=()):
    """The chart's objects without what only Helm needs: its labels and the namespace, which `kubectl -n` gives."""
    text = subprocess.run(
        [
            "helm",
            "template",
            "registry",
            str(DEPLOY / "chart"),
            "--kube-version",
            KUBE_VERSION,
            "--skip-tests",
            "--namespace",
            "NAMESPACE",
            "--set",
            "image.repository=IMAGE",
            *(part for value in sets for part in ("--set", value)),
            *(part for one in templates for part in ("--show-only", f"templates/{one}.yaml")),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    drop = re.compile(r"^ *(namespace: NAMESPACE|helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: .*)\n", re.MULTILINE)
    # The chart writes a tag behind it.
    text = re.sub(r"image: IMAGE:\S+", "image: IMAGE", text)
    return MANIFEST_HEAD.format(name=name) + head + re.sub(r"^# Source: .*\n", "", drop.sub("", text), flags=re.MULTILINE)


def check_schema():
    """The values of the schema that values.yaml does not document."""
    known = {name for _, name, _, _ in values()}
    schema = json.loads((DEPLOY / "chart/values.schema.json").read_text())
    return [
        key for key in schema_keys(schema)
        if not any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.") for name in known)
    ]


def main():
    missing = check_schema()
    if missing:
        sys.exit(f"in values.schema.json, not documented in values.yaml: {', '.join(missing)}")
    stale = []
    made = {
        "chart/README.md": readme(),
        "manifests/registry.yaml": manifests("registry", IMAGE_HEAD),
        "manifests/registry-secured.yaml": manifests("registry-secured", SECURED_HEAD, SECURED),
        "manifests/monitoring.yaml": manifests("monitoring", MONITORING_HEAD, MONITORING, MONITORING_TEMPLATES),
    }
    for path, text in ((DEPLOY / name, text) for name, text in made.items()):
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(str(path.relative_to(DEPLOY.parent)))
    if stale:
        sys.exit(f"out of date, run deploy/generate: {', '.join(stale)}")


main()
