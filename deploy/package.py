"""The chart as a release has it, and the notes: what is made from the sources' texts."""

import json
import re
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy/chart"
# Artifact Hub's kinds of changes, by the headings of the changelog.
KINDS = ("added", "changed", "deprecated", "removed", "fixed", "security")
# A link to another file of the repository.
LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|#)([^)]+)\)")


def ignored(name):
    """Whether .helmignore leaves a file of the chart out."""
    for pattern in (CHART / ".helmignore").read_text().split():
        if pattern.endswith("/") and name.startswith(pattern):
            return True
        if fnmatch(name.rpartition("/")[2], pattern):
            return True
    return False


def chart_files(release, image_digest):
    """The chart's files by name, with the version, the image and the annotations of this release."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."], cwd=CHART, check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.split()
    files = {name: (CHART / name).read_bytes() for name in sorted(listed) if not ignored(name) and name != ".helmignore"}
    files["LICENSE"] = (ROOT / "LICENSE").read_bytes()
    host, _, path = release.image.rpartition("/")[0].partition("/")
    repository = f"{path}/eureka-registry".lstrip("/")
    image = {"registry": host, "repository": repository, "digest": image_digest}
    files["values.yaml"] = with_image(files["values.yaml"].decode(), image).encode()
    files["README.md"] = readme(release, files["README.md"].decode(), image).encode()
    files["Chart.yaml"] = chart_yaml(release, files["Chart.yaml"].decode(), image_digest).encode()
    return files


def with_image(values, image):
    """values.yaml with this image in place of none."""
    before, block = values.split("\nimage:\n", 1)
    end = re.search(r"^\S", block, re.MULTILINE).start()
    here, after = block[:end], block[end:]
    for key, value in image.items():
        here, changed = re.subn(rf'^  {key}: .*$', f"  {key}: {json.dumps(value)}", here, flags=re.MULTILINE)
        if changed != 1:
            sys.exit(f"values.yaml has no line image.{key}")
    return f"{before}\nimage:\n{here}{after}"


def readme(release, text, image):
    """The chart's README with the defaults and the address of this release."""
    for key, value in image.items():
        text, changed = re.subn(rf"^(\| image\.{key} \| string \| )`[^`]*`", rf"\1`{json.dumps(value)}`", text, flags=re.MULTILINE)
        if changed != 1:
            sys.exit(f"the chart's README has no row image.{key}")
    versions = f"Version: {release.version}, app version: {release.version},"
    text = re.sub(r"^Version: \S+, app version: [^,]+,", versions, text, flags=re.MULTILINE)
    install = f"helm install registry oci://{release.chart} --version {release.version}"
    text = re.sub(r"^helm install registry deploy/chart.*$", install, text, flags=re.MULTILINE)
    return absolute(release, text, "deploy/chart")


def absolute(release, text, directory):
    """A page with links that work elsewhere; without links if the repository has no address."""

    def whole(match):
        file, mark, heading = match[2].partition("#")
        path = (ROOT / directory / file).resolve().relative_to(ROOT)
        return f"[{match[1]}]({release.source}/blob/{release.revision}/{path}{mark}{heading})"

    return LINK.sub(whole if release.source else r"\1", text)


def chart_yaml(release, text, image_digest):
    """Chart.yaml with the version, and with what Artifact Hub shows."""
    text = re.sub(r"^version: .*$", f"version: {release.version}", text, flags=re.MULTILINE)
    text = re.sub(r"^appVersion: .*$", f'appVersion: "{release.version}"', text, flags=re.MULTILINE)
    image = f"{release.image}:{release.version}@{image_digest}"
    blocks = {
        "images": [{"name": "eureka-registry", "image": image, "platforms": release.platforms}],
        "changes": [{"kind": kind, "description": plain(what)} for kind, what in changes(release.version)],
    }
    if release.source:
        page = f"{release.source}/blob/{release.revision}"
        blocks["links"] = [
            {"name": "Source", "url": release.source},
            {"name": "Documentation", "url": f"{page}/deploy/README.md"},
            {"name": "How to verify signatures", "url": f"{page}/.github/SECURITY.md#verify-a-release"},
        ]
    lines = [f"  artifacthub.io/prerelease: {json.dumps(str('-' in release.version).lower())}"]
    for name, entries in blocks.items():
        lines.append(f"  artifacthub.io/{name}: |")
        # JSON is YAML, one entry a line.
        lines += [f"    - {json.dumps(entry, ensure_ascii=False)}" for entry in entries]
    if release.source:
        text = f"{text.rstrip()}\nhome: {release.source}\nsources: [{json.dumps(release.source)}]\n"
    text, found = re.subn(r"^annotations:\n(?:[ #].*\n)+", lambda block: block[0] + "\n".join(lines) + "\n", text, flags=re.MULTILINE)
    if found != 1:
        sys.exit("Chart.yaml has no annotations")
    return text


def chart_metadata(files):
    """Chart.yaml as Helm reads it: the config of the chart in a registry."""
    with tempfile.TemporaryDirectory() as directory:
        for name, data in files.items():
            path = Path(directory) / "registry" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        template = Path(directory) / "registry/templates/metadata.yaml"
        template.write_text('{{ toJson (dict "apiVersion" "v1" "kind" "Metadata" "chart" .Chart) }}\n')
        command = ["helm", "template", "registry", f"{directory}/registry", "--show-only", "templates/metadata.yaml"]
        said = subprocess.run([*command, "--kube-version", "1.32.4"], check=True, stdout=subprocess.PIPE, text=True).stdout
    metadata = json.loads(next(line for line in said.splitlines() if line.startswith("{")))["chart"]
    metadata.pop("IsRoot", None)
    return metadata


def section(version):
    """The changelog's section of a version; of a pre-release that has none, the one that is not released yet."""
    text = (ROOT / ".github/CHANGELOG.md").read_text()
    for name in (version, version.partition("-")[0], "Unreleased"):
        if match := re.search(rf"^## \[{re.escape(name)}\][^\n]*\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
            return match[1].strip()
    return sys.exit(f"CHANGELOG.md has no section {version}")


def changes(version):
    """(kind, description) of each entry of a version's section; a section without entries is one."""
    found, kind = [], "added"
    text = section(version)
    for block in re.split(r"\n(?=- |### )|\n\n", text):
        entry = " ".join(block.split())
        if entry.startswith("### "):
            kind = entry[4:].lower() if entry[4:].lower() in KINDS else "changed"
        elif entry:
            found.append((kind, entry.removeprefix("- ")))
    return found


def plain(text):
    """Without the marks of Markdown."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


def read_record(release):
    """What earlier calls put into the directory."""
    path = release.output / "release.json"
    same = {"version": release.version, "revision": release.revision}
    if path.exists():
        record = json.loads(path.read_text())
        if record.items() >= same.items():
            return record
    return same


def notes(release, record):
    """The text of the release's page."""
    lines = [absolute(release, section(release.version), ".github"), "", "## What it consists of", ""]
    lines += ["| what | name | digest |", "| --- | --- | --- |"]
    for what, prefix in (("image", ""), ("chart", "oci://")):
        if what in record:
            lines.append(f"| {what} | `{prefix}{record[what]['name']}` | `{record[what]['digest']}` |")
    page = absolute(release, "[SECURITY.md](SECURITY.md#verify-a-release)", ".github")
    lines += ["", f"Built from commit {release.revision}. `SHA256SUMS` has the digests of the files."]
    lines += [f"{page} says how to verify all of them.", ""]
    return "\n".join(lines)
