"""The table of clients: each in one row, with the steps that it does not have, and why."""

import kinds


def table(made):
    """All rows, in the order in which they are played."""
    http = "com.netflix.discovery.shared.transport."
    boot = "org.springframework.cloud.netflix.eureka.http."
    boots = lambda *arguments, **more: kinds.spring(made, *arguments, **more)
    jvm = lambda *arguments, **more: kinds.jvm(made, *arguments, **more)
    dead_zone = {"options": kinds.zones, "lacks": kinds.DEAD_ZONE, "tells": (kinds.REFUSED,)}
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
        boots("4.1", "webclient41", " with WebClient", profiles=("webclient", "webclient4"), loads=f"{boot}WebClientEurekaHttpClient",
              options=lambda run: ["--eureka.client.webclient.enabled=true"]),
        boots("2.3", "tls23", ", TLS and users in URLs", profiles=("jaxb",), secured=True, jvm=kinds.trusting_jvm),
        boots("3.5", "tls35", ", TLS and users in URLs", secured=True, options=kinds.trusting),
        boots("4.1", "tls41", ", TLS and users in URLs", secured=True, options=kinds.trusting),
        boots("2.3", "zones23", ", its own zone dead", profiles=("jaxb",), **dead_zone),
        boots("3.5", "zones35", ", its own zone dead", **dead_zone),
        boots("4.1", "zones41", ", its own zone dead", **dead_zone),
        boots("3.5", "gateway35", ", Gateway with the discovery locator", gateway=True, options=kinds.locator, call_path="/{watched}/"),
        boots("4.1", "gateway41", ", Gateway with the discovery locator", gateway=True, options=kinds.locator, call_path="/{watched}/"),
        boots("3.5", "feign35", ", Feign", profiles=("feign",)),
        boots("4.1", "feign41", ", Feign", profiles=("feign",)),
        boots("3.5", "config35", ", configured by a config server", profiles=("config",), options=kinds.configured,
              pinned="3.5 config", play=kinds.with_config_server(made, "3.5 config")),
        boots("4.1", "config41", ", configured by a config server", profiles=("config",), options=kinds.configured,
              play=kinds.with_config_server(made, "4.1")),
        kinds.node(made, "eureka-js-client", lacks=kinds.NO_SPRING),
        kinds.node(made, "@rocketsoftware/eureka-js-client", lacks=kinds.NO_SPRING),
        kinds.node(made, "eureka-node-client", lacks=kinds.NO_SPRING),
        kinds.node(made, "eureka-nodejs-client", lacks={
            "clean": kinds.LOGS_404,
            **kinds.NO_SPRING, **dict.fromkeys(("added", "removed"), "it hands out one instance at a time, by chance")}),
        kinds.python(made, "py-eureka-client", lacks={**kinds.NO_SPRING, "clean": kinds.LOGS_404}),
        kinds.python(made, "py-eureka-client", "-async", lacks={**kinds.NO_SPRING, "clean": kinds.LOGS_404}),
        kinds.python(made, "pyeureka", lacks=kinds.NO_SPRING),
        kinds.python(made, "flask-eureka-client", lacks={**kinds.NO_SPRING, **dict.fromkeys(kinds.READING, "it only registers")}),
        jvm("micronaut", "Micronaut", "MicronautClient", kinds.micronaut, id="127.0.0.1:{name}:{port}",
            lacks={"health": "its health is told once, at its start"}),
        jvm("stork", "SmallRye Stork", "StorkClient", lambda run: [run.watched.upper(), *map(str, run.replicas.address(0))],
            lacks={**kinds.ONLY_READS, "changed": "its instances have no metadata"}),
        jvm("armeria", "Armeria", "ArmeriaClient",
            lambda run: [run.app, run.id, str(run.port.number), run.watched, f"{run.replicas.urls()[0]}v2"],
            lacks={"health": kinds.NO_SPRING["health"], "changed": "its endpoints have no metadata"}),
        jvm("helidon", "Helidon", "HelidonClient", lambda run: (), jvm=kinds.helidon, least=21,
            lacks={**kinds.NO_SPRING, **dict.fromkeys(kinds.READING, "it only registers")}),
        kinds.rust(made, "rust-eureka", lacks={
            **kinds.NO_SPRING, **dict.fromkeys(("renews", "again"), "it has no heartbeats"),
            **dict.fromkeys(kinds.READING, "it refuses answers that have an instanceId, as almost all have")}),
        kinds.rust(made, "eureka-client", interval=30, call_path=None, lacks={
            "health": kinds.NO_SPRING["health"],
            **dict.fromkeys(kinds.READING, "it shows no list; what it does with it is call"),
            **dict.fromkeys(("overridden", "again"), "it is UP by an override of its own, and only once")}),
        kinds.vmagent(made),
        kinds.replay("apisix", "Apache APISIX", lacks=kinds.ONLY_READS),
        kinds.replay("steeltoe3", "Steeltoe 3", lacks=kinds.NO_SPRING),
        kinds.replay("steeltoe4", "Steeltoe 4", lacks=kinds.NO_SPRING),
        kinds.hazelcast(made),
    ]
