"""A secured registry, seen by curl, openssl, Spring and peers. The scenarios are at the end, in `main`.

It is one long file, because each check is a few lines that need the same servers, certificates and users.
"""

import base64
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import lib

BINARY, WORK, SPRING = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
PKI = WORK / "pki"
# Every character with a meaning in a URL or a header, except the colon, which Spring's client cannot handle.
SECRET = "p@ss!w/rd?#%&+"
READS = "only:reads"
HASHED = "{bcrypt}$2b$10$abcdefghijklmnopqrstuuMwP0KmcXt6JkFbHYoMlCwdwhHKyI1lm"  # good-password
USERS = [
    "--spring.security.user.name=eureka",
    f"--spring.security.user.password={{noop}}{SECRET}",
    "--registry.security.users[0].name=reader",
    f"--registry.security.users[0].password={READS}",
    "--registry.security.users[0].roles=READ_ONLY",
    "--registry.security.users[1].name=hashed",
    f"--registry.security.users[1].password={HASHED}",
]
EUREKA = f"eureka:{SECRET}"
READER = f"reader:{READS}"
INSTANCE = lib.instance("ORDERS", "o-1").decode()

passed = failed = 0


def check(holds, what, more=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    print(f"  {'ok' if holds else 'FAIL'}: {what}{'' if holds else f' {more}'}", flush=True)


def eventually(what, holds, seconds=60):
    try:
        lib.until(what, holds, seconds)
        check(True, what)
    except TimeoutError as error:
        check(False, what, error)


def certificate(name, trust="ca", client_auth="none"):
    return [
        f"--server.ssl.certificate={PKI / name}.crt",
        f"--server.ssl.certificate-private-key={PKI / name}.key",
        f"--server.ssl.trust-certificate={PKI / trust}.crt",
        f"--server.ssl.client-auth={client_auth}",
    ]


class Registry:
    """The binary under test, until the block ends."""

    started = 0

    def __init__(self, *arguments, port=0):
        Registry.started += 1
        self.log = WORK / f"registry-{Registry.started}.log"
        everything = [BINARY, "--server.address=127.0.0.1", f"--server.port={port}", "--registry.shutdown.lame-duck=0"]
        # Debug level for all parts: no secret is logged at any level.
        everything += ["--logging.level.root=debug", "--registry.sync.timeout=1s", *arguments]
        with self.log.open("w") as out:
            self.process = subprocess.Popen(everything, stdout=out, stderr=subprocess.STDOUT, cwd=WORK)
        self.url, self.scheme, self.port = self.told(r"listening on ((https?)://127\.0\.0\.1:(\d+))")

    def told(self, pattern):
        """Waits for a whole line of the log, and returns the groups of the pattern."""
        def look():
            assert self.process.poll() is None, self.logged()
            return re.search(rf"{pattern}\b.*\n", self.logged())

        return lib.until(f"{pattern} in {self.log}", look, 60).groups()

    def logged(self):
        return self.log.read_text()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lived = self.process.poll() is None
        lib.end(self.process, 20)
        if not lived or "panicked" in self.logged():
            check(False, "it lives to the end", self.logged()[-2000:])

    def curl(self, path, *arguments, user=None, method="GET", body=None, authority="ca"):
        """The status, the headers and the body; of a connection that does not come about, 0 and curl's exit code."""
        line = ["curl", "-s", "-i", "--path-as-is", "--max-time", "15", "-X", method, f"{self.url}{path}", "--noproxy", "*"]
        if method == "HEAD":
            line = [part for part in line if part not in ("-X", "HEAD")] + ["-I"]
        if self.scheme == "https":
            line += ["--cacert", str(PKI / f"{authority}.crt")]
        if user:
            line += ["-u", user]
        if body is not None:
            line += ["-H", "Content-Type: application/json", "--data-binary", body]
        done = subprocess.run([*line, *arguments], capture_output=True, timeout=30, check=False)
        if done.returncode:
            return 0, str(done.returncode), ""
        head, _, content = done.stdout.decode(errors="replace").partition("\r\n\r\n")
        return int(head.split()[1]), head.lower(), content

    def status(self, path, *arguments, **more):
        return self.curl(path, *arguments, **more)[0]

    def register(self, *arguments, user=EUREKA):
        return self.status("/eureka/apps/ORDERS", *arguments, method="POST", body=INSTANCE, user=user)


def users(registry):
    for user, name in [(EUREKA, "{noop}"), (READER, "plain"), ("hashed:good-password", "{bcrypt}")]:
        check(registry.status("/eureka/apps", user=user) == 200, f"a user whose password is {name} comes in")
    encoded = registry.url.replace("://", f"://eureka:{quote(SECRET, safe='')}@")
    done = subprocess.run(
        ["curl", "-s", "--noproxy", "*", "--cacert", PKI / "ca.crt", "-o", "/dev/null", "-w", "%{http_code}", f"{encoded}/eureka/apps"],
        capture_output=True, check=False,
    )
    check(done.stdout == b"200", "user and password in the URL, its reserved characters encoded", done.stdout)
    for user in (None, "eureka:wrong", "nobody:wrong", f"hashed:{SECRET}", "eureka:", f"reader:{SECRET}"):
        for method, path in [
            ("GET", "/eureka/apps"),
            ("HEAD", "/eureka/apps"),
            ("OPTIONS", "/eureka/apps"),
            ("DELETE", "/eureka/apps/ORDERS/o-1"),
        ]:
            status, head, _ = registry.curl(path, method=method, user=user)
            holds = status == 401 and "www-authenticate: basic" in head
            if not holds or (method, user) == ("GET", user):
                check(holds, f"{method} as {user and user.split(':')[0]} with a wrong password: 401 and a challenge", head)
    check(registry.register() == 204, "a user with write access registers")
    for method, path in [
        ("POST", "/eureka/apps/ORDERS"),
        ("PUT", "/eureka/apps/ORDERS/o-1"),
        ("PUT", "/eureka/apps/ORDERS/o-1/status?value=DOWN"),
        ("DELETE", "/eureka/apps/ORDERS/o-1"),
    ]:
        status = registry.status(path, method=method, user=READER, body=INSTANCE if method == "POST" else None)
        check(status == 403, f"READ_ONLY: {method} {path} is 403", status)
    header = "X-Eureka-Registry-Newcomer: http://registry-1.registry:8761/eureka/"
    check(registry.status("/eureka/apps", "-H", header, user=READER) == 403, "READ_ONLY announces no replica")


def ways_round(registry):
    """Spellings of paths by which a client without a password might get past the open page."""
    check(registry.status("/actuator/health") == 200, "the probes' page is open")
    for path in [
        "//actuator/health/..%2f..%2feureka/apps",
        "/actuator/health/../../eureka/apps",
        "/actuator/health/%2e%2e/prometheus",
        "/actuator/health;/../../eureka/apps",
        "/actuator/health/..;/..;/eureka/apps",
        "/%65ureka/apps",
        "//eureka/apps",
        "/./eureka/apps",
        "/eureka/%61pps",
        "/EUREKA/apps",
        "/eureka/apps/..%2f..%2factuator/health",
        "/eureka/apps?/actuator/health",
        "/eureka/apps%23/actuator/health",
        "/actuator/healthy",
        "/actuator/prometheus",
        "/actuator",
        "/",
        "/eureka/peerreplication/batch/",
        "/eureka/%70eerreplication/batch/",
    ]:
        status, _, body = registry.curl(path)
        check(status in (401, 404, 400) and "application" not in body, f"GET {path} without a password: {status}", body[:200])
    absolute = registry.curl("/x", "--request-target", f"{registry.url}/eureka/apps")[0]
    check(absolute == 401, "a whole URL as the request's target", absolute)
    override = registry.status(
        "/actuator/health",
        "-H",
        "X-Original-URL: /eureka/apps",
        "-H",
        "X-Rewrite-URL: /eureka/apps",
        "-H",
        "X-HTTP-Method-Override: DELETE",
    )
    check(override == 200, "headers rewrite nothing", override)


def smuggling(registry):
    """Two lengths in one request: a proxy in front may believe the other."""
    context = ssl.create_default_context(cafile=PKI / "ca.crt")
    basic = base64.b64encode(EUREKA.encode()).decode()
    head = f"PUT /eureka/apps/ORDERS/o-1 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\n"
    behind = f"DELETE /eureka/apps/ORDERS/o-1 HTTP/1.1\r\nHost: smuggled\r\nAuthorization: Basic {basic}\r\n\r\n"
    for what, lengths in [
        ("Content-Length and Transfer-Encoding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("Transfer-Encoding and Content-Length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        ("two Content-Lengths", "Content-Length: 0\r\nContent-Length: 5\r\n\r\n"),
        ("a Transfer-Encoding that is none", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        ("a folded header", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    ]:
        with (
            socket.create_connection(("127.0.0.1", registry.port), 10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall((head + lengths + behind).encode())
            tls.settimeout(10)
            answers = b""
            try:
                while part := tls.recv(65536):
                    answers += part
                    if answers.count(b"HTTP/1.1 ") > 1:
                        break
            except (TimeoutError, OSError):
                pass
        statuses = re.findall(rb"HTTP/1\.1 (\d+)", answers)
        check(len(statuses) == 1, f"{what}: one answer, and the connection is closed", statuses)
    check(registry.status("/eureka/apps/ORDERS/o-1", user=EUREKA) == 200, "nothing was smuggled")


def protocols(registry):
    def spoken(*arguments):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{registry.port}", "-CAfile", PKI / "ca.crt", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
        )
        return "Cipher is (NONE)" not in done.stdout.decode() and "BEGIN CERTIFICATE" in done.stdout.decode()

    weakest = ("-cipher", "ALL:@SECLEVEL=0")
    for version, wanted in [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)]:
        arguments = (version,) if version == "-tls1_3" else (version, *weakest)
        check(spoken(*arguments) == wanted, f"openssl s_client {version} is {'served' if wanted else 'refused'}")
    for ciphers in ("NULL:@SECLEVEL=0", "kRSA:@SECLEVEL=0", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "ADH:@SECLEVEL=0"):
        check(not spoken("-tls1_2", "-cipher", ciphers), f"the ciphers {ciphers.split(':')[0]} are refused")
    done = subprocess.run(
        ["curl", "-s", "--noproxy", "*", "--max-time", "10", registry.url.replace("https", "http")], capture_output=True, check=False
    )
    check(done.returncode != 0, "plain HTTP on the port of TLS comes to nothing", done.stdout)
    check(registry.status("/actuator/health") == 200, "and harms nobody")


def pages(registry):
    _, head, _ = registry.curl("/actuator/health")
    for wanted in (
        "content-security-policy: default-src 'self'",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "referrer-policy:",
        "strict-transport-security: max-age=",
    ):
        check(wanted in head, f"pages say {wanted}", head)
    path = "/eureka/apps/ORDERS/o-1/status?value=OUT_OF_SERVICE"
    for header in ("Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"):
        check(registry.status(path, "-H", header, method="PUT", user=EUREKA) == 403, f"a page of another site ({header}) changes nothing")
    check(registry.status("/eureka/apps", "-H", "Origin: https://evil.example", user=EUREKA) == 200, "it may look, if its browser lets it")
    answered = registry.curl("/eureka/apps", "-H", "Origin: https://evil.example", user=EUREKA)[1]
    check("access-control-allow" not in answered, "and no answer tells a browser to let it")
    check('"UP"' in registry.curl("/eureka/apps/ORDERS/o-1", "-H", "Accept: application/json", user=EUREKA)[2], "nothing was changed")
    check(
        registry.status(path.replace("OUT_OF_SERVICE", "UP"), "-H", f"Origin: {registry.url}", method="PUT", user=EUREKA) == 200,
        "a page of its own may",
    )


def clients_refuse():
    """curl's errors for a registry with a wrong certificate."""
    for name in ("expired", "another-authority", "another-host", "self-signed"):
        with Registry(*certificate(name)) as registry:
            status, code, _ = registry.curl("/actuator/health")
            check((status, code) == (0, "60"), f"curl refuses a certificate that is {name}", (status, code))


def serial(registry):
    pem = ssl.get_server_certificate(("127.0.0.1", registry.port))
    return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=pem.encode(), capture_output=True, check=True).stdout.strip()


def renewal():
    """A certificate is replaced as a mounted Secret is, and once by a broken file."""
    for kind in ("crt", "key"):
        shutil.copy(PKI / f"good.{kind}", PKI / f"served.{kind}")

    def replace(name):
        for kind in ("crt", "key"):
            shutil.copy(PKI / f"{name}.{kind}", PKI / f"next.{kind}")
            os.replace(PKI / f"next.{kind}", PKI / f"served.{kind}")

    with Registry(*certificate("served")) as registry:
        first = serial(registry)
        replace("renewed")
        eventually("a renewed certificate is served without a restart", lambda: serial(registry) != first)
        second = serial(registry)
        # A certificate may have been seen before its key.
        complaints = lambda: registry.logged().count("cannot use the new certificates")
        before = complaints()
        (PKI / "served.crt").write_text("-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n")
        eventually("a broken one is complained of", lambda: complaints() > before)
        check(serial(registry) == second, "and the old one stays")
        replace("good")
        eventually("a good one after it is served", lambda: serial(registry) == first)
        check(registry.status("/actuator/health") == 200, "curl believes it")


def peer_arguments(own, other_port, user="eureka", scheme="https"):
    return [
        f"--eureka.client.service-url.defaultZone={scheme}://{user}:{quote(SECRET, safe='')}@127.0.0.1:{other_port}/eureka/",
        "--eureka.client.register-with-eureka=false",
    ]


def good_peers():
    """Two replicas by TLS, each with the password in the other's URL, certificates required."""
    for client_auth in ("want", "need"):
        reserved = lib.ReservedPort(), lib.ReservedPort()
        ports = [port.number for port in reserved]
        common = [*USERS, *certificate("good", client_auth=client_auth), "--registry.security.peers-need-certificate=true"]
        own = ("--cert", str(PKI / "good.crt"), "--key", str(PKI / "good.key"))
        with (
            Registry(*common, *peer_arguments(0, ports[1]), port=ports[0]) as one,
            Registry(*common, *peer_arguments(1, ports[0]), port=ports[1]) as other,
        ):
            check(one.register(*own) == 204, f"client-auth={client_auth}: a client with a certificate and a password registers")
            eventually("its registration is at the peer", lambda: other.status("/eureka/apps/ORDERS/o-1", *own, user=READER) == 200)
            batch = {"method": "POST", "body": '{"replicationList":[]}', "user": EUREKA}
            check(other.status("/eureka/peerreplication/batch/", *own, **batch) == 200, "a peer with both replicates")
            check(other.status("/eureka/peerreplication/batch/", *own, **{**batch, "user": READER}) == 403, "a read-only user does not")
            for bad in ("another-authority", "expired"):
                wrong = ("--cert", str(PKI / f"{bad}.crt"), "--key", str(PKI / f"{bad}.key"))
                check(other.status("/eureka/apps", *wrong, user=EUREKA) == 0, f"a client's certificate that is {bad} is refused")
            if client_auth == "need":
                check(other.status("/eureka/apps", user=EUREKA) == 0, "without a certificate nobody comes in")
            else:
                check(other.status("/eureka/apps", user=EUREKA) == 200, "without a certificate clients come in")
                check(other.status("/eureka/peerreplication/batch/", **batch) == 403, "and do not replicate")
                header = ("-H", "X-Netflix-Discovery-Replication: true")
                check(other.status("/eureka/apps/ORDERS/o-1", *header, method="DELETE", user=EUREKA) == 403, "nor by the single calls")
            secrets_stay(one, other)


def bad_peers():
    """A replica sends nothing to a peer with a bad certificate, nor to one that refuses its own."""
    shown = {
        "expired": "the certificate of 127.0.0.1 has expired",
        "another-authority": "an authority that is not trusted",
        "another-host": "certificate not valid for 127.0.0.1",
        "self-signed": "CA:TRUE|an authority that is not trusted",
    }
    refused = {"expired": r"AlertReceived\(CertificateExpired\)", "another-authority": r"AlertReceived\(UnknownCA\)"}
    cases = [(name, why, certificate(name), certificate("good")) for name, why in shown.items()]
    cases += [(f"own {name}", why, certificate("good", client_auth="need"), certificate(name)) for name, why in refused.items()]
    for name, why, of_peer, own in cases:
        with Registry(*of_peer) as peer, Registry(*own, *peer_arguments(0, peer.port)) as registry:
            with_certificate = ("--cert", str(PKI / "good.crt"), "--key", str(PKI / "good.key"), "-k")
            check(registry.register("-k", user=None) == 204, f"a peer, {name}: it registers here")
            eventually(f"a peer, {name}: the call fails, and the log says why", lambda: re.search(why, registry.logged()))
            status = peer.status("/eureka/apps/ORDERS/o-1", *with_certificate)
            check(status == 404, f"a peer, {name}: it was told nothing", status)
            replicas = registry.curl("/eureka/status", "-k", "-H", "Accept: application/json")[2]
            unavailable = json.loads(replicas)["applicationStats"]["unavailable-replicas"]
            check(peer.port in unavailable, f"a peer, {name}: it is not available", replicas)


def management():
    management_port = ("--management.server.port=0", "--management.server.address=127.0.0.1")
    with Registry(*USERS, *certificate("good", client_auth="need"), *management_port) as registry:
        [url] = registry.told(r"answering /actuator on (http://127\.0\.0\.1:\d+)")

        def plain(path, *arguments):
            done = subprocess.run(
                ["curl", "-s", "--noproxy", "*", "-o", "/dev/null", "-w", "%{http_code}", *arguments, f"{url}{path}"],
                capture_output=True,
                check=False,
            )
            return int(done.stdout)

        check(plain("/actuator/health/readiness") == 200, "management.server.port: probes need neither TLS nor a password")
        check(plain("/actuator/prometheus") == 401 and plain("/actuator/prometheus", "-u", READER) == 200, "scrapers need a password")
        check(plain("/eureka/apps", "-u", EUREKA) == 404, "Eureka is not there")
        check(registry.status("/actuator/health") == 0, "and TLS asks for a certificate as before")


def open_paths():
    with Registry(*USERS, "--registry.security.open-paths=/actuator/health,/eureka/apps/**") as registry:
        wanted = {
            "/actuator/health": 200,
            "/actuator/health/liveness": 401,
            "/eureka/apps": 200,
            "/eureka/apps/delta": 200,
            "/eureka/appsx": 401,
            "/eureka/status": 401,
        }
        found = {path: registry.status(path) for path in wanted}
        check(found == wanted, "open paths are as they are configured", found)


def rate_limit():
    limits = ["--eureka.server.rate-limiter-burst-size=2", "--eureka.server.rate-limiter-full-fetch-average-rate=1"]
    with Registry(*limits) as registry:
        statuses = {registry.status("/eureka/apps") for _ in range(10)}
        check(statuses == {200}, "without rate-limiter-enabled nobody is refused", statuses)
    with Registry(
        *limits, "--eureka.server.rate-limiter-enabled=true", "--eureka.server.rate-limiter-privileged-clients=batch"
    ) as registry:
        check(registry.status("/eureka/apps") == 200, "with it, who fetches is answered")
        eventually("who fetches too much is refused", lambda: registry.status("/eureka/apps") == 503)
        for name in ("DefaultClient", "batch"):
            statuses = {registry.status("/eureka/apps", "-H", f"DiscoveryIdentity-Name: {name}") for _ in range(10)}
            check(statuses == {200}, f"{name} is privileged", statuses)
        check({registry.register(user=None) for _ in range(10)} == {204}, "registrations are never refused")


def spring_client(registry):
    """A Spring Boot application, the user and the password in its URL, and a truststore."""
    def start(name, password):
        url = registry.url.replace("://", f"://eureka:{quote(password, safe='')}@").replace("127.0.0.1", "localhost")
        log = (WORK / f"{name}.log").open("w")
        return subprocess.Popen(
            [
                "java",
                "-Xmx160m",
                "-XX:TieredStopAtLevel=1",
                "-jar",
                SPRING,
                "--server.port=0",
                f"--spring.application.name={name}",
                f"--eureka.instance.instance-id={name}:1",
                "--eureka.instance.hostname=127.0.0.1",
                f"--eureka.client.service-url.defaultZone={url}/eureka/",
                "--eureka.client.tls.enabled=true",
                f"--eureka.client.tls.trust-store=file:{PKI / 'truststore.p12'}",
                "--eureka.client.tls.trust-store-type=PKCS12",
                "--eureka.client.tls.trust-store-password=truststore",
                f"--watch={name}",
                "--eureka.client.registry-fetch-interval-seconds=1",
                "--eureka.instance.lease-renewal-interval-in-seconds=1",
                "--eureka.client.initial-instance-info-replication-interval-seconds=1",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def logged(name):
        return (WORK / f"{name}.log").read_text()

    applications = [start("secured", SECRET), start("wrong", "wrong")]
    try:
        eventually(
            "a Spring Boot application registers by HTTPS with its password",
            lambda: registry.status("/eureka/apps/SECURED/secured:1", user=READER) == 200,
            120,
        )
        eventually("and fetches", lambda: "SEES secured [secured:1" in logged("secured"), 60)
        eventually(
            "one with a wrong password is refused", lambda: re.search(r"was unable to|Cannot execute request|401", logged("wrong")), 120
        )
        check(registry.status("/eureka/apps/WRONG/wrong:1", user=READER) == 404, "and is not registered")
    finally:
        for application in applications:
            application.terminate()
        for application in applications:
            application.wait(60)


def secrets_stay(*registries):
    """No password, in whatever spelling, in a log or on a page."""
    spellings = {SECRET, quote(SECRET, safe=""), READS, "good-password", HASHED.partition("}")[2]}
    spellings |= {base64.b64encode(user.encode()).decode() for user in (EUREKA, READER, "hashed:good-password")}
    for registry in registries:
        texts = {"the log": registry.logged()}
        own = ("--cert", str(PKI / "good.crt"), "--key", str(PKI / "good.key"))
        for path in (
            "/actuator",
            "/actuator/health",
            "/actuator/info",
            "/actuator/prometheus",
            "/eureka/status",
            "/",
            "/lastn",
            "/api/v1/overview",
            "/api/v1/peers",
        ):
            texts[path] = "".join(registry.curl(path, *own, user=EUREKA)[1:])
        told = [(where, spelling) for where, text in texts.items() for spelling in spellings if spelling in text]
        check(not told, "no secret is in the log or on a page", told)


def messages():
    """The messages of the process about right and wrong settings."""
    url = f"http://eureka:{quote(SECRET, safe='')}@127.0.0.1:1/eureka/"
    for what, arguments in [
        ("check-config", ["check-config", *USERS, f"--eureka.client.service-url.defaultZone={url}"]),
        ("a bad password", ["--spring.security.user.password={bcrypt}" + SECRET]),
        ("forgotten dashes", [f"spring.security.user.password={SECRET}"]),
        ("a misspelt key", ["check-config", f"--spring.security.user.pasword={SECRET}", "--server.port=many"]),
        ("an unknown key", ["check-config", f"--registry.security.user.password={SECRET}"]),
        ("a bad URL", [f"--eureka.client.service-url.defaultZone=nonsense://eureka:{quote(SECRET, safe='')}@:/", "--server.port=many"]),
    ]:
        done = subprocess.run([BINARY, *arguments], capture_output=True, timeout=20, check=False, cwd=WORK)
        said = (done.stdout + done.stderr).decode()
        told = [spelling for spelling in (SECRET, quote(SECRET, safe=""), READS, HASHED) if spelling in said]
        check(said and not told, f"{what}: it says no secret", said)


def main():
    with Registry(*USERS, *certificate("good")) as registry:
        for scenario in (users, ways_round, smuggling, protocols, pages, spring_client, secrets_stay):
            print(f" {scenario.__name__}", flush=True)
            scenario(registry)
    for scenario in (clients_refuse, renewal, good_peers, bad_peers, management, open_paths, rate_limit, messages):
        print(f" {scenario.__name__}", flush=True)
        scenario()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
