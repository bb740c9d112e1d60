"""Small configurations, and where this server differs from Spring, with the reason."""

from dataclasses import dataclass, field


@dataclass
class Case:
    name: str
    files: dict[str, str | bytes] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    args: list[str] = field(default_factory=list)
    # The differences by key, with the reason. The key `refused` stands for a start that only one of the two refuses.
    differs: dict[str, str] = field(default_factory=dict)
    # The same, for older versions of Spring Boot only.
    older: dict[str, str] = field(default_factory=dict)


def yaml(name, text, **more):
    return Case(name, {"application.yml": text, **more.pop("files", {})}, **more)


def properties(name, text, **more):
    return Case(name, {"application.properties": text}, **more)


ID = "eureka.instance.instance-id"
CIRCULAR = "Spring refuses a placeholder that stands for itself; ours has its default"
LITERAL = "Spring leaves a placeholder without a value as a text, which becomes a host name or a password; ours refuses it"
MAVEN = "SnakeYAML refuses what Maven was to fill in; in keys that nobody reads ours lets it be"
OLD = "Spring Boot since 2.4 refuses the older name of on-profile; ours reads it"
BARE = "an argument without a value is `true` here, and nothing there"

CASES = [
    yaml("port", "server.port: 9000\n"),
    yaml(
        "nested", "server:\n  port: 9001\neureka:\n  server:\n    enableSelfPreservation: false\n    eviction-interval-timer-in-ms: 4000\n"
    ),
    yaml("camel and snake", "eureka:\n  server: {disable_delta: true, responseCacheUpdateIntervalMs: 1000}\n"),
    properties("properties", "server.port=9000\neureka.server.disableDelta=true\n"),
    properties("escapes", "eureka.client.serviceUrl.defaultZone=http\\://a\\:1/eureka/\n" + ID + "=caf\\u00e9 \\\n   x\n"),
    properties("separators", "server.port 9000\neureka.instance.hostname:h\n" + ID + " = a=b:c\n!x\n"),
    Case("latin-1", {"application.properties": ID.encode() + b"=caf\xe9\n"}),
    properties(
        "documents", "server.port=1\n#---\nspring.config.activate.on-profile=x\nserver.port=2\n", args=["--spring.profiles.active=x"]
    ),
    Case(
        "properties over yml over yaml",
        {
            "application.properties": "server.port=1\n",
            "application.yml": "server.port: 2\neureka.instance.hostname: b\n",
            "application.yaml": "server.port: 3\neureka.instance.hostname: c\n",
        },
    ),
    Case("config over working directory", {"application.yml": "server.port: 1\n", "config/application.yml": "server.port: 2\n"}),
    Case("directories of config", {"config/application.yml": "server.port: 2\n", "config/a/application.yml": "server.port: 3\n"}),
    yaml("env over file", "server.port: 1\n", env={"SERVER_PORT": "2"}),
    Case("env spellings", env={"EUREKA_SERVER_ENABLESELFPRESERVATION": "false", "EUREKA_SERVER_DISABLE_DELTA": "true"}),
    Case("env list", env={"MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_0": "health", "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE_1": "info"}),
    Case("json", env={"SPRING_APPLICATION_JSON": '{"server": {"port": 5}, "eureka.server.disable-delta": true}', "SERVER_PORT": "4"}),
    yaml(
        "args over all",
        "server.port: 1\n",
        env={"SERVER_PORT": "2", "SPRING_APPLICATION_JSON": '{"server.port": 3}'},
        args=["--server.port=4"],
    ),
    Case("system properties over env", env={"SERVER_PORT": "2", "JDK_JAVA_OPTIONS": "-Dserver.port=3 -Deureka.instance.hostname=h"}),
    Case("JAVA_TOOL_OPTIONS", env={"JAVA_TOOL_OPTIONS": "-Dspring.profiles.active=x"}, files={"application-x.yml": "server.port: 7\n"}),
    Case("bare argument", args=["--eureka.server.disable-delta"], differs={"eureka.server.disable-delta": BARE}),
    yaml("placeholder with default", "server.port: ${PORT:8123}\n"),
    yaml("placeholder of env", "server.port: ${PORT:8123}\n", env={"PORT": "8124"}),
    yaml("placeholder named like its key", "server.port: ${SERVER_PORT:8761}\n"),
    yaml("placeholder that is its key", "server.port: ${server.port:8761}\n", differs={"refused": CIRCULAR}),
    yaml("placeholder in capitals does not find a file's key", "management.server.port: ${SERVER_PORT:9}\nserver.port: 8\n"),
    yaml("placeholder finds env by dots", "eureka.instance.hostname: ${pod.name}.x\n", env={"POD_NAME": "r-0"}),
    yaml("nested placeholders", "eureka.instance.hostname: ${A:${B:c}}\n", env={"B": "b"}),
    yaml("placeholder in a name", "eureka.instance.hostname: ${HOST_${N}}\n", env={"N": "1", "HOST_1": "h"}),
    yaml("placeholder default with colons", "eureka.client.service-url.defaultZone: ${P:http://a:1/eureka/}\n"),
    yaml("placeholder of user.home", ID + ": ${user.home}/x\n", env={"HOME": "/root"}),
    yaml("unresolved in a key that is read", "eureka.instance.hostname: ${NOBODY}\n", differs={"refused": LITERAL}),
    yaml("unresolved in a key that nobody reads", "other.key: ${NOBODY}\nserver.port: 1\n"),
    yaml("dollar in env", ID + ": ${PW}\n", env={"PW": "pa$$w{or}d${x}"}),
    yaml("maven in a key that nobody reads", "info.version: @project.version@\nserver.port: 1\n", differs={"refused": MAVEN}),
    yaml("profiles active in file", "spring.profiles.active: prod\n", files={"application-prod.yml": "server.port: 3\n"}),
    yaml(
        "profiles by placeholder",
        "spring.profiles.active: ${STAGE:dev}\n",
        env={"STAGE": "prod"},
        files={"application-prod.yml": "server.port: 3\n"},
    ),
    yaml(
        "two profiles, later wins",
        "x: 1\n",
        env={"SPRING_PROFILES_ACTIVE": "a,b"},
        files={"application-a.yml": "server.port: 1\n", "application-b.yml": "server.port: 2\n"},
    ),
    yaml("include and group", "spring.profiles: {active: p, include: c, group: {p: [q, r]}}\n"),
    yaml("include without active", "spring.profiles.include: c\n"),
    yaml("default profile", "server.port: 1\n---\nspring.config.activate.on-profile: default\nserver.port: 2\n"),
    yaml(
        "on-profile expression",
        "server.port: 1\n---\nspring.config.activate.on-profile: a & !b\nserver.port: 2\n",
        args=["--spring.profiles.active=a"],
    ),
    yaml(
        "on-profile by placeholder",
        "server.port: 1\n---\nspring.config.activate.on-profile: ${MAIN}\nserver.port: 2\n",
        env={"MAIN": "a", "SPRING_PROFILES_ACTIVE": "a"},
    ),
    yaml(
        "old on-profile",
        "server.port: 1\n---\nspring.profiles: a\nserver.port: 2\n",
        args=["--spring.profiles.active=a"],
        differs={"refused": OLD},
    ),
    yaml(
        "cloud platform",
        "server.port: 1\n---\nspring.config.activate.on-cloud-platform: kubernetes\nserver.port: 2\n",
        env={"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"},
    ),
    yaml("not the cloud platform", "server.port: 1\n---\nspring.config.activate.on-cloud-platform: kubernetes\nserver.port: 2\n"),
    yaml("import wins over the file", "spring.config.import: more.yml\nserver.port: 1\n", files={"more.yml": "server.port: 2\n"}),
    yaml(
        "import with a profile of its own",
        "spring.config.import: more.yml\n",
        files={"more.yml": "server.port: 2\n", "more-p.yml": "server.port: 3\n"},
        args=["--spring.profiles.active=p"],
    ),
    Case(
        "import beside the importing file",
        {"config/application.yml": "spring.config.import: more.yml\n", "config/more.yml": "server.port: 2\n"},
    ),
    Case(
        "import by file: is of the working directory",
        {
            "config/application.yml": "spring.config.import: optional:file:./more.yml\n",
            "config/more.yml": "server.port: 2\n",
            "more.yml": "server.port: 3\n",
        },
    ),
    yaml("import of .env", "spring.config.import: optional:file:.env[.properties]\nserver.port: ${P:1}\n", files={".env": "P=2\n"}),
    yaml(
        "import of a tree",
        "spring.config.import: 'configtree:./secrets/'\n",
        files={"secrets/server/port": "4\n", "secrets/eureka.instance.hostname": "h"},
    ),
    Case("import of trees by env", {"t/a/server.port": "1", "t/b/server.port": "2"}, env={"SPRING_CONFIG_IMPORT": "configtree:./t/*/"}),
    Case("import by argument", {"a.yml": "server.port: 5\n"}, args=["--spring.config.import=file:./a.yml"]),
    yaml("import that is not there", "spring.config.import: file:./none.yml\n"),
    yaml(
        "optional import of a configuration server",
        "spring.config.import: 'optional:configserver:http://c'\nserver.port: 1\n",
    ),
    Case(
        "location of a file",
        {"application.yml": "server.port: 1\n", "etc/e.yml": "server.port: 2\n", "etc/e-p.yml": "eureka.instance.hostname: h\n"},
        args=["--spring.config.location=file:./etc/e.yml", "--spring.profiles.active=p"],
    ),
    Case(
        "additional location with a star",
        {"application.yml": "server.port: 1\n", "over/x/application.yml": "server.port: 2\n"},
        args=["--spring.config.additional-location=file:./over/*/"],
    ),
    Case(
        "groups of locations",
        {"a/application-p.yml": "server.port: 1\n", "b/application.yml": "server.port: 2\n"},
        args=["--spring.config.location=file:./a/;file:./b/", "--spring.profiles.active=p"],
    ),
    Case(
        "two locations",
        {"a/application-p.yml": "server.port: 1\n", "b/application.yml": "server.port: 2\n"},
        args=["--spring.config.location=file:./a/,file:./b/", "--spring.profiles.active=p"],
    ),
    Case(
        "name of the files", {"eureka.yml": "server.port: 3\n", "application.yml": "server.port: 1\n"}, args=["--spring.config.name=eureka"]
    ),
    Case("bootstrap is not read", {"bootstrap.yml": "server.port: 3\n"}),
    Case("bootstrap is read", {"bootstrap.yml": "server.port: 3\n"}, env={"SPRING_CLOUD_BOOTSTRAP_ENABLED": "true"}),
    yaml(
        "merge keys",
        "c: &c {enable-self-preservation: false, eviction-interval-timer-in-ms: 5000}\neureka.server: {<<: *c, disable-delta: true}\n",
    ),
    yaml("merge keys, own value wins", "c: &c {disable-delta: true}\neureka.server: {<<: *c, disable-delta: false}\n"),
    yaml(
        "numbers of yaml",
        "a: &p 0x10\nserver.port: *p\neureka.server.eviction-interval-timer-in-ms: 5_000\n"
        "eureka.server: {response-cache-update-interval-ms: 010, renewal-percent-threshold: 8.5e-1}\n"
        + ID
        + ": 1e3\n",
    ),
    yaml("base 60", ID + ": 1:30\n"),
    yaml("booleans of yaml", "eureka.server: {disable-delta: yes, enable-self-preservation: off}\n" + ID + ": on\n"),
    yaml("quoted is a text", ID + ": 'on'\neureka.instance.hostname: '0x10'\n"),
    yaml("duplicate key", "server.port: 1\nserver.port: 2\n"),
    yaml("empty documents", "---\n---\nserver.port: 1\n---\n"),
    yaml("nothing", "eureka.instance.hostname:\neureka.instance.appname: ~\n"),
    yaml("list as a block", "management.endpoints.web.exposure.include:\n  - health\n  - info\n"),
    yaml(
        "list of a higher source replaces",
        "management.endpoints.web.exposure.include: [health, info, env]\n",
        args=["--management.endpoints.web.exposure.include=health"],
    ),
    yaml("name with a space", "spring.application.name: Our Registry\n"),
    yaml(
        "zones",
        "eureka.client.service-url: {defaultZone: 'http://a:1/eureka/'}\n",
        env={"EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": "http://b:1/eureka/"},
    ),
    yaml("tabs", "server:\n\tport: 1\n"),
]


@dataclass
class Served:
    """A whole server and its answers: the path, the user and password or nothing, and the port."""

    name: str
    files: dict[str, str]
    asks: list[tuple[str, str | None, str]]
    differs: dict[str, str] = field(default_factory=dict)
    # The same of older versions of Spring Boot alone.
    older: dict[str, str] = field(default_factory=dict)


OPEN = (
    "spring.autoconfigure.exclude:\n"
    "- org.springframework.boot.autoconfigure.security.servlet.SecurityAutoConfiguration\n"
    "- org.springframework.boot.actuate.autoconfigure.security.servlet.ManagementWebSecurityAutoConfiguration\n"
)
USER = "spring.security.user: {name: admin, password: s3cret}\n"
MAIN, MANAGEMENT = "server", "management"

SERVED = [
    Served(
        "users",
        {"application.yml": USER},
        [
            ("/eureka/apps", None, MAIN),
            ("/eureka/apps", "admin:s3cret", MAIN),
            ("/eureka/apps", "admin:x", MAIN),
            ("/", "admin:s3cret", MAIN),
            ("/actuator/health", None, MAIN),
        ],
    ),
    Served(
        "a password with a prefix, in a profile",
        {
            "application.yml": "spring.profiles.active: secured\n",
            "application-secured.yml": "spring.security.user: {name: admin, password: '{noop}s3:cret', roles: [A, B]}\n",
        },
        [("/eureka/apps", None, MAIN), ("/eureka/apps", "admin:s3:cret", MAIN), ("/eureka/apps", "admin:{noop}s3:cret", MAIN)],
    ),
    Served(
        "an empty password",
        {"application.yml": "spring.security.user: {name: admin, password: '${PW:}'}\n"},
        [("/eureka/apps", "admin:", MAIN), ("/eureka/apps", None, MAIN)],
    ),
    Served(
        "no dashboard",
        {"application.yml": OPEN + "eureka.dashboard.enabled: false\n"},
        [("/", None, MAIN), ("/lastn", None, MAIN), ("/eureka/apps", None, MAIN)],
    ),
    Served(
        "a dashboard elsewhere",
        {"application.yml": OPEN + "eureka.dashboard.path: /page\n"},
        [("/", None, MAIN), ("/page", None, MAIN), ("/page/lastn", None, MAIN)],
        {"/page": "ours sends to the page with a slash, on which its links rest"},
    ),
    Served(
        "a context path",
        {"application.yml": OPEN + "server.servlet.context-path: /registry\n"},
        [
            ("/registry/", None, MAIN),
            ("/registry/eureka/apps", None, MAIN),
            ("/eureka/apps", None, MAIN),
            ("/registry/actuator/health", None, MAIN),
            ("/actuator/health", None, MAIN),
        ],
    ),
    Served(
        "endpoints",
        {
            "application.yml": OPEN
            + "management.endpoints.web: {base-path: /manage, path-mapping: {health: healthz}}\n"
            + "management.endpoints.web.exposure: {include: 'health,info', exclude: info}\n"
        },
        [
            ("/manage/healthz", None, MAIN),
            ("/manage/health", None, MAIN),
            ("/manage/info", None, MAIN),
            ("/actuator/health", None, MAIN),
            ("/manage", None, MAIN),
        ],
    ),
    Served(
        "no actuator",
        {"application.yml": OPEN + "management.server.port: -1\n"},
        [("/actuator/health", None, MAIN), ("/actuator", None, MAIN), ("/eureka/apps", None, MAIN)],
    ),
    Served(
        "a management port",
        {"application.yml": OPEN + "management.server: {port: 0, base-path: /m}\n"},
        [
            ("/actuator/health", None, MAIN),
            ("/m/actuator/health", None, MANAGEMENT),
            ("/eureka/apps", None, MANAGEMENT),
            ("/actuator/health", None, MANAGEMENT),
        ],
    ),
]
