//! What is wrong with settings, or to be said of them.

use std::borrow::Cow;

use thiserror::Error;

/// Why the settings cannot be read. The process ends with code 64 and has started nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A value that is none of its key's.
    #[error("{key}={value} ({origin}): expected {expected}")]
    Invalid {
        /// The key, as it was written.
        key: String,
        /// The value, as it was found; a secret's is not shown.
        value: String,
        /// Where it was found.
        origin: String,
        /// What would have been understood.
        expected: &'static str,
    },
    /// A key that needs another one.
    #[error("{given} is set, but {wanted} is not")]
    Missing {
        /// What is there.
        given: &'static str,
        /// What has to be there with it.
        wanted: &'static str,
    },
    /// A file that cannot be read, or is no YAML.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A placeholder for which there is no value, in a key that is read.
    #[error("{key} ({origin}): there is no value for {name}, and no default")]
    Placeholder {
        /// The key, as it was written.
        key: String,
        /// What it asks for, as it was written.
        name: String,
        /// Where it stands.
        origin: String,
    },
    /// A Java key store, which only Java reads.
    #[error("{key} ({origin}): certificates are read from PEM files; {CONVERSION}")]
    KeyStore {
        /// The key as it was written.
        key: String,
        /// Where it was found.
        origin: String,
    },
    /// A key that closes something in a Java server, which this server cannot do.
    #[error("{key} ({origin}): {why}. To start without it, set it to nothing")]
    Protection {
        /// The key as it was written.
        key: String,
        /// Where it was found.
        origin: String,
        /// What would stay open.
        why: &'static str,
    },
    /// Users that nobody would hear of.
    #[error(
        "{origin}: {key} would not be read, as in Spring Cloud since 2020.0: move it to application.yml, or set spring.cloud.bootstrap.enabled=true"
    )]
    Bootstrap {
        /// The key as it was written.
        key: String,
        /// Where it was found.
        origin: String,
    },
    /// An argument that is no `--key=value`.
    #[error("argument {0}: expected --key=value, check-config, migrate-check, smoke-test, health, --help or --version")]
    Argument(String),
}

/// How a key store becomes PEM files.
const CONVERSION: &str = "convert a key store by `openssl pkcs12 -in store.p12 -nodes -out tls.pem` (a JKS one first by \
     `keytool -importkeystore -srckeystore store.jks -destkeystore store.p12 -deststoretype pkcs12`) and name it in \
     server.ssl.certificate and server.ssl.certificate-private-key";

/// Something to say of the settings that keeps nothing from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The key as it was written.
    pub key: String,
    /// Where it was found.
    pub origin: String,
    /// What is to be said of it.
    pub what: Unheeded,
}

/// Why a key has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheeded {
    /// It has none here, and nothing is lost: why.
    Harmless(Cow<'static, str>),
    /// Something is lost that a Java server does: what.
    Missing(Cow<'static, str>),
    /// Nobody knows it; perhaps the known one that is spelt most like it is meant.
    Unknown(Option<&'static str>),
}

impl Unheeded {
    /// Whether somebody should do something about it.
    pub fn is_warning(&self) -> bool {
        !matches!(self, Self::Harmless(_))
    }

    /// What is to be said of it, in words.
    pub fn words(&self) -> Cow<'_, str> {
        match self {
            Self::Harmless(why) | Self::Missing(why) => Cow::Borrowed(why),
            Self::Unknown(Some(nearest)) => Cow::Owned(format!("unknown; is {nearest} meant?")),
            Self::Unknown(None) => Cow::Borrowed("unknown"),
        }
    }
}
