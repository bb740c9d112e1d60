"""The kinds of clients, and how a row of each is made: its version, how it is started, and which steps of the course it has."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import course
import pins
from programs import java_home

import lib

# Java 17 closes what these look into.
OPENED = ("--add-opens=java.desktop/java.awt.font=ALL-UNNAMED", *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in (
    "java.lang", "java.lang.reflect", "java.util", "java.util.concurrent", "java.text", "java.net", "java.io", "sun.net",
)))
SMALL_JVM = ("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

# What the log of a client says whose first registry is dead, and of one that is told what changed.
REFUSED = "Connection refused"
DELTA = "Got delta update"
# Steps that a client does not have, and why.
NO_SPRING = {"health": "it has no health checks", "calls": "it makes no calls of its own"}
LOGS_404 = "it logs the 404 after which it registers again as a fault"
READING = ("reads", "added", "changed", "removed", "down")
ONLY_READS = {step: "it only reads" for step in course.STEPS if step not in (*READING, "clean")}
DEAD_ZONE = {"clean": "it logs each call of the dead registry"}


@dataclass(frozen=True)
class Row:
    """A client. `lacks` says for each step that it does not play why it does not."""

    name: str
    what: str
    version: str
    newest: tuple  # the registry and the name under which newer releases are asked for, and the line that the row stays in
    command: Callable = None
    lacks: dict = field(default_factory=dict)
    play: Callable = None
    interval: float = 1  # seconds between two heartbeats or fetches, where the client does not let them be chosen
    environment: dict = field(default_factory=dict)
    call_path: str = "/call"  # where the client is asked to call the other application
    id: str = "{name}:1"  # its instance id, where it does not let it be chosen
    loads: str = None  # a class that it has to use
    tells: tuple = ()  # what its log has to say
    sees: Callable = None  # what a client found that does not print it, as a set
    secured: bool = False  # on the replicas that have TLS and users


def java(classpath, main, *options, jvm=(), home=None):
    return [f"{home}/bin/java" if home else "java", *SMALL_JVM, *jvm, "-cp", classpath, main, *options]


def spring_options(run):
    """The settings of a Spring Boot application on the course, whatever its version."""
    return [
        f"--server.port={run.port.number}", "--server.address=127.0.0.1", f"--spring.application.name={run.app}", f"--watch={run.watched}",
        f"--eureka.instance.instance-id={run.id}", "--eureka.instance.hostname=127.0.0.1", "--eureka.instance.ip-address=127.0.0.1",
        f"--eureka.client.service-url.defaultZone={','.join(run.replicas.urls(run.replicas.user))}",
        "--eureka.instance.lease-renewal-interval-in-seconds=1", f"--eureka.instance.lease-expiration-duration-in-seconds={course.LEASE}",
        "--eureka.client.registry-fetch-interval-seconds=1", "--eureka.client.instance-info-replication-interval-seconds=1",
        "--eureka.client.initial-instance-info-replication-interval-seconds=1", "--eureka.client.healthcheck.enabled=true",
        f"--management.health.diskspace.path={run.sick}", "--management.health.diskspace.threshold=1",
        "--spring.cloud.loadbalancer.cache.enabled=false", "--ribbon.ServerListRefreshInterval=500",
        "--logging.level.com.netflix.discovery=DEBUG", "--spring.main.banner-mode=off",
    ]


def spring(programs, line, name, what="", *, profiles=(), options=lambda run: (), jvm=lambda run: (), gateway=False, loads=None,
           pinned=None, tells=(), **more):
    """A row for one line of Spring Boot; with `loads`, the class of the transport that it has to use."""
    boot, cloud = pins.BOOTS[pinned or line]

    def command(run):
        versions = {"boot.version": boot, "cloud.version": cloud, "maven.compiler.release": "8" if line < "3" else "17"}
        if gateway:
            versions["gateway"] = "true"
        kind = "-".join(("spring", (pinned or line).replace(" ", "-"), *profiles, *(["gateway"] if gateway else [])))
        classpath = programs.maven(kind, "spring", versions, profiles)
        opened = OPENED if line < "2.7" else ()
        log = (f"-Xlog:class+load:file={run.classes}",) if loads else ()
        return java(classpath, "compat.Application", *spring_options(run), *options(run), jvm=(*opened, *log, *jvm(run)))

    return Row(
        name=name, what=f"Spring Boot {line}{what}", version=f"{boot} / {cloud}", command=command, loads=loads, tells=(DELTA, *tells),
        newest=("maven", "org.springframework.boot:spring-boot", line), **more,
    )


def zones(run):
    """The settings of a client in a zone whose registry is dead, beside one whose registries live."""
    return [
        "--eureka.client.region=here", "--eureka.client.availability-zones.here=dead,live",
        f"--eureka.client.service-url.dead=http://127.0.0.1:{run.nobody.number}/eureka/",
        f"--eureka.client.service-url.live={','.join(run.replicas.urls())}",
        "--eureka.instance.metadata-map.zone=dead", "--eureka.client.eureka-server-connect-timeout-seconds=2",
    ]


def trusting(run):
    """The settings of a client that trusts the authority of the secured replicas."""
    store = f"{run.replicas.pki}/truststore.p12"
    return ["--eureka.client.tls.enabled=true", f"--eureka.client.tls.trust-store=file:{store}",
            "--eureka.client.tls.trust-store-password=truststore", "--eureka.client.tls.trust-store-type=PKCS12"]


def trusting_jvm(run):
    """The same for clients that know no such settings."""
    return [f"-Djavax.net.ssl.trustStore={run.replicas.pki}/truststore.p12", "-Djavax.net.ssl.trustStorePassword=truststore"]


def locator(run):
    """The settings of a gateway that makes its routes of what it finds in the registry."""
    locator = "--spring.cloud.gateway.server.webflux.discovery.locator."
    return [f"{locator}enabled=true", f"{locator}lower-case-service-id=true"]


def configured(run):
    """The settings of an application that gets its own from a config server, which it finds by its name."""
    return ["--spring.config.import=configserver:", "--spring.cloud.config.discovery.enabled=true",
            f"--spring.cloud.config.discovery.service-id={run.config_server}", "--spring.cloud.config.fail-fast=true"]


def with_config_server(programs, pinned):
    """A config server of these versions is started first, and the application's own settings come from it."""
    def play(run):
        files = Path(run.work, "configuration")
        files.mkdir(exist_ok=True)
        Path(files, "application.properties").write_text("from.config.server=yes\n", encoding="utf-8")
        boot, cloud = pins.BOOTS[pinned]
        versions = {"boot.version": boot, "cloud.version": cloud, "maven.compiler.release": "17"}
        classpath = programs.maven(f"spring-{pinned.replace(' ', '-')}-server", "spring", versions, ("config-server",))
        server = course.Course(replace(run.row, name=run.config_server), run.replicas, run.answering, run.work)
        server.client = course.Client(run.config_server, java(
            classpath, "compat.Application", *spring_options(server), "--spring.profiles.active=native",
            f"--spring.cloud.config.server.native.search-locations=file:{files}/"), run.work)
        try:
            server.until_status("UP", course.START)
            run.course()
            # It has ended, so there is nothing to wait for.
            course.expect("its settings do not come from the config server", "CONFIGURED yes" in run.client.lines())
            run.done.append("its settings come from a config server that it found in the registry")
        finally:
            server.client.end()
            server.forget()
    return play


def node(programs, package, **more):
    """A row for a package of npm."""
    name = package.split("/")[-1] if package[0] != "@" else package[1:].replace("/", "-")

    def command(run):
        program = programs.npm(name, f"{package}@{pins.NODE[package]}") / "client.js"
        return ["node", program, package, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    return Row(name=name, what=f"{package} (Node)", version=pins.NODE[package], newest=("npm", package), command=command, **more)


def python(programs, package, way="", **more):
    """A row for a package of PyPI; `way` is one of the ways to use it."""
    def command(run):
        home = programs.pip(package, f"{package}=={pins.PYTHON[package]}")
        program = [home / "venv/bin/python", home / "client.py", package + way]
        return [*program, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    words = f"{package} (Python{', asynchronous' if way else ''})"
    return Row(name=package + way, what=words, version=pins.PYTHON[package], newest=("pypi", package), command=command, **more)


def jvm(programs, name, what, main, options, jvm=lambda run: (), least=None, **more):
    """A row for a program of Java that is not Spring's; its directory has the row's name. `least` is the Java that it needs."""
    artifact, version = pins.MAVEN[name]

    def command(run):
        home = java_home(least) if least else None
        classpath = programs.maven(name, name, {f"{name}.version": version}, java=home)
        return java(classpath, f"compat.{main}", *options(run), jvm=jvm(run), home=home)
    return Row(name=name, what=what, version=version, newest=("maven", artifact), command=command, **more)


def micronaut(run):
    host, port = run.replicas.address(0)
    return [
        f"-micronaut.application.name={run.app}", "-micronaut.server.host=127.0.0.1", f"-micronaut.server.port={run.port.number}",
        f"-watch={run.watched}", f"-eureka.client.host={host}", f"-eureka.client.port={port}", "-eureka.client.context-path=/eureka",
        "-eureka.client.registration.ip-addr=127.0.0.1", "-eureka.client.registration.prefer-ip-address=true",
        "-micronaut.heartbeat.interval=1s", "-micronaut.heartbeat.initial-delay=1s", "-micronaut.caches.discovery-client.enabled=false",
    ]


def helidon(run):
    feature = "-Dserver.features.eureka."
    return [
        "-Dserver.host=127.0.0.1", f"-Dserver.port={run.port.number}", f"{feature}client.base-uri={run.replicas.urls()[0].rstrip('/')}",
        f"{feature}instance.name={run.app}", f"{feature}instance.instanceId={run.id}", f"{feature}instance.hostName=127.0.0.1",
        f"{feature}instance.ipAddr=127.0.0.1", f"{feature}instance.lease.renewalInterval=1",
        f"{feature}instance.lease.duration={course.LEASE}",
    ]


def hazelcast(programs):
    """Two members that have nothing but the registry to find each other by."""
    def play(run):
        classpath = programs.maven("hazelcast", "hazelcast", {"plugin.version": pins.MAVEN["hazelcast"][1]})
        members, ports = [], (run.port, run.nobody)
        registered = lambda replica: sum(one["status"] == "UP" for one in run.replicas.instances(replica, run.app))
        try:
            for number, port in enumerate(ports, 1):
                run.client = course.Client(f"hazelcast-{number}", java(
                    classpath, "compat.HazelcastMembers", str(port.number), f"name={run.app}", "namespace=hazelcast",
                    "self-registration=true", "use-metadata-for-host-and-port=true", "use-classpath-eureka-client-props=false",
                    "shouldUseDns=false", f"serviceUrl.default={run.replicas.urls()[0]}",
                    jvm=(*OPENED, "--add-modules=java.se"),
                ), run.work)
                members.append(run.client)
                run.until("it to register", lambda number=number: registered(1) == number, course.START)
            run.done.append("two members register")
            for member in members:
                run.until("the members to join", lambda: "MEMBERS 2" in member.lines(), course.START)
            run.done.append("join by what they find")
            last = members.pop()
            try:
                # Of the first one it is watched that it lives: the last one may end before the replica knows.
                run.client = members[0]
                last.stop()
                run.until("one to leave", lambda: len(run.replicas.instances(2, run.app)) == 1, course.SEEN)
            finally:
                last.end()
            run.done.append("leave")
        finally:
            for member in members:
                member.end()
    artifact, version = pins.MAVEN["hazelcast"]
    return Row(name="hazelcast", what="hazelcast-eureka", version=version, newest=("maven", artifact), play=play)


def rust(programs, crate, **more):
    def command(run):
        program = programs.cargo(crate, pins.RUST[crate])
        return [program, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    return Row(name=crate, what=f"{crate} (Rust)", version=pins.RUST[crate], newest=("cargo", crate), command=command, **more)


def replay(kind, what, **more):
    """A row for requests as the sources of a client make them, which has no release in a registry that is asked here."""
    def command(run):
        program = Path(__file__).parent / "replay/replay.py"
        return ["python3", program, kind, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    return Row(name=kind, what=f"{what}, a replay of its requests", version=pins.REPLAYS[kind], newest=None, command=command, **more)


def vmagent(programs):
    """The agent of VictoriaMetrics, built as a Go module; what it sees is what it would scrape."""
    module, version = pins.VICTORIA_METRICS

    def command(run):
        relabel = "".join(
            f"  - source_labels: [__meta_eureka_app_{source}]\n    target_label: {label}\n"
            for source, label in (("name", "app"), ("instance_status", "status"), ("instance_metadata_color", "color")))
        Path(run.work, "vmagent.yml").write_text(
            "scrape_configs:\n- job_name: eureka\n  scrape_interval: 1h\n  eureka_sd_configs:\n"
            f"  - server: {run.replicas.urls()[0].rstrip('/')}\n  relabel_configs:\n{relabel}", encoding="utf-8")
        return [programs.go("vmagent", f"{module}/app/vmagent", version), f"-promscrape.config={run.work}/vmagent.yml",
                f"-httpListenAddr=127.0.0.1:{run.port.number}", f"-remoteWrite.url=http://127.0.0.1:{run.nobody.number}/",
                f"-remoteWrite.tmpDataPath={run.work}/vmagent", "-promscrape.eurekaSDCheckInterval=1s"]

    def sees(run):
        targets = json.loads(lib.request(f"http://127.0.0.1:{run.port.number}/api/v1/targets?state=active"))["data"]["activeTargets"]
        return {
            f"{one['discoveredLabels']['__address__']}={one['labels']['color']}" for one in targets
            if one["labels"]["app"] == run.watched.upper() and one["labels"]["status"] == "UP"
        }
    return Row(name="vmagent", what="VictoriaMetrics vmagent", version=version, newest=("go", module), command=command, sees=sees, lacks={
        **ONLY_READS, "clean": "it logs that nobody takes what it scrapes"})


def core(binary):
    """The checks of `compat/clients/run` as rows."""
    def row(name):
        what, file, pattern, asked = pins.CORE[name]
        home = Path(__file__).parents[1]
        version = ", ".join(re.findall(pattern, (home / file).read_text(encoding="utf-8"))) if file else pattern

        def play(run):
            log = Path(run.work, f"core-{name}.txt")
            with log.open("w", encoding="utf-8") as out:
                code = subprocess.run(
                    [home / name / "run"], stdout=out, stderr=out, check=False, stdin=subprocess.DEVNULL,
                    env={**os.environ, "EUREKA_REGISTRY_BIN": str(binary)},
                ).returncode
            if code:
                print(log.read_text(encoding="utf-8", errors="replace")[-3000:])
                raise course.Failed(f"compat/clients/run {name} ended with {code}")
            run.done.append(f"what compat/clients/run {name} checks")
        return Row(name=f"core-{name}", what=what, version=version, newest=asked, play=play)
    return [row(name) for name in pins.CORE]


