//! Security.

use super::key::{Group, Key};
use crate::config::draft::{Draft, Written};
use crate::config::values::{boolean, client_auth, file, list, nobodys_password, open_paths, password, put, text};
use crate::http::security::Password;

/// Security.
pub(super) const GROUP: Group = Group {
    title: "Security",
    keys: &[
        Key {
            name: "spring.security.user.name",
            default: "",
            meaning: "Name of a user; `user` if there is only a password. If a password is set, every request needs a user.",
            set: |draft, value| put(&mut draft.users.user.name, text(value)),
        },
        Key {
            name: "spring.security.user.password",
            default: "",
            meaning: "Password: plain, `{noop}plain`, `{bcrypt}$2a$...`, or a bare bcrypt hash.",
            set: |draft, value| set_password(draft, value, |draft| &mut draft.users.user.password),
        },
        Key {
            name: "spring.security.user.roles",
            default: "",
            meaning: "Roles. `READ_ONLY` may only read; any other role, or none, may register and cancel. `PEER` may replicate, too; so may the user as whom this replica calls its peers.",
            set: |draft, value| put(&mut draft.users.user.roles, list(value)),
        },
        Key {
            name: "security.user.name",
            default: "",
            meaning: "Spring Boot 1's name for `spring.security.user.name`.",
            set: |draft, value| put(&mut draft.users.old.name, text(value)),
        },
        Key {
            name: "security.user.password",
            default: "",
            meaning: "Spring Boot 1's name for `spring.security.user.password`.",
            set: |draft, value| set_password(draft, value, |draft| &mut draft.users.old.password),
        },
        Key {
            name: "security.user.role",
            default: "",
            meaning: "Spring Boot 1's name for `spring.security.user.roles`.",
            set: |draft, value| put(&mut draft.users.old.roles, list(value)),
        },
        Key {
            name: "security.basic.enabled",
            default: "",
            meaning: "Spring Boot 1: `false` asks nobody for the user of `security.user.*`, `true` needs its password to be set.",
            set: |draft, value| put(&mut draft.users.basic_enabled, boolean(value).map(Some)),
        },
        Key {
            name: "security.require-ssl",
            default: "false",
            meaning: "Spring Boot 1: refuse to start without TLS.",
            set: |draft, value| put(&mut draft.users.require_tls, boolean(value)),
        },
        Key {
            name: "management.security.enabled",
            default: "",
            meaning: "Spring Boot 1: `false` opens the whole actuator, unless `registry.security.open-paths` says what is open.",
            set: |draft, value| put(&mut draft.users.management_enabled, boolean(value).map(Some)),
        },
        Key {
            name: "registry.security.open-paths",
            default: "/actuator/health/**",
            meaning: "Paths that need no user, comma separated: whole paths, or prefixes that end with `/**`. Default: the health.",
            set: |draft, value| put(&mut draft.users.open_paths, open_paths(value).map(Some)),
        },
        Key {
            name: "registry.security.peers-need-certificate",
            default: "false",
            meaning: "Let only peers with a client certificate replicate (needs `server.ssl.client-auth` `want` or `need`).",
            set: |draft, value| put(&mut draft.settings.http.security.peers_need_certificate, boolean(value)),
        },
        Key {
            name: "registry.security.peer-names",
            default: "",
            meaning: "Names (DNS or IP alternative names) of which a peer's certificate must have one, comma separated. Implies `registry.security.peers-need-certificate`. Default: any certificate of the authorities.",
            set: |draft, value| put(&mut draft.ssl.peer_names, list(value)),
        },
        Key {
            name: "registry.security.certificate-revocation-list",
            default: "",
            meaning: "PEM file with the revocation lists (CRL) of the authorities in `server.ssl.trust-certificate`, each of which needs one. Read again when it changes.",
            set: |draft, value| put(&mut draft.ssl.revoked, file(value).map(Some)),
        },
        Key {
            name: "registry.security.allowed-hosts",
            default: "",
            meaning: "More host names by which pages and `/api` may be asked for, comma separated; `*.example.com` for all below, `*` for any. Addresses, names without a dot, names of local domains and the registry's own names are always allowed. Default: without users only those; with users any.",
            set: |draft, value| put(&mut draft.settings.http.security.allowed_hosts.listed, list(value).map(Some)),
        },
        Key {
            name: "server.ssl.enabled",
            default: "",
            meaning: "Serve HTTPS instead of HTTP. Default: on if there is a certificate.",
            set: |draft, value| put(&mut draft.ssl.enabled, boolean(value).map(Some)),
        },
        Key {
            name: "server.ssl.certificate",
            default: "",
            meaning: "PEM file with the certificate and its intermediate certificates. It is read again when it changes.",
            set: |draft, value| put(&mut draft.ssl.certificate, file(value).map(Some)),
        },
        Key {
            name: "server.ssl.certificate-private-key",
            default: "",
            meaning: "PEM file with the private key.",
            set: |draft, value| put(&mut draft.ssl.private_key, file(value).map(Some)),
        },
        Key {
            name: "server.ssl.trust-certificate",
            default: "",
            meaning: "PEM file with the authorities by which certificates of clients and peers are verified.",
            set: |draft, value| put(&mut draft.ssl.trust, file(value).map(Some)),
        },
        Key {
            name: "server.ssl.enabled-protocols",
            default: "",
            meaning: "Versions of TLS. 1.2 and 1.3 are served; a list without one that is served ends the start.",
            set: set_protocols,
        },
        Key {
            name: "server.ssl.client-auth",
            default: "none",
            meaning: "Client certificates: `none`, `want` or `need`.",
            set: |draft, value| put(&mut draft.ssl.client_auth, client_auth(value)),
        },
        Key {
            name: "server.ssl.key-store",
            default: "",
            meaning: "A Java key store, which only Java reads: without `server.ssl.certificate`, it ends the start with the command that converts it. It has no effect while `server.ssl.enabled` is `false`.",
            set: |draft, value| put(&mut draft.ssl.key_store, key_store(draft.key.clone(), value)),
        },
        Key {
            name: "server.ssl.trust-store",
            default: "",
            meaning: "The same of `server.ssl.trust-certificate`, if clients are asked for certificates.",
            set: |draft, value| put(&mut draft.ssl.trust_store, key_store(draft.key.clone(), value)),
        },
        Key {
            name: "server.ssl.bundle",
            default: "",
            meaning: "Name of the `spring.ssl.bundle.pem.*` that has the certificates instead.",
            set: |draft, value| put(&mut draft.ssl.bundle, text(value).map(Some)),
        },
    ],
};

/// Takes a password. An empty one is nobody's, as in Spring: whoever has it is not let in.
pub(crate) fn set_password(
    draft: &mut Draft,
    value: &str,
    slot: impl FnOnce(&mut Draft) -> &mut Option<Password>,
) -> Result<(), &'static str> {
    let mut read = password(value)?;
    if read == Password::Plain(String::new()) {
        draft.warn("the password is empty: nobody is let in as this user, as in Spring");
        read = nobodys_password()?;
    }
    *slot(draft) = Some(read);
    Ok(())
}

/// `TLSv1.2,TLSv1.3`
fn set_protocols(draft: &mut Draft, value: &str) -> Result<(), &'static str> {
    let wanted = list(value)?;
    let names = |version: &str| wanted.iter().any(|one| one.eq_ignore_ascii_case(version));
    if !wanted.is_empty() && !names("TLSv1.2") {
        draft.ssl.protocols = Some(draft.key.clone());
    }
    Ok(())
}

fn key_store(key: Written, value: &str) -> Result<Option<Written>, &'static str> {
    Ok(if value.trim().is_empty() { None } else { Some(key) })
}
