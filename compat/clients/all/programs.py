"""How the clients' programs are made: by the usual package clients, once, below the directory of caches."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
# Seconds after which a program of other sources or versions is removed: another checkout may still run it.
UNUSED = 24 * 3600
VERSION = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


class Unavailable(Exception):
    """A package that its registry does not serve, or a tool that is not here: what was tried."""


def java_home(least):
    """The directory of a Java of this machine that is at least of this version."""
    for release in sorted(Path("/usr/lib/jvm").glob("*/release")):
        found = VERSION.search(release.read_text(encoding="utf-8"))
        if found and int(found.group(1)) >= least and (release.parent / "bin/javac").exists():
            return str(release.parent)
    raise Unavailable(f"there is no Java {least} or newer below /usr/lib/jvm")


def unused(program):
    """Whether nobody has used it for long; one that was never made is used by nobody."""
    made = Path(program, "made")
    return not made.exists() or time.time() - made.stat().st_mtime > UNUSED


class Programs:
    """Makes programs, and keeps them as long as their sources and versions are the same."""

    def __init__(self, cache, work):
        self.cache, self.work = Path(cache, "clients-all"), Path(work)
        self.cache.mkdir(parents=True, exist_ok=True)

    def made(self, name, project, *versions, make):
        """A directory that `make` filled from the files of `project` for these versions."""
        digest = hashlib.sha256(repr(versions).encode())
        for file in sorted(Path(project).rglob("*")):
            if file.is_file():
                digest.update(file.relative_to(project).as_posix().encode() + b"\0" + file.read_bytes())
        target = Path(self.cache, f"{name}-{digest.hexdigest()[:12]}")
        # Another run may make the same at the same time.
        with Path(self.cache, "lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            made = Path(target, "made")
            if not made.exists():
                for old in self.cache.glob(f"{name}-*"):
                    if old == target or (len(old.name) == len(target.name) and unused(old)):
                        shutil.rmtree(old)
                shutil.copytree(project, target)
                make(target)
            made.touch()
        return target

    def run(self, command, directory, environment=None):
        done = subprocess.run(
            command, cwd=directory, env={**os.environ, **(environment or {})}, text=True, check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        if done.returncode:
            said = [line for line in done.stdout.splitlines() if "ERROR" in line or "error" in line] or done.stdout.splitlines()
            raise Unavailable(f"{command[0]} failed: {' | '.join(said[:3])[:500]}")
        return done.stdout

    def maven(self, name, project, properties, profiles=(), java=None):
        """A class path: the program's own classes and all that it needs."""
        options = [f"-D{key}={value}" for key, value in properties.items()] + [f"-P{profile}" for profile in profiles]
        environment = {"JAVA_HOME": java} if java else {}

        def make(target):
            self.run(["mvn", "--quiet", "--batch-mode", *options, "compile", "dependency:build-classpath",
                      f"-Dmdep.outputFile={target}/classpath"], target, environment)

        # What was removed from Maven's own store has to be fetched again.
        target = self.made(name, HERE / project, properties, profiles, make=make)
        classpath = Path(target, "classpath").read_text(encoding="utf-8")
        if not all(Path(jar).exists() for jar in classpath.split(":") if jar):
            Path(target, "made").unlink()
            target = self.made(name, HERE / project, properties, profiles, make=make)
        return f"{target}/target/classes:{classpath}"

    def npm(self, name, package):
        """A directory with the package and the programs of `node`."""
        make = lambda target: self.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-save", package], target)
        return self.made(f"node-{name}", HERE / "node", package, make=make)

    def pip(self, name, *packages):
        """A directory with a virtual environment and the programs of `python`."""
        def make(target):
            self.run(["python3", "-m", "venv", "venv"], target)
            self.run(["venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages], target)
        return self.made(f"python-{name}", HERE / "python", packages, make=make)

    def cargo(self, name, version):
        """The path of a program of `rust`, with the crate of that name."""
        built = self.cache / "rust-target"

        def make(target):
            self.run(["cargo", "build", "--quiet", "--locked"], target / name, {"CARGO_TARGET_DIR": str(built)})
            shutil.copy2(built / "debug" / name, target / "program")
        return self.made(f"rust-{name}", HERE / "rust", version, make=make) / "program"

    def go(self, name, module, version):
        """The path of a program of somebody else's module."""
        target = Path(self.cache, f"go-{name}-{version}")
        if version_of_old := [old for old in self.cache.glob(f"go-{name}-*") if old != target]:
            for old in version_of_old:
                shutil.rmtree(old)
        program = target / name
        if not program.exists():
            self.run(["go", "install", f"{module}@{version}"], self.work, {"GOBIN": str(target), "CGO_ENABLED": "0"})
        return program
