"""Checks the chart with Helm's linter, its schema, bad values, and the API schemas of several Kubernetes versions.

check.py SCHEMAS VERSION..., where SCHEMAS holds, by Kubernetes version, what deploy/check unpacked.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from check_cases import ALERTS, BAD, BAD_CONFIG, HOSTS, KUBERNETES, MOVED, NETWORK, PANELS, PERSISTENCE, SIZES, USERS

CHART = Path(__file__).resolve().parent / "chart"
IMAGE = "image.repository=registry.example.com/eureka-registry"
CUSTOM = "ServiceMonitor,PrometheusRule,Certificate,HTTPRoute"


def helm(*args, stdin=None):
    return subprocess.run(["helm", *args], input=stdin, capture_output=True, text=True, check=False)


def template(release, *args, chart=CHART, stdin=None):
    return helm("template", release, str(chart), "--kube-version", "1.32.4", "--set", IMAGE, *args, stdin=stdin)


def must(result, what):
    if result.returncode != 0:
        sys.exit(f"{what}: {result.stdout}{result.stderr}")
    return result.stdout


def images():
    """No image is invented: what is to be set is said in one sentence, and `helm lint` needs none."""
    refused = helm("template", "registry", str(CHART), "--kube-version", "1.32.4", "--set", "global.imageRegistry=a.example,image.tag=v1")
    told = all(text in refused.stderr for text in ("image.repository is not set", "--set image.repository=HOST/PATH"))
    if refused.returncode == 0 or not told:
        sys.exit(f"without an image: {refused.stderr or 'accepted'}")
    digest = f"sha256:{'0' * 64}"
    for sets, image in (
        (["image.repository=a.example/b/c"], "a.example/b/c:0.1.0"),
        (["image.registry=a.example", "image.repository=b", "image.tag=v1"], "a.example/b:v1"),
        (["global.imageRegistry=g.example", "image.registry=a.example", "image.repository=b"], "g.example/b:0.1.0"),
        (["image.repository=a.example/b", "image.tag=v1", f"image.digest={digest}"], f"a.example/b@{digest}"),
    ):
        text = must(template("registry", *(part for one in sets for part in ("--set", one))), str(sets))
        named = {line.split("image: ")[1] for line in text.splitlines() if " image: " in line}
        if named != {image}:
            sys.exit(f"--set {sets}: the images are {named}")


def documented():
    """Every `helm install` of the pages renders."""
    found = 0
    for page in (CHART.parent.parent / "README.md", *sorted(CHART.parent.glob("**/*.md"))):
        text = page.read_text().replace("\\\n", "")
        for release, options in re.findall(r"^helm install (\S+) deploy/chart( .*)?$", text, re.MULTILINE):
            words = shlex.split(options.replace("--set-file config=application.yml", "--set config.a=b"))
            rendered = helm("template", release, str(CHART), "--kube-version", "1.32.4", *words)
            must(rendered, f"{page.name}: helm install {release} deploy/chart{options}")
            found += 1
    if found < 5:
        sys.exit(f"only {found} commands of the pages were found")
    return found


def examples():
    """The examples for Argo CD and Flux: objects of known kinds that refer to each other, and values that the chart takes."""
    documents = {
        (one["apiVersion"], one["kind"]): one
        for page in sorted((CHART.parent / "gitops").glob("*.yaml"))
        for one in yaml.safe_load_all(page.read_text())
    }
    application = documents.pop(("argoproj.io/v1alpha1", "Application"))["spec"]
    repository = documents.pop(("source.toolkit.fluxcd.io/v1", "OCIRepository"))
    release = documents.pop(("helm.toolkit.fluxcd.io/v2", "HelmRelease"))["spec"]
    if documents:
        sys.exit(f"examples of kinds that are not checked: {list(documents)}")
    version = re.search(r"^version: (\S+)$", (CHART / "Chart.yaml").read_text(), re.MULTILINE)[1]
    source = application["source"]
    for what, found, wanted in (
        ("Argo CD: the chart", (source["chart"], source["targetRevision"]), ("registry", version)),
        ("Argo CD: no oci:// in front of the repository", "://" in source["repoURL"], False),
        ("Argo CD: where to", set(application["destination"]), {"server", "namespace"}),
        ("Argo CD: a password that is not made", "existingSecret" in source["helm"]["valuesObject"].get("auth", {}), True),
        ("Flux: the chart", repository["spec"]["url"].rpartition("/")[2], "registry"),
        ("Flux: the protocol", repository["spec"]["url"].split("://")[0], "oci"),
        ("Flux: the version", repository["spec"]["ref"]["semver"].removeprefix("~"), version),
        ("Flux: the source", release["chartRef"], {"kind": "OCIRepository", "name": repository["metadata"]["name"]}),
    ):
        if found != wanted:
            sys.exit(f"{what}: {found}, not {wanted}")
    for name, values in (("Argo CD", source["helm"]["valuesObject"]), ("Flux", release["values"])):
        must(helm("template", "registry", str(CHART), "--kube-version", "1.32.4", "--values", "-", stdin=json.dumps(values)), name)


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


def refuse(values, expected):
    """`values` are those of `--set`, or a file's text."""
    if isinstance(values, str):
        result = template("registry", "--values", "-", stdin=values)
    else:
        result = template("registry", *(part for value in values for part in ("--set", value)))
    # The schema's messages have slashes where dots are typed.
    said = result.stderr + result.stderr.replace("/", ".")
    missing = [text for text in expected if text not in said]
    if result.returncode == 0 or missing:
        sys.exit(f"{values} was not refused with {missing or expected}: {result.stderr or 'accepted'}")


def render(directory, values, wanted, unwanted):
    """Checks everything that is rendered, including the notes, for lines that it must and must not have."""
    text = must(template("registry", "--values", "-", chart=directory, stdin=values), values)
    for wrong in [one for one in wanted if one not in text] + [one for one in unwanted if one in text]:
        sys.exit(f"rendered with\n{values}{'no' if wrong in wanted else 'a'} line {wrong!r} in\n{text}")
    again = template("registry", "--values", "-", chart=directory, stdin=values).stdout
    if again != text:
        sys.exit(f"rendered with\n{values}differs from call to call")


def with_notes(directory):
    """A copy of the chart that renders its notes as an object: `helm template` leaves them out."""
    copy = Path(directory) / "chart"
    shutil.copytree(CHART, copy)
    notes = (CHART / "templates/NOTES.txt").read_text().splitlines()
    (copy / "templates/notes.yaml").write_text("\n".join(["kind: Notes", "text: |", *(f"  {line}" for line in notes), ""]))
    return copy


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
    """The effects of users and certificates: names that a wildcard covers, probes that work, scrapes that are admitted."""
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


def rolled_by_data_alone(directory):
    """Pods are replaced if a Secret of theirs changes, and not for another version of the chart."""

    def checksums(change="", **values):
        copy = Path(directory) / f"version-{len(seen)}"
        shutil.copytree(CHART, copy)
        chart = copy / "Chart.yaml"
        chart.write_text(chart.read_text().replace("\nversion: ", f"\nversion: 9{change}"))
        text = must(template("registry", "--values", "-", chart=copy, stdin=json.dumps(values)), "checksums")
        seen.append([line.strip() for line in text.splitlines() if "checksum/" in line])

    seen = []
    auth = {"enabled": True, "password": "p"}
    checksums(config={"a": "b"}, auth=auth)
    checksums("9", config={"a": "b"}, auth=auth)
    checksums(config={"a": "c"}, auth=auth | {"password": "q"})
    if len(seen[0]) != 2 or seen[0] != seen[1] or set(seen[0]) & set(seen[2]):
        sys.exit(f"checksums: {seen}")


def main():
    schemas, *versions = sys.argv[1:]
    images()
    print(f"no image by default; {documented()} commands of the pages render")
    for values in (None, *sorted((CHART / "ci").glob("*-values.yaml"))):
        lint_and_conform(values, schemas, versions)
    for bad, expected in BAD + BAD_CONFIG:
        refuse(bad, expected)
    print(f"{len(BAD + BAD_CONFIG)} bad values refused by name")
    with tempfile.TemporaryDirectory() as directory:
        copy = with_notes(directory)
        for title, table in (
            ("moved ports and paths followed", MOVED),
            ("users and Secrets", USERS),
            ("network policies", NETWORK),
            ("the watch of pods", KUBERNETES),
            ("names of the Ingress", HOSTS),
            ("sizes", SIZES),
            ("volumes", PERSISTENCE),
            ("alerts", ALERTS),
            ("Grafana's dashboard", PANELS),
        ):
            for values, wanted, unwanted in table:
                render(copy, values, wanted, unwanted)
            print(f"{title}: {len(table)} renderings")
        rolled_by_data_alone(directory)
    names()
    secured()
    examples()
    print("examples for Argo CD and Flux render")
    print("names, probes and scrapes as documented")


main()
