"""Holds the chart against Helm's linter, its schema, bad values, and the API schemas of three Kubernetes versions.

check.py SCHEMAS VERSION..., where SCHEMAS holds, by Kubernetes version, what deploy/check unpacked.
"""

import json
import subprocess
import sys
from pathlib import Path

CHART = Path(__file__).resolve().parent / "chart"
CUSTOM = "ServiceMonitor,PrometheusRule,Certificate,HTTPRoute"

# Bad values, and what the refusal must say: the value's name and what is wrong with it.
BAD = [
    (["replicaCount=-1"], ["replicaCount", "minimum"]),
    (["replicaCount=three"], ["replicaCount", "integer"]),
    (["replicacount=3"], ["replicacount", "not allowed"]),
    (["podManagementPolicy=Ordered"], ["podManagementPolicy", "OrderedReady"]),
    (["updateStrategy.type=Recreate"], ["updateStrategy.type", "RollingUpdate"]),
    (["updateStrategy.rollingUpdate.partition=-2"], ["partition", "minimum"]),
    (["updateStrategy.partition=2"], ["updateStrategy", "partition", "not allowed"]),
    (["image.pullPolicy=Sometimes"], ["image.pullPolicy", "IfNotPresent"]),
    (["image.digest=sha256:12"], ["image.digest", "pattern"]),
    (["image.repository="], ["image.repository"]),
    (["containerPorts.http=70000"], ["containerPorts.http", "maximum"]),
    (["service.type=ExternalName"], ["service.type", "ClusterIP"]),
    (["service.nodePort=http"], ["service.nodePort"]),
    (["headless.publishNotReadyAddresses=maybe"], ["headless.publishNotReadyAddresses", "boolean"]),
    (["headless.nameOverride=Eureka_1"], ["headless.nameOverride", "pattern"]),
    (["fullnameOverride=Registry"], ["fullnameOverride", "pattern"]),
    (["shutdown.lameDuckSeconds=5s"], ["shutdown.lameDuckSeconds", "integer"]),
    (["terminationGracePeriodSeconds=5"], ["terminationGracePeriodSeconds", "at least 18"]),
    (["logging.format=xml"], ["logging.format", "json"]),
    (["logging.level.root=loud"], ["logging.level.root", "debug"]),
    (["podAntiAffinityPreset=strict"], ["podAntiAffinityPreset", "soft"]),
    (["topologySpreadConstraints[0].maxSkew=1"], ["topologySpreadConstraints", "topologyKey"]),
    (["pdb.maxUnavailable=half"], ["pdb.maxUnavailable"]),
    (["resources.limit.memory=1Gi"], ["resources", "limit", "not allowed"]),
    (["livenessProbe.period=3"], ["livenessProbe", "period", "not allowed"]),
    (["ingress.path=eureka"], ["ingress.path", "pattern"]),
    (["ingress.enabled=true", "service.enabled=false"], ["ingress.enabled needs service.enabled"]),
    (["auth.enabled=true"], ["auth.password", "auth.existingSecret"]),
    (["tls.enabled=true"], ["tls.existingSecret", "tls.certificate.create"]),
    (["tls.clientAuth=yes"], ["tls.clientAuth", "need"]),
    (["config.a=b", "existingConfigMap=mine"], ["config and existingConfigMap"]),
    (["extraArgs[0]=server.port"], ["extraArgs", "pattern"]),
    (["dnsPolicy=Cluster"], ["dnsPolicy", "ClusterFirst"]),
    (["metrics.serviceMonitor.interval=often"], ["metrics.serviceMonitor.interval", "pattern"]),
    (["autoscaling.targetCPUUtilizationPercentage=150"], ["targetCPUUtilizationPercentage", "maximum"]),
]


def helm(*args):
    return subprocess.run(["helm", *args], capture_output=True, text=True, check=False)


def template(release, *args):
    return helm("template", release, str(CHART), "--kube-version", "1.32.4", *args)


def must(result, what):
    if result.returncode != 0:
        sys.exit(f"{what}: {result.stdout}{result.stderr}")
    return result.stdout


def lint_and_conform(values, schemas, versions):
    name = values.name if values else "defaults"
    args = ["--values", str(values)] if values else []
    must(helm("lint", str(CHART), "--strict", "--kube-version", "1.32.4", *args), f"helm lint with {name}")
    objects = must(template("registry", *args), f"helm template with {name}")
    location = f"{schemas}/{{{{ .NormalizedKubernetesVersion }}}}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    for version in versions:
        result = subprocess.run(
            ["kubeconform", "-strict", "-summary", "-output", "json", "-kubernetes-version", version, "-skip", CUSTOM, "-schema-location", location],
            input=objects, capture_output=True, text=True, check=False,
        )
        summary = json.loads(must(result, f"kubeconform {version} with {name}"))["summary"]
        if not summary["valid"] or summary["invalid"] or summary["errors"]:
            sys.exit(f"kubeconform {version} with {name}: {summary}")
        print(f"{name}: Kubernetes {version}: {summary['valid']} valid, {summary['skipped']} custom resources skipped")


def refuse(sets, expected):
    result = template("registry", *(part for value in sets for part in ("--set", value)))
    said = result.stderr.replace("/", ".")
    missing = [text for text in expected if text not in said]
    if result.returncode == 0 or missing:
        sys.exit(f"--set {' '.join(sets)} was not refused with {missing or expected}: {result.stderr or 'accepted'}")


def names():
    """The names that applications and operators type."""
    for release, args, statefulset, service in (
        ("registry", [], "registry", "registry"),
        ("blue", [], "blue-registry", "blue-registry"),
        ("blue", ["--set", "fullnameOverride=eureka"], "eureka", "eureka"),
        ("registry", ["--set", "headless.nameOverride=eureka"], "registry", "eureka"),
        ("my-registry", ["--set", "nameOverride=registry"], "my-registry", "my-registry"),
    ):
        text = must(template(release, *args, "--show-only", "templates/statefulset.yaml"), f"names of {release} {args}")
        for line in (f"  name: {statefulset}\n", f"  serviceName: {service}\n", f"              value: $(POD_NAME).{service}\n"):
            if line not in text:
                sys.exit(f"release {release} {args}: no line {line!r}")
    for sets, line in (
        (["shutdown.lameDuckSeconds=20"], "terminationGracePeriodSeconds: 40\n"),
        (["clusterDomain=corp.example"], "value: registry.default.svc.corp.example\n"),
    ):
        if line not in must(template("registry", *(p for s in sets for p in ("--set", s))), str(sets)):
            sys.exit(f"--set {sets}: no line {line!r}")


def main():
    schemas, *versions = sys.argv[1:]
    for values in (None, *sorted((CHART / "ci").glob("*-values.yaml"))):
        lint_and_conform(values, schemas, versions)
    for sets, expected in BAD:
        refuse(sets, expected)
    print(f"{len(BAD)} bad values refused by name")
    names()
    print("names as documented")


main()
