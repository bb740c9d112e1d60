"""Runs the commands of the README, and then of the pages below deploy/: `sh` blocks line by line, with the files of `yaml` blocks
that begin with `# NAME`.

A command that serves is left running until the next one takes its port. The lines of a `text` block have to be in what the
command before it printed. commands.py DIRECTORY
"""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import lib
import pages
from pages import ROOT

DIRECTORY = Path(sys.argv[1]).resolve()
OPERATOR = DIRECTORY / "operator"
# What other checks run, by the line of .ci/run that does.
ELSEWHERE = {
    "cargo test": "cargo test --locked",
    "helm install registry deploy/chart --set image.repository=registry.example.com/eureka-registry": "compat/run kubernetes",
    "tar -xzf eureka-registry-0.1.0-linux-amd64.tar.gz": "compat/run release",
    "eureka-registry-0.1.0-linux-amd64/eureka-registry": "compat/run release",
    "docker build -f deploy/Dockerfile -t eureka-registry .": "compat/run release",
    "docker run -p 8761:8761 eureka-registry": "compat/run release",
    "compat/three-replicas/run": "compat/three-replicas/run --check",
}
SERVES = {
    re.compile(r"(\w+=\S+ )?(cargo run --release|eureka-registry( --\S+)*)$"): 8761,
    re.compile(r"prometheus --config\S+$"): 9090,
}
LIMIT = 60

environment = {name: value for name, value in os.environ.items() if not name.startswith("EUREKA_")} | {
    "CARGO_NET_OFFLINE": "true",
    "CARGO_INSTALL_ROOT": str(DIRECTORY / "installed"),
    "PATH": f"{DIRECTORY / 'installed' / 'bin'}:{DIRECTORY / 'unpacked'}:{os.environ['PATH']}",
}
serving = {}


def all_pages():
    """The README, then the pages that go into detail: what a page's commands need may have been started by a page before it."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "deploy").glob("*.md"))


def content(page, checks):
    """The blocks of a page, and how many commands other checks run."""
    text, elsewhere = page.read_text(), 0
    for (of, heading), check in pages.ELSEWHERE.items():
        if ROOT / of == page:
            assert check in checks, f"no check runs {heading!r} of {of}: .ci/run lacks {check!r}"
            section = pages.section(of, heading)
            elsewhere += sum(len(pages.commands(body)) for kind, body in pages.blocks(section) if kind == "sh")
            text = text.replace(section, "")
    return pages.blocks(text), elsewhere


def stop(port):
    process = serving.pop(port, None)
    if process:
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
        assert code == 0, f"the server on port {port} ended with {code}"


def place(command):
    """Where a command runs: with cargo in the checkout, else beside the operator's files."""
    return ROOT if command.startswith("cargo") else OPERATOR


def serve(command, port):
    stop(port)
    with open(DIRECTORY / f"{port}.log", "a", encoding="utf-8") as log:
        process = subprocess.Popen(["bash", "-c", f"exec env {command}"], cwd=place(command), env=environment, stdout=log, stderr=log)
    serving[port] = process

    def listens():
        assert process.poll() is None, f"{command} ended with {process.poll()}"
        socket.create_connection(("localhost", port), 1).close()
        return True

    lib.until(f"{command} to listen on port {port}", listens, 600 if command.startswith("cargo") else LIMIT)


def run(command, expected):
    """Runs one until it succeeds and prints what it has to, for a while: what it asks for may take a moment to be true."""
    told = re.sub(r"^curl ", "curl --silent --show-error --fail-with-body ", command)
    deadline = time.monotonic() + (LIMIT if command.startswith("curl") else 0)
    while True:
        done = subprocess.run(["bash", "-c", told], cwd=place(command), env=environment, capture_output=True, text=True, check=False)
        missing = [line for line in expected if line not in done.stdout]
        if done.returncode == 0 and not missing:
            return
        if time.monotonic() >= deadline:
            sys.exit(f"FAIL: {command}\n  exit code {done.returncode}, {done.stderr}\n  printed {done.stdout}\n  lacks {missing}")
        time.sleep(0.5)


def operator():
    """An operator who has unpacked the archive of a release, and has the configuration and the certificate of a Java server."""
    OPERATOR.mkdir()
    (DIRECTORY / "unpacked").mkdir()
    (DIRECTORY / "unpacked/eureka-registry").symlink_to(os.environ["EUREKA_REGISTRY_BIN"])
    files = (pages.files([block]) for block in pages.blocks((ROOT / "deploy/migration.md").read_text()))
    (OPERATOR / "application.yml").write_text(next(file["application.yml"] for file in files if "application.yml" in file))
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]
    packed = [
        "openssl",
        "pkcs12",
        "-export",
        "-inkey",
        "key.pem",
        "-in",
        "cert.pem",
        "-passout",
        "pass:changeit",
        "-out",
        "operator/keystore.p12",
    ]
    for command in (made, packed):
        subprocess.run(command, cwd=DIRECTORY, capture_output=True, check=True)


def block(kind, body, printed, checks):
    """Writes a file, or runs commands of which the last has to print what stands below it; says how many ran, here and elsewhere."""
    for name, text in pages.files([(kind, body)]).items():
        (OPERATOR / name).write_text(text)
    ran = elsewhere = 0
    lines = pages.commands(body) if kind == "sh" else []
    for number, command in enumerate(lines):
        if command in ELSEWHERE:
            assert ELSEWHERE[command] in checks, f"no check runs {command!r}: .ci/run lacks {ELSEWHERE[command]!r}"
            elsewhere += 1
            continue
        print(f"  {command[:110]}", flush=True)
        port = next((port for pattern, port in SERVES.items() if pattern.match(command)), None)
        if port:
            serve(command, port)
        else:
            run(command, printed if number == len(lines) - 1 else [])
        ran += 1
    return ran, elsewhere


def main():
    checks = (ROOT / ".ci" / "run").read_text()
    operator()
    ran = elsewhere = 0
    try:
        for page in all_pages():
            blocks, others = content(page, checks)
            elsewhere += others
            for (kind, body), (next_kind, next_body) in itertools.pairwise([*blocks, ("", "")]):
                printed = next_body.splitlines() if next_kind == "text" else []
                counts = block(kind, body, printed, checks)
                ran, elsewhere = ran + counts[0], elsewhere + counts[1]
    finally:
        for port in list(serving):
            stop(port)
    assert ran >= 25, f"only {ran} commands were found"
    print(f"  {ran} commands of the README and of the pages below deploy/ did what they say, {elsewhere} are run by other checks")
    print(f"\n{ran} passed, 0 failed")


main()
