"""The keys of Spring's own configuration metadata, for tests/it/config/spring-keys.txt.

metadata.py --write | --check: reads spring-configuration-metadata.json out of the jars of the newest releases of each line of Spring
Cloud Netflix that Maven's repository has, and writes or compares the list.
"""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LIST = Path(__file__).parents[2] / "tests/it/config/spring-keys.txt"
CLOUD = ["spring-cloud-netflix-eureka-server", "spring-cloud-netflix-eureka-client"]
COMMON = ["spring-boot", "spring-boot-autoconfigure", "spring-boot-actuator-autoconfigure"]
# Spring Boot 4 has its modules in jars of their own.
MODULES = [
    *COMMON,
    "spring-boot-cloudfoundry",
    "spring-boot-health",
    "spring-boot-jetty",
    "spring-boot-micrometer-metrics",
    "spring-boot-micrometer-observation",
    "spring-boot-micrometer-tracing",
    "spring-boot-opentelemetry",
    "spring-boot-reactor-netty",
    "spring-boot-security",
    "spring-boot-security-oauth2-authorization-server",
    "spring-boot-security-oauth2-client",
    "spring-boot-security-oauth2-resource-server",
    "spring-boot-security-saml2",
    "spring-boot-servlet",
    "spring-boot-tomcat",
    "spring-boot-web-server",
    "spring-boot-webmvc",
    "spring-boot-zipkin",
]
# A line of Spring Cloud Netflix, the line of Spring Boot that it is for, and the jars of that.
LINES = {"4.3": ("3.5", COMMON), "5.0": ("4.0", MODULES), "5.1": ("4.1", MODULES)}
OURS = re.compile(r"(server|management|logging|eureka|spring\.security)\.")

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>compat</groupId><artifactId>metadata</artifactId><version>1</version><dependencies>{}</dependencies></project>
"""
DEPENDENCY = """<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>[{line}.0,{line}.99]</version>
<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>
"""


def fetch(line: str, directory: Path) -> list[str]:
    """Copies the newest jars of a line, and gives their names; none if the repository has no such line."""
    boot, modules = LINES[line]
    wanted = [("org.springframework.cloud", name, line) for name in CLOUD]
    wanted += [("org.springframework.boot", name, boot) for name in modules]
    directory.mkdir()
    dependencies = "".join(DEPENDENCY.format(group, name, line=version) for group, name, version in wanted)
    (directory / "pom.xml").write_text(POM.format(dependencies))
    command = ["mvn", "--quiet", "--batch-mode", "-f", str(directory / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={directory}"], check=False, capture_output=True, text=True, timeout=900)
    if done.returncode:
        print(f"  Spring Cloud Netflix {line}: {next(iter(done.stdout.splitlines()), 'no answer')}", file=sys.stderr)
    return sorted(jar.stem for jar in directory.glob("*.jar"))


def keys_of(directory: Path) -> set[str]:
    found = set()
    for jar in directory.glob("*.jar"):
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if name.endswith("META-INF/spring-configuration-metadata.json"):
                    found |= {key["name"] for key in json.loads(archive.read(name))["properties"]}
    return {key for key in found if OURS.match(key)}


def collect() -> str:
    lines_of: dict[str, list[str]] = {}
    head = (
        "# Names of keys from the configuration metadata of Spring (Apache License 2.0), which compat/configuration/metadata.py extracts:\n"
    )
    with tempfile.TemporaryDirectory() as work:
        for line in LINES:
            jars = fetch(line, Path(work, line))
            head += "".join(f"# {jar}\n" for jar in jars if "eureka" in jar or re.fullmatch(r"spring-boot-\d.*", jar))
            for key in keys_of(Path(work, line)):
                lines_of.setdefault(key, []).append(line)
    return head + "".join(f"{key} {' '.join(lines)}\n" for key, lines in sorted(lines_of.items()))


def main() -> None:
    text = collect()
    if sys.argv[1:] == ["--write"]:
        LIST.write_text(text)
        return
    known = {line.split()[0] for line in LIST.read_text().splitlines() if not line.startswith("#")}
    found = {line.split()[0] for line in text.splitlines() if not line.startswith("#")}
    if new := sorted(found - known):
        sys.exit(f"new keys: {', '.join(new)}; `compat/configuration/metadata.py --write` adds them, and a test has them classed")
    print(f"  {len(found)} keys of Spring's metadata are known")


if __name__ == "__main__":
    main()
