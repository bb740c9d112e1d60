"""Which releases the package registries know, by their usual clients. A registry that does not answer is said, and is no failure."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

PATIENCE = 120
NUMBERS = re.compile(r"\d+")
CANDIDATE = re.compile(r"-(m|rc|alpha|beta|snapshot|preview|dev|pre)|[.-]m\d|\.rc\d|\d(a|b|rc)\d", re.IGNORECASE)


def order(version):
    """Numbers in a version as numbers, so that 10 comes after 9."""
    return [int(number) for number in NUMBERS.findall(version)]


class Newest:
    """What each registry answered, asked once for each name. `also` are names that no row has."""

    def __init__(self, work, rows, also=()):
        self.work, self.silent, self.known = Path(work), [], {}
        for kind, name in sorted({row.newest[:2] for row in rows if row.newest} | set(also)):
            try:
                self.known[kind, name] = getattr(self, kind)(name)
            except (OSError, subprocess.SubprocessError, ValueError, LookupError, AttributeError, ElementTree.ParseError) as error:
                self.silent.append(f"newer releases of {name} are unknown: {kind} did not answer ({type(error).__name__})")

    def of(self, asked):
        """The newest release, the newest of the line that a row stays in, and a candidate for the next one if there is one."""
        if not asked:
            return "not asked"
        known = self.known.get(asked[:2], ())
        versions = [one for one in known if not CANDIDATE.search(one)]
        if not versions:
            return "unknown"
        newest = said = max(versions, key=order)
        if len(asked) > 2 and (line := [one for one in versions if one.startswith(asked[2] + ".")]):
            of_line = max(line, key=order)
            said = newest if of_line == newest else f"{of_line} of {asked[2]}, {newest} of all"
        candidates = [one for one in known if CANDIDATE.search(one) and order(one)[:2] > order(newest)[:2]]
        return f"{said}, candidate {max(candidates, key=order)}" if candidates and said == newest else said

    def ask(self, command, directory=None):
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=PATIENCE, cwd=directory or self.work, stdin=subprocess.DEVNULL
        ).stdout

    def maven(self, name):
        """Maven's own file of versions, which it keeps in its store when it is asked for the newest of all."""
        group, artifact = name.split(":")
        store = Path.home() / ".m2/repository" / Path(*group.split(".")) / artifact
        self.ask(["mvn", "--quiet", "--batch-mode", "-U", "dependency:get", f"-Dartifact={name}:LATEST:pom", "-Dtransitive=false"])
        files = list(store.glob("maven-metadata-*.xml"))
        return [one.text for file in files for one in ElementTree.parse(file).iter("version")]

    def npm(self, name):
        return json.loads(self.ask(["npm", "view", name, "versions", "--json"]))

    def pypi(self, name):
        said = self.ask(["pip", "index", "versions", name, "--disable-pip-version-check"])
        return re.search(r"Available versions: (.*)", said).group(1).split(", ")

    def go(self, name):
        return self.ask(["go", "list", "-m", "-versions", name]).split()[1:]

    def cargo(self, name):
        return [re.search(r"^version: (\S+)", self.ask(["cargo", "info", name]), re.MULTILINE).group(1)]
