//! `spring.*`, and `security.*` of Spring Boot 1.

use super::rule::Class::{Function, Harmless, Protection};
use super::rule::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule {
        class: Protection,
        why: "there is no login by OAuth 2 or SAML here, only users with passwords (spring.security.user.*, registry.security.users) and client certificates (server.ssl.client-auth)",
        keys: &[
            "spring.security.oauth2.resourceserver.*",
            "spring.security.oauth2.client.*",
            "spring.security.saml2.*",
            "security.oauth2.*",
            "spring.ldap.urls",
        ],
    },
    Rule {
        class: Function,
        why: "this is no authorization server",
        keys: &["spring.security.oauth2.authorizationserver.*"],
    },
    Rule {
        class: Harmless,
        why: "it orders Java's filters; here every request is checked before anything else",
        keys: &["spring.security.filter.*", "security.filter-*"],
    },
    Rule {
        class: Harmless,
        why: "there are no sessions, and every page forbids frames and scripts of others",
        keys: &["security.sessions", "security.headers.*", "security.enable-csrf", "security.basic.realm"],
    },
    Rule {
        class: Function,
        why: "if there is a user, every path but registry.security.open-paths asks for one",
        keys: &["security.ignored", "security.basic.path", "security.basic.authorize-mode"],
    },
    Rule {
        class: Function,
        why: "settings are read from no configuration server, and this is none",
        keys: &[
            "spring.cloud.config.uri",
            "spring.cloud.config.discovery.*",
            "spring.cloud.config.server.*",
            "spring.cloud.config.name",
            "spring.cloud.config.label",
            "spring.cloud.config.profile",
            "spring.cloud.consul.*",
            "spring.cloud.zookeeper.*",
            "spring.cloud.vault.*",
            "spring.cloud.kubernetes.config.*",
            "spring.cloud.kubernetes.secrets.*",
        ],
    },
    Rule {
        class: Function,
        why: "there is no Spring Boot Admin here; it can watch this server",
        keys: &["spring.boot.admin.*"],
    },
    Rule {
        class: Harmless,
        why: "it is for Java's start, classes and pages",
        keys: &[
            "spring.main.*",
            "spring.autoconfigure.*",
            "spring.aop.*",
            "spring.devtools.*",
            "spring.freemarker.*",
            "spring.http.*",
            "spring.jackson.*",
            "spring.jersey.*",
            "spring.jmx.*",
            "spring.mvc.*",
            "spring.output.*",
            "spring.resources.*",
            "spring.thymeleaf.*",
            "spring.web.*",
            "spring.cloud.*",
        ],
    },
];
