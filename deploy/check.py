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
    (["terminationGracePeriodSeconds=5"], ["terminationGracePeriodSeconds", "at least 20"]),
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
    (["auth.users[0].name=alice", "auth.users[0].password=p"], ["auth.users needs auth.enabled"]),
    (["auth.users[0].name=alice"], ["auth.users.0", "password"]),
    (["auth.users[0].name=alice", "auth.users[0].password=p", "auth.users[0].existingSecret=s"], ["auth.users.0", "oneOf"]),
    (["auth.users[0].name=a:b", "auth.users[0].password=p"], ["auth.users.0.name", "pattern"]),
    (["auth.users[0].name=alice", "auth.users[0].role=ADMIN"], ["auth.users.0", "role", "not allowed"]),
    (
        ["auth.enabled=true", "auth.password=p", "auth.users[0].name=eureka", "auth.users[0].password=p"],
        ["auth.users: eureka is auth.username"],
    ),
    (["auth.openPaths[0]=actuator"], ["auth.openPaths.0", "pattern"]),
    (["tls.enabled=true"], ["tls.existingSecret", "tls.certificate.create"]),
    (["tls.enabled=true", "tls.existingSecret=s", "tls.certificate.create=true"], ["exactly one of tls.existingSecret"]),
    (["tls.crt=nonsense"], ["tls.crt", "pattern"]),
    (["tls.enabled=true", "tls.crt=-----BEGIN CERTIFICATE-----", "tls.key=-----BEGIN PRIVATE KEY-----"], ["tls.crt needs tls.ca"]),
    (["tls.clientAuth=yes"], ["tls.clientAuth", "need"]),
    (["tls.peersNeedCertificate=true"], ["tls.peersNeedCertificate needs tls.clientAuth"]),
    (["containerPorts.management=8761"], ["containerPorts.management must not be containerPorts.http"]),
    (["containerPorts.management=metrics"], ["containerPorts.management"]),
    (["httpRoute.timeouts.idle=1s"], ["httpRoute.timeouts", "idle", "not allowed"]),
    (["logging.accessLog=maybe"], ["logging.accessLog", "boolean"]),
    (["metrics.byApplication=1"], ["metrics.byApplication", "boolean"]),
    (
        ["metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.namespace=monitoring", "auth.enabled=true", "auth.password=p"],
        ["metrics.serviceMonitor.basicAuth"],
    ),
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
            [
                "kubeconform",
                "-strict",
                "-summary",
                "-output",
                "json",
                "-kubernetes-version",
                version,
                "-skip",
                CUSTOM,
                "-schema-location",
                location,
            ],
            input=objects,
            capture_output=True,
            text=True,
            check=False,
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


def secured():
    """What follows from users and certificates: names that a wildcard covers, probes that reach, scrapes that are let in."""
    tls = ["tls.enabled=true", "tls.existingSecret=mine"]
    scrape = [*tls, "metrics.serviceMonitor.enabled=true"]
    for sets, lines in (
        (
            tls,
            [
                "value: $(POD_NAME).registry.default.svc\n",
                "scheme: HTTPS\n",
                "--url=https://registry:8761/eureka/\n",
                "appProtocol: https\n",
            ],
        ),
        ([*tls, "clusterDomain=corp.example"], ["value: $(POD_NAME).registry.default.svc.corp.example\n"]),
        ([*tls, "tls.clientAuth=need"], ["port: management\n", "containerPort: 8762\n", "--certificate=/tls/tls.crt\n"]),
        (scrape, ["- port: http\n", "scheme: https\n", "serverName: registry\n"]),
        ([*scrape, "tls.clientAuth=need"], ["- targetPort: management\n", "scheme: http\n"]),
    ):
        text = must(template("registry", *(part for one in sets for part in ("--set", one))), str(sets))
        for line in lines:
            if line not in text:
                sys.exit(f"--set {sets}: no line {line!r}")
        if "tls.clientAuth=need" in sets and "scheme: HTTPS" in text:
            sys.exit(f"--set {sets}: a probe that has no certificate to show")


def main():
    schemas, *versions = sys.argv[1:]
    for values in (None, *sorted((CHART / "ci").glob("*-values.yaml"))):
        lint_and_conform(values, schemas, versions)
    for sets, expected in BAD:
        refuse(sets, expected)
    print(f"{len(BAD)} bad values refused by name")
    names()
    secured()
    print("names, probes and scrapes as documented")


main()
