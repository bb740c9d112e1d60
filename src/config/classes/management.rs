//! `management.*`, and `endpoints.*` of Spring Boot 1.

use super::rule::Class::{Function, Harmless};
use super::rule::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        class: Function,
        why: "health has the groups liveness and readiness, and no others",
        keys: &["management.endpoint.health.group*"],
    },
    Rule {
        class: Function,
        why: "health answers 200 for UP and 503 for OUT_OF_SERVICE, always",
        keys: &["management.endpoint.health.status.*", "management.health.status.*"],
    },
    Rule {
        class: Harmless,
        why: "liveness and readiness are always there, and nothing else decides on the health",
        keys: &[
            "management.health.*",
            "management.endpoint.health.*",
            "management.endpoint.health.probes.enabled",
            "endpoints.health.*",
        ],
    },
    Rule {
        class: Function,
        why: "the actuator has configprops, env, health, info, loggers and prometheus, and no endpoint by which a process is stopped or looked into",
        keys: &["management.endpoint.shutdown.*", "endpoints.shutdown.*", "endpoints.jmx.*"],
    },
    Rule {
        class: Harmless,
        why: "the actuator has configprops, env, health, info, loggers and prometheus, and no other endpoint",
        keys: &[
            "management.endpoint.*",
            "management.auditevents.*",
            "management.httpexchanges.*",
            "management.trace.*",
            "endpoints.*",
        ],
    },
    Rule {
        class: Function,
        why: "pages of other sites may not read the actuator",
        keys: &["management.endpoints.web.cors.*"],
    },
    Rule {
        class: Harmless,
        why: "there is no JMX here, and JSON is written in one way",
        keys: &["management.endpoints.jmx.*", "management.endpoints.jackson*"],
    },
    Rule { class: Harmless, why: "info says what runs here and since when", keys: &["management.info.*", "info*"] },
    Rule {
        class: Function,
        why: "metrics have no labels of an operator's; Prometheus can add them when it scrapes",
        keys: &["management.metrics.tags*", "management.observations.key-values*"],
    },
    Rule {
        class: Harmless,
        why: "the metrics are this server's own (deploy/metrics.md), for prometheus to scrape",
        keys: &[
            "management.metrics.*",
            "management.observations.*",
            "management.prometheus.metrics.export.*",
            "management.metrics.export.prometheus.*",
            "management.simple.*",
            "management.metrics.export.simple.*",
        ],
    },
    Rule {
        class: Function,
        why: "metrics are scraped from the actuator's prometheus, and sent to no other system",
        keys: &[
            "management.metrics.export.*",
            "management.prometheus.metrics.export.pushgateway.*",
            "management.promethus.metrics.export.pushgateway.*",
            "management.appoptics.*",
            "management.atlas.*",
            "management.datadog.*",
            "management.dynatrace.*",
            "management.elastic.*",
            "management.ganglia.*",
            "management.graphite.*",
            "management.humio.*",
            "management.influx.*",
            "management.jmx.*",
            "management.kairos.*",
            "management.newrelic.*",
            "management.otlp.metrics.*",
            "management.signalfx.*",
            "management.stackdriver.*",
            "management.statsd.*",
            "management.wavefront.*",
        ],
    },
    Rule {
        class: Function,
        why: "there are no traces, and logs are sent to no other system",
        keys: &[
            "management.tracing.*",
            "management.zipkin.*",
            "management.otlp.*",
            "management.opentelemetry.*",
            "management.logging.export.*",
        ],
    },
    Rule {
        class: Harmless,
        why: "it is for Tomcat, Jetty or Undertow on the separate port, or for Cloud Foundry",
        keys: &[
            "management.server.tomcat.*",
            "management.server.jetty.*",
            "management.server.undertow.*",
            "management.server.accesslog.*",
            "management.server.add-application-context-header",
            "management.add-application-context-header",
            "management.cloudfoundry.*",
        ],
    },
    Rule {
        class: Function,
        why: "with a user, everybody may read the actuator",
        keys: &["management.security.roles", "management.security.sessions"],
    },
];
