"""Every version that is pinned, by what it is asked for at its registry. Those of compat/clients/run are pinned in its checks."""

BOOTS = {  # Spring Boot and the release of Spring Cloud that goes with it
    "1.5": ("1.5.22.RELEASE", "Edgware.SR6"),
    "2.1": ("2.1.18.RELEASE", "Greenwich.SR6"),
    "2.3": ("2.3.12.RELEASE", "Hoxton.SR12"),
    "2.7": ("2.7.18", "2021.0.9"),
    "3.5": ("3.5.16", "2025.0.3"),
    "4.0": ("4.0.9", "2025.1.4"),
    "4.1": ("4.1.2", "2025.1.4"),
    # The config modules of 2025.0.3 are not served here.
    "3.5 config": ("3.5.7", "2025.0.0"),
}
# What is pinned of npm and of PyPI.
NODE = {
    "@rocketsoftware/eureka-js-client": "4.5.9", "eureka-js-client": "4.5.0", "eureka-node-client": "1.0.9",
    "eureka-nodejs-client": "1.0.7",
}
PYTHON = {"py-eureka-client": "0.13.3", "pyeureka": "2021.5.12.0", "flask-eureka-client": "1.0.2"}
# What is pinned of Maven Central, beside Spring.
MAVEN = {
    "micronaut": ("io.micronaut.platform:micronaut-platform", "4.10.8"), "stork": ("io.smallrye.stork:stork-core", "2.7.9"),
    "armeria": ("com.linecorp.armeria:armeria-eureka", "1.33.1"),
    "helidon": ("io.helidon.integrations.eureka:helidon-integrations-eureka", "4.2.3"),
    "hazelcast": ("com.hazelcast:hazelcast-eureka-one", "2.0.1"),
}
# What is pinned of crates.io and of the Go module proxy.
RUST = {"rust-eureka": "0.2.0", "eureka-client": "0.0.4"}
VICTORIA_METRICS = ("github.com/VictoriaMetrics/VictoriaMetrics", "v1.151.0")
# Which commits the replays follow.
REPLAYS = {"apisix": "0bf938d2", "steeltoe3": "07e06df6", "steeltoe4": "037047be"}
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
# What was looked for and is not played, and why.
NOT_PLAYED = {
    "Spring Cloud 2026.0, a candidate": "Maven Central has none: its list of spring-cloud-dependencies ends with 2025.1.4",
    "Spring Boot 4.1 with Jersey": "Netflix's transport is for Jersey 3, and Spring Boot 4.1 brings Jersey 4",
    "Telegraf": "it has no Eureka client: the word is not in the source of 1.37.2",
    "Steeltoe and Apache APISIX themselves": "they need .NET and OpenResty; their requests are replayed",
    "Go clients but for hudl/fargo": "the Go module proxy does not serve ArthurHlt/go-eureka-client, xuanbo/eureka-client, st3v/go-eureka, "
                                     "HikoQiu/go-eureka-client, kitex-contrib/registry-eureka and hertz-contrib/registry/eureka",
    "Helidon 4.5": "its Eureka module is served up to 4.2.3",
}
