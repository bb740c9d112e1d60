//! Server.

use super::key::{Group, Key};
use crate::config::values::{
    address, boolean, connections, context_path, data_size, forward_headers, parsed, put, some_time, time_or_never,
};
use crate::http::security::ForwardHeaders;

/// Server.
pub(super) const GROUP: Group = Group {
    title: "Server",
    keys: &[
        Key {
            name: "server.port",
            default: "8761",
            meaning: "Port to listen on. 0 takes a free port and logs which.",
            set: |draft, value| put(&mut draft.settings.server.port, parsed(value, "a port from 0 to 65535")),
        },
        Key {
            name: "server.address",
            default: "",
            meaning: "Address to listen on, or a host name that resolves to it. Default: all addresses, IPv4 and IPv6.",
            set: |draft, value| put(&mut draft.settings.server.address, address(value).map(Some)),
        },
        Key {
            name: "server.servlet.context-path",
            default: "",
            meaning: "Prefix of every path, for example `/registry`.",
            set: |draft, value| put(&mut draft.settings.http.context_path, context_path(value)),
        },
        Key {
            name: "server.forward-headers-strategy",
            default: "none",
            meaning: "Which headers of a proxy are trusted, for the client addresses that are logged and shown, and for links: `none`, `native` (`X-Forwarded-For`, `-Proto`, `-Host` and `-Port`, if the proxies have private addresses, as in Tomcat) or `framework` (`Forwarded`, or these and `X-Forwarded-Prefix`, whoever sent them).",
            set: |draft, value| put(&mut draft.settings.http.security.forward_headers, forward_headers(value)),
        },
        Key {
            name: "server.tomcat.max-connections",
            default: "",
            meaning: "Maximum open connections, `-1` for no limit. Without it, as many as memory and open files allow: about 6,200 at 128 MiB, a third of that with TLS; the log says it at the start. At the limit, a new connection replaces an idle one of the client address that holds the most.",
            set: |draft, value| put(&mut draft.settings.server.max_connections, connections(value).map(Some)),
        },
        Key {
            name: "server.tomcat.keep-alive-timeout",
            default: "120s",
            meaning: "Maximum idle time of a connection between two requests. It should be longer than any client's heartbeat interval.",
            set: |draft, value| put(&mut draft.settings.server.keep_alive_timeout, time_or_never(value)),
        },
        Key {
            name: "server.use-forward-headers",
            default: "",
            meaning: "Spring Boot 1's name for `server.forward-headers-strategy`: `true` is `native`.",
            set: |draft, value| {
                let strategy = boolean(value).map(|on| if on { ForwardHeaders::Native } else { ForwardHeaders::None });
                put(&mut draft.settings.http.security.forward_headers, strategy)
            },
        },
        Key {
            name: "eureka.dashboard.enabled",
            default: "true",
            meaning: "Serve the pages `/` and `/lastn`.",
            set: |draft, value| put(&mut draft.settings.http.dashboard.enabled, boolean(value)),
        },
        Key {
            name: "eureka.dashboard.path",
            default: "/",
            meaning: "Path of these pages, below the context path.",
            set: |draft, value| put(&mut draft.settings.http.dashboard.path, context_path(value)),
        },
        Key {
            name: "registry.http.max-body-size",
            default: "10485760",
            meaning: "Maximum size of a request body, inflated if it is compressed: bytes, or for example `10MB`.",
            set: |draft, value| put(&mut draft.settings.http.max_body_bytes, data_size(value)),
        },
        Key {
            name: "registry.http.header-timeout",
            default: "10s",
            meaning: "Maximum time for the request headers to arrive, and for the first request of a new connection to begin.",
            set: |draft, value| put(&mut draft.settings.server.request_header_timeout, time_or_never(value)),
        },
        Key {
            name: "registry.http.body-timeout",
            default: "20s",
            meaning: "Close a request or response that transfers less than 500 bytes per second for this long.",
            set: |draft, value| put(&mut draft.settings.server.request_body_timeout, some_time(value)),
        },
        Key {
            name: "registry.connection.max-age",
            default: "10m",
            meaning: "Maximum age of a connection, give or take a tenth. An older one is closed with its next answer, so that load evens out after a rollout.",
            set: |draft, value| put(&mut draft.settings.server.connection_max_age, some_time(value)),
        },
    ],
};
