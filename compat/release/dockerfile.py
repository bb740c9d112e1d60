"""deploy/Dockerfile, beside the image that deploy/release makes: no container engine is needed.

dockerfile.py same CONFIG RELEASE SOURCE       compares what it says of the image with the config that a registry has
dockerfile.py build DIRECTORY COMMIT           runs its build stage in a new directory, with the files that it copies and no others
dockerfile.py run CONFIG DIRECTORY             starts the image whose files are there, as the README's `docker run` does
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pages
from pages import ROOT

FILE = ROOT / "deploy/Dockerfile"
MADE = "/eureka-registry"
# What Docker does with an image that is nothing but a binary, without its memory limits and seccomp filter: namespaces of its own, /proc,
# /dev, the image's user. Then the image's health check, until it passes, and a call to the port.
CONTAINER = """
ip link set lo up
mkdir -p "$root/proc" "$root/dev" "$root/etc"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp /etc/hosts /etc/resolv.conf "$root/etc/"
inside=(env --ignore-environment "$(command -v chroot)" --userspec="$user" "$root")
"${inside[@]}" "${entry[@]}" & server=$!
for try in {1..100}; do
  if "${inside[@]}" "${test[@]}" >"$root/etc/health" 2>&1; then break; fi
  sleep 0.1
done
cat "$root/etc/health"
curl --silent --show-error --fail "http://localhost:$port/eureka/apps" >/dev/null
kill "$server"
wait "$server"
"""
UNITS = {"ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000}


def stages():
    """The instructions of each stage, as (name, what stands behind it)."""
    found = []
    lines = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", "").splitlines()
    for name, _, rest in (line.strip().partition(" ") for line in lines if line.strip()):
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest.strip()))
    return found


def expanded(text, arguments):
    """With its variables: `$NAME`, `${NAME}`, and `${NAME:+TEXT}`, which is the text if there is a value."""
    text = re.sub(r"\$\{?(\w+)\b(?!:)\}?", lambda one: arguments[one[1]], text)
    return re.sub(r"\$\{(\w+):\+([^}]*)\}", lambda one: one[2] if arguments[one[1]] else "", text)


def health(text):
    options, _, command = text.partition(" CMD ")
    about = {"Test": ["CMD", *json.loads(command)]}
    for option in options.split():
        name, _, value = option.removeprefix("--").partition("=")
        number, unit = re.fullmatch(r"(\d+)([a-z]+)", value).groups()
        about["".join(part.capitalize() for part in name.split("-"))] = int(number) * UNITS[unit]
    return about


def config_of(given):
    """The `config` of the image that the last stage makes, with these arguments of the build."""
    arguments, about = {}, {"Labels": {}}
    for name, rest in stages()[-1]:
        if name == "ARG":
            key, _, default = rest.partition("=")
            arguments[key] = given.pop(key, shlex.split(default)[0])
        elif name == "LABEL":
            about["Labels"] |= dict(one.split("=", 1) for one in shlex.split(expanded(rest, arguments)))
        elif name == "EXPOSE":
            about["ExposedPorts"] = {f"{port}/tcp": {} for port in rest.split()}
        elif name == "HEALTHCHECK":
            about["Healthcheck"] = health(rest)
        elif name == "ENTRYPOINT":
            about["Entrypoint"] = json.loads(rest)
        elif name in ("USER", "WORKDIR"):
            about[{"USER": "User", "WORKDIR": "WorkingDir"}[name]] = rest
        else:
            assert name == "FROM" or (name, rest) == ("COPY", f"--from=build {MADE} {MADE}"), f"an instruction that is not compared: {name}"
    assert not given, f"the Dockerfile takes no argument {', '.join(given)}"
    return about


def same(image, record, source):
    wanted, record = json.loads(Path(image).read_text())["config"], json.loads(Path(record).read_text())
    created = wanted["Labels"]["org.opencontainers.image.created"]
    # The version is what the Dockerfile has by default.
    found = config_of({"REVISION": record["revision"], "CREATED": created, "SOURCE": source})
    for key in sorted(found.keys() | wanted.keys()):
        assert found.get(key) == wanted.get(key), f"{key}: {found.get(key)} in the Dockerfile, {wanted.get(key)} in the image"
    without = {name.rpartition(".")[2] for name, value in config_of({})["Labels"].items() if not value}
    assert without == {"revision", "created", "source", "url", "documentation"}, f"labels without a value by default: {without}"
    rust = re.search(r'^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert stages()[0][0][1].startswith(f"rust:{rust}-"), f"Cargo.toml asks for Rust {rust}"
    print(f"  deploy/Dockerfile says the same of the image: {len(found['Labels'])} labels, user, port, health check, entry point")


def build(directory, commit):
    """Builds as its first stage does, by the same shell. What Docker would not send is not there, and neither is the repository."""
    place, sent = Path(directory), FILE.with_name("Dockerfile.dockerignore").read_text().split()
    place.mkdir(parents=True)
    arguments = {"TARGETARCH": "amd64", "REVISION": commit}
    for name, rest in stages()[0]:
        if name == "COPY":
            *files, where = rest.split()
            for file in files:
                assert sent[0] == "*", "Dockerfile.dockerignore sends what it does not name"
                assert f"!{file}" in sent, f"Dockerfile.dockerignore keeps {file} back"
                copy(ROOT / file, place / where / Path(file).name if where.endswith("/") else place / where)
        elif name == "RUN":
            assert f" {MADE}" in rest, f"it does not make {MADE}"
            environment = {key: value for key, value in os.environ.items() if not key.startswith(("CARGO_TARGET", "GIT_COMMIT"))}
            command = rest.replace(f" {MADE}", f" {place}{MADE}")
            subprocess.run(["/bin/sh", "-c", command], cwd=place, env=environment | arguments, check=True)
        else:
            assert name in ("FROM", "ARG", "WORKDIR"), f"an instruction that is not played: {name}"
    print(f"{place}{MADE}")


def run(config, directory):
    """The two lines of the README are for this file and this image; the second is played, because no daemon is here."""
    about, root = json.loads(Path(config).read_text())["config"], Path(directory)
    lines = [line for kind, body in pages.blocks((ROOT / "README.md").read_text()) if kind == "sh" for line in pages.commands(body)]
    build_line, run_line = (shlex.split(line) for line in lines if line.startswith("docker "))
    assert build_line == ["docker", "build", "-f", str(FILE.relative_to(ROOT)), "-t", build_line[-2], "."], build_line
    port = run_line[3].partition(":")[2]
    assert run_line == ["docker", "run", "-p", f"8761:{port}", build_line[-2]], run_line
    assert f"{port}/tcp" in about["ExposedPorts"], f"the image exposes {about['ExposedPorts']}"
    files = [str(path.relative_to(root)) for path in root.rglob("*")]
    assert files == about["Entrypoint"][0].split("/")[1:], f"the image has {files}"
    kind, *test = about["Healthcheck"]["Test"]
    assert kind == "CMD", kind
    given = {"root": root, "user": about["User"], "port": port}
    arrays = {"entry": [*about["Entrypoint"], "--registry.shutdown.lame-duck=0"], "test": test}
    script = [f"{name}={shlex.quote(str(value))}" for name, value in given.items()]
    script += [f"{name}=({shlex.join(value)})" for name, value in arrays.items()]
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "bash", "-euo", "pipefail", "-c", "\n".join([*script, CONTAINER])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    print(f"  the image as `docker run` starts it, in namespaces and as user {about['User']}: healthy, and answers on port {port}")


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def main():
    command, *arguments = sys.argv[1:]
    {"same": same, "build": build, "run": run}[command](*arguments)


main()
