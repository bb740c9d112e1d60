"""The table of clients: each in one row, with its version, how it is started, and which steps of the course it has."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import course
import lib
from programs import NEWER_JAVA, Unavailable

# Every version that is pinned, by what it is asked for at its registry.
BOOTS = {  # Spring Boot and the release of Spring Cloud that goes with it
    "1.5": ("1.5.22.RELEASE", "Edgware.SR6"),
    "2.1": ("2.1.18.RELEASE", "Greenwich.SR6"),
    "2.3": ("2.3.12.RELEASE", "Hoxton.SR12"),
    "2.7": ("2.7.18", "2021.0.9"),
    "3.5": ("3.5.16", "2025.0.3"),
    "4.0": ("4.0.9", "2025.1.4"),
    "4.1": ("4.1.2", "2025.1.4"),
}
# Java 17 closes what these look into.
OPENED = ("--add-opens=java.desktop/java.awt.font=ALL-UNNAMED", *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in (
    "java.lang", "java.lang.reflect", "java.util", "java.util.concurrent", "java.text", "java.net", "java.io", "sun.net",
)))
SMALL_JVM = ("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# Steps that a client does not have, and why.
NO_SPRING = {"health": "it has no health checks", "calls": "it makes no calls of its own"}
LOGS_404 = "it logs the 404 after which it registers again as a fault"
READING = ("reads", "added", "changed", "removed", "down")
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
    loads: str = None  # a class that it has to use
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
        "--eureka.instance.lease-renewal-interval-in-seconds=1", "--eureka.instance.lease-expiration-duration-in-seconds=10",
        "--eureka.client.registry-fetch-interval-seconds=1", "--eureka.client.instance-info-replication-interval-seconds=1",
        "--eureka.client.initial-instance-info-replication-interval-seconds=1", "--eureka.client.healthcheck.enabled=true",
        f"--management.health.diskspace.path={run.sick}", "--management.health.diskspace.threshold=1",
        "--spring.cloud.loadbalancer.cache.enabled=false", "--ribbon.ServerListRefreshInterval=500",
        "--logging.level.com.netflix.discovery=DEBUG", "--spring.main.banner-mode=off",
    ]


def spring(programs, line, name, what="", *, profiles=(), options=lambda run: (), jvm=lambda run: (), gateway=False, loads=None, **more):
    """A row for one line of Spring Boot; with `loads`, the class of the transport that it has to use."""
    boot, cloud = BOOTS[line]

    def command(run):
        versions = {"boot.version": boot, "cloud.version": cloud, "maven.compiler.release": "8" if line < "3" else "17"}
        if gateway:
            versions["gateway"] = "true"
        kind = "-".join(("spring", line, *profiles, *(["gateway"] if gateway else [])))
        classpath = programs.maven(kind, "spring", versions, profiles)
        opened = OPENED if line < "2.7" else ()
        log = (f"-Xlog:class+load:file={run.classes}",) if loads else ()
        return java(classpath, "compat.Application", *spring_options(run), *options(run), jvm=(*opened, *log, *jvm(run)))

    return Row(
        name=name, what=f"Spring Boot {line}{what}", version=f"{boot} / {cloud}", command=command, loads=loads,
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


def with_config_server(programs, line):
    """A config server is started first, and the application's own settings come from it."""
    def play(run):
        files = Path(run.work, "configuration")
        files.mkdir(exist_ok=True)
        Path(files, "application.properties").write_text("from.config.server=yes\n", encoding="utf-8")
        boot, cloud = BOOTS[line]
        classpath = programs.maven(f"spring-{line}-config-server", "spring", {
            "boot.version": boot, "cloud.version": cloud, "maven.compiler.release": "17"}, ("config-server",))
        server = course.Course(replace(run.row, name=run.config_server), run.replicas, run.answering, run.work)
        server.client = course.Client(run.config_server, java(
            classpath, "compat.Application", *spring_options(server), "--spring.profiles.active=native",
            f"--spring.cloud.config.server.native.search-locations=file:{files}/"), run.work)
        try:
            server.until_status("UP", course.START)
            run.course()
            run.until("the settings from the config server", lambda: "CONFIGURED yes" in run.client.lines())
            run.done.append("its settings come from a config server that it found in the registry")
        finally:
            server.client.end()
            server.forget()
    return play


# What is pinned of npm and of PyPI.
NODE = {"@rocketsoftware/eureka-js-client": "4.5.9", "eureka-js-client": "4.5.0", "eureka-node-client": "1.0.9", "eureka-nodejs-client": "1.0.7"}
PYTHON = {"py-eureka-client": "0.13.3", "pyeureka": "2021.5.12.0", "flask-eureka-client": "1.0.2"}


def node(programs, package, **more):
    """A row for a package of npm."""
    name = package.split("/")[-1] if package[0] != "@" else package[1:].replace("/", "-")

    def command(run):
        program = programs.npm(name, f"{package}@{NODE[package]}") / "client.js"
        return ["node", program, package, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    return Row(name=name, what=f"{package} (Node)", version=NODE[package], newest=("npm", package), command=command, **more)


def python(programs, package, way="", **more):
    """A row for a package of PyPI; `way` is one of the ways to use it."""
    def command(run):
        home = programs.pip(package, f"{package}=={PYTHON[package]}")
        program = [home / "venv/bin/python", home / "client.py", package + way]
        return [*program, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    words = f"{package} (Python{', asynchronous' if way else ''})"
    return Row(name=package + way, what=words, version=PYTHON[package], newest=("pypi", package), command=command, **more)


# What is pinned of Maven Central, beside Spring.
MAVEN = {
    "micronaut": ("io.micronaut.platform:micronaut-platform", "4.10.8"), "stork": ("io.smallrye.stork:stork-core", "2.7.9"),
    "armeria": ("com.linecorp.armeria:armeria-eureka", "1.33.1"),
    "helidon": ("io.helidon.integrations.eureka:helidon-integrations-eureka", "4.2.3"),
    "hazelcast": ("com.hazelcast:hazelcast-eureka-one", "2.0.1"),
}


def jvm(programs, name, what, main, options, jvm=lambda run: (), home=None, **more):
    """A row for a program of Java that is not Spring's; its directory has the row's name."""
    artifact, version = MAVEN[name]

    def command(run):
        if home and not Path(home).exists():
            raise Unavailable(f"no Java at {home}")
        classpath = programs.maven(name, name, {f"{name}.version": version}, java=home)
        return java(classpath, f"compat.{main}", *options(run), jvm=jvm(run), home=home)
    return Row(name=name, what=what, version=version, newest=("maven", artifact), command=command, **more)


def micronaut(run):
    host, port = run.replicas.address(0)
    return [
        f"-micronaut.application.name={run.app}", "-micronaut.server.host=127.0.0.1", f"-micronaut.server.port={run.port.number}",
        f"-watch={run.watched}", f"-eureka.client.host={host}", f"-eureka.client.port={port}", "-eureka.client.context-path=/eureka",
        f"-eureka.instance.instance-id={run.id}", f"-micronaut.application.instance.id={run.id}",
        "-eureka.client.registration.ip-addr=127.0.0.1", "-eureka.client.registration.prefer-ip-address=true",
        "-micronaut.heartbeat.interval=1s", "-micronaut.heartbeat.initial-delay=1s", "-micronaut.caches.discovery-client.enabled=false",
    ]


def helidon(run):
    feature = "-Dserver.features.eureka."
    return [
        "-Dserver.host=127.0.0.1", f"-Dserver.port={run.port.number}", f"{feature}client.base-uri={run.replicas.urls()[0].rstrip('/')}",
        f"{feature}instance.name={run.app}", f"{feature}instance.instanceId={run.id}", f"{feature}instance.hostName=127.0.0.1",
        f"{feature}instance.ipAddr=127.0.0.1", f"{feature}instance.lease.renewalInterval=1", f"{feature}instance.lease.duration=10",
    ]


def hazelcast_members(programs):
    """Two members that have nothing but the registry to find each other by."""
    def play(run):
        classpath = programs.maven("hazelcast", "hazelcast", {"plugin.version": MAVEN["hazelcast"][1]})
        members = []
        try:
            for number in (1, 2):
                run.client = course.Client(f"hazelcast-{number}", java(
                    classpath, "compat.HazelcastMembers", str(lib.ReservedPort().number), f"name={run.app}", "namespace=hazelcast",
                    "self-registration=true", "use-metadata-for-host-and-port=true", "use-classpath-eureka-client-props=false",
                    "shouldUseDns=false", f"serviceUrl.default={run.replicas.urls()[0]}",
                    jvm=(*OPENED, "--add-modules=java.se"),
                ), run.work)
                members.append(run.client)
                run.until("it to register", lambda: len(run.replicas.instances(1, run.app)) == number, course.START)
            run.done.append("two members register")
            for member in members:
                run.until("the members to join", lambda: "MEMBERS 2" in member.lines(), course.START)
            run.done.append("join by what they find")
            members.pop().stop()
            run.until("one to leave", lambda: len(run.replicas.instances(2, run.app)) == 1, course.SEEN)
            run.done.append("leave")
        finally:
            for member in members:
                member.end()
    return play


# What is pinned of crates.io and of the Go module proxy.
RUST = {"rust-eureka": "0.2.0", "eureka-client": "0.0.4"}
VICTORIA_METRICS = ("github.com/VictoriaMetrics/VictoriaMetrics", "v1.151.0")


def rust(programs, crate, **more):
    def command(run):
        program = programs.cargo(crate, RUST[crate])
        return [program, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    return Row(name=crate, what=f"{crate} (Rust)", version=RUST[crate], newest=("cargo", crate), command=command, **more)


def replay(kind, what, version, **more):
    """A row for requests as the sources of a client make them, which has no release in a registry that is asked here."""
    def command(run):
        program = Path(__file__).parent / "replay/replay.py"
        return ["python3", program, kind, run.app, run.id, run.port.number, run.watched, *run.replicas.urls()]
    return Row(name=kind, what=f"{what}, a replay of its requests", version=version, newest=None, command=command, **more)


def vmagent(programs):
    """The agent of VictoriaMetrics, built as a Go module; what it sees is what it would scrape."""
    module, version = VICTORIA_METRICS

    def command(run):
        Path(run.work, "vmagent.yml").write_text(
            "scrape_configs:\n- job_name: eureka\n  scrape_interval: 1h\n  eureka_sd_configs:\n"
            f"  - server: {run.replicas.urls()[0].rstrip('/')}\n", encoding="utf-8")
        return [programs.go("vmagent", f"{module}/app/vmagent", version), f"-promscrape.config={run.work}/vmagent.yml",
                f"-httpListenAddr=127.0.0.1:{run.port.number}", f"-remoteWrite.url=http://127.0.0.1:{run.nobody.number}/",
                f"-remoteWrite.tmpDataPath={run.work}/vmagent", "-promscrape.eurekaSDCheckInterval=1s"]

    def sees(run):
        meta = "__meta_eureka_app_"
        targets = json.loads(lib.request(f"http://127.0.0.1:{run.port.number}/api/v1/targets?state=active"))["data"]["activeTargets"]
        shown = [target["discoveredLabels"] for target in targets]
        return {
            f"{one['__address__']}={one[f'{meta}instance_metadata_color']}" for one in shown
            if one[f"{meta}name"] == run.watched.upper() and one[f"{meta}instance_status"] == "UP"
        }
    return Row(name="vmagent", what="VictoriaMetrics vmagent", version=version, newest=("go", module), command=command, sees=sees, lacks={
        **{step: "it only reads" for step in course.Course.STEPS if step not in READING}})


# What `compat/clients/run` checks without --all: where its version is pinned, and by which words.
CORE = {
    "python": ("py-eureka-client", "python/run", r"py-eureka-client==([\d.]+)", ("pypi", "py-eureka-client")),
    "node": ("eureka-js-client", "node/run", r"eureka-js-client@([\d.]+)", ("npm", "eureka-js-client")),
    "go": ("hudl/fargo, in XML and in JSON", "go/go.mod", r"hudl/fargo (v[\d.]+)", ("go", "github.com/hudl/fargo")),
    "prometheus": ("Prometheus", None, "Debian's", None),
    "jersey": ("Netflix's clients on Jersey 3, one of them for replication", "jersey/pom.xml", r"<eureka.version>([\d.]+)",
               ("maven", "com.netflix.eureka:eureka-client")),
    "spring": ("Spring Boot 3.5 and 4.0, also while the registry loses its memory", "spring/run", r"spring_application ([\d.]+)",
               ("maven", "org.springframework.boot:spring-boot")),
    "admin": ("Spring Boot Admin", "admin/pom.xml", r"<admin.version>([\d.]+)", ("maven", "de.codecentric:spring-boot-admin-server")),
}


def core(binary):
    """The checks of `compat/clients/run` as rows."""
    def row(name):
        what, file, pattern, asked = CORE[name]
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
    return [row(name) for name in CORE]


def table(programs):
    """All rows, in the order in which they are played."""
    http = "com.netflix.discovery.shared.transport."
    boot = "org.springframework.cloud.netflix.eureka.http."
    boots = lambda *arguments, **more: spring(programs, *arguments, **more)
    no_jersey = lambda run: ["--eureka.client.jersey.enabled=false"]
    return [
        boots("1.5", "boot15", " (Jersey 1, Ribbon)", profiles=("jaxb",), loads=f"{http}jersey.JerseyApplicationClient"),
        boots("2.1", "boot21", " (Jersey 1, Ribbon)", profiles=("jaxb",), loads=f"{http}jersey.JerseyApplicationClient"),
        boots("2.3", "boot23", " (Jersey 1, Ribbon)", profiles=("jaxb",), loads=f"{http}jersey.JerseyApplicationClient"),
        boots("2.7", "boot27", " (RestTemplate)", loads=f"{boot}RestTemplateEurekaHttpClient"),
        boots("3.5", "boot35", " (RestTemplate)", options=no_jersey, loads=f"{boot}RestTemplateEurekaHttpClient"),
        boots("4.0", "boot40", " (RestClient)", loads=f"{boot}RestClientEurekaHttpClient"),
        boots("4.1", "boot41", " (RestClient)", loads=f"{boot}RestClientEurekaHttpClient"),
        boots("3.5", "jersey35", " with Jersey 3", profiles=("jersey3",), loads=f"{http}jersey3.Jersey3ApplicationClient"),
        boots("3.5", "restclient35", " with RestClient", loads=f"{boot}RestClientEurekaHttpClient",
              options=lambda run: [*no_jersey(run), "--eureka.client.restclient.enabled=true"]),
        boots("3.5", "webclient35", " with WebClient", profiles=("webclient",), loads=f"{boot}WebClientEurekaHttpClient",
              options=lambda run: [*no_jersey(run), "--eureka.client.webclient.enabled=true"]),
        boots("4.1", "webclient41", " with WebClient", profiles=("webclient",), loads=f"{boot}WebClientEurekaHttpClient",
              options=lambda run: ["--eureka.client.webclient.enabled=true"]),
        boots("2.3", "tls23", ", TLS and users in URLs", profiles=("jaxb",), secured=True, jvm=trusting_jvm),
        boots("3.5", "tls35", ", TLS and users in URLs", secured=True, options=trusting),
        boots("4.1", "tls41", ", TLS and users in URLs", secured=True, options=trusting),
        boots("2.3", "zones23", ", its own zone dead", profiles=("jaxb",), options=zones, lacks=DEAD_ZONE),
        boots("3.5", "zones35", ", its own zone dead", options=zones, lacks=DEAD_ZONE),
        boots("4.1", "zones41", ", its own zone dead", options=zones, lacks=DEAD_ZONE),
        boots("3.5", "gateway35", ", Gateway with the discovery locator", gateway=True, options=locator, call_path="/{watched}/"),
        boots("4.1", "gateway41", ", Gateway with the discovery locator", gateway=True, options=locator, call_path="/{watched}/"),
        boots("3.5", "feign35", ", Feign", profiles=("feign",)),
        boots("4.1", "feign41", ", Feign", profiles=("feign",)),
        boots("3.5", "config35", ", configured by a config server", profiles=("config",), options=configured,
              play=with_config_server(programs, "3.5")),
        boots("4.1", "config41", ", configured by a config server", profiles=("config",), options=configured,
              play=with_config_server(programs, "4.1")),
        node(programs, "eureka-js-client", lacks=NO_SPRING),
        node(programs, "@rocketsoftware/eureka-js-client", lacks=NO_SPRING),
        node(programs, "eureka-node-client", lacks=NO_SPRING),
        node(programs, "eureka-nodejs-client", lacks={
            "clean": LOGS_404,
            **NO_SPRING, **{step: "it hands out one instance at a time, by chance" for step in ("added", "removed")}}),
        python(programs, "py-eureka-client", lacks={**NO_SPRING, "clean": LOGS_404}),
        python(programs, "py-eureka-client", "-async", lacks={**NO_SPRING, "clean": LOGS_404}),
        python(programs, "pyeureka", lacks=NO_SPRING),
        python(programs, "flask-eureka-client", lacks={**NO_SPRING, **{step: "it only registers" for step in READING}}),
        jvm(programs, "micronaut", "Micronaut", "MicronautClient", micronaut, lacks={"health": "its health is told once, at its start"}),
        jvm(programs, "stork", "SmallRye Stork", "StorkClient", lambda run: [run.watched.upper(), *map(str, run.replicas.address(0))],
            lacks={step: "it only reads" for step in course.Course.STEPS if step not in (*READING, "clean")}),
        jvm(programs, "armeria", "Armeria", "ArmeriaClient",
            lambda run: [run.app, run.id, str(run.port.number), run.watched, f"{run.replicas.urls()[0]}v2"],
            lacks={"health": NO_SPRING["health"], "changed": "its endpoints have no metadata"}),
        jvm(programs, "helidon", "Helidon", "HelidonClient", lambda run: (), jvm=helidon, home=NEWER_JAVA,
            lacks={**NO_SPRING, **{step: "it only registers" for step in READING}}),
        rust(programs, "rust-eureka", lacks={
            **NO_SPRING, **{step: "it has no heartbeats" for step in ("renews", "again")}}),
        rust(programs, "eureka-client", interval=30, call_path=None, lacks={
            "health": NO_SPRING["health"],
            **{step: "it shows no list; what it does with it is call" for step in READING},
            **{step: "it is UP by an override of its own, and only once" for step in ("overridden", "again")}}),
        vmagent(programs),
        replay("apisix", "Apache APISIX", "0bf938d2", lacks={
            step: "it only reads" for step in course.Course.STEPS if step not in (*READING, "clean")}),
        replay("steeltoe3", "Steeltoe 3", "07e06df6", lacks=NO_SPRING),
        replay("steeltoe4", "Steeltoe 4", "037047be", lacks=NO_SPRING),
        Row("hazelcast", "hazelcast-eureka", MAVEN["hazelcast"][1], ("maven", MAVEN["hazelcast"][0]), play=hazelcast_members(programs)),
    ]
