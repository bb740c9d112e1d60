//! [`Password`]: a password as Spring Security writes it.

use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;

/// A password, as a configuration has it (`DelegatingPasswordEncoder`): plain, `{noop}plain`, `{bcrypt}$2a$…`, or a bare
/// bcrypt hash.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// In plain text.
    Plain(String),
    /// Its bcrypt hash.
    Bcrypt(String),
}

impl Password {
    /// Whether `typed` is it. For a bcrypt hash that takes a tenth of a second, on purpose.
    pub(super) fn matches(&self, typed: &str) -> bool {
        match self {
            Self::Plain(password) => password.as_bytes().ct_eq(typed.as_bytes()).into(),
            Self::Bcrypt(hash) => bcrypt::verify(typed, hash).unwrap_or(false),
        }
    }

    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Bcrypt(_))
    }

    /// The cost of its hash, if it has one: each step doubles the time.
    pub(super) fn cost(&self) -> Option<u32> {
        match self {
            Self::Plain(_) => None,
            Self::Bcrypt(hash) => hash.parse().map(|hash: bcrypt::HashParts| hash.get_cost()).ok(),
        }
    }
}

impl FromStr for Password {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bcrypt = |hash: &str| match hash.parse::<bcrypt::HashParts>() {
            Ok(_) => Ok(Self::Bcrypt(hash.to_owned())),
            Err(_) => Err("a bcrypt hash after {bcrypt}"),
        };
        match text.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some(("noop", plain)) => Ok(Self::Plain(plain.to_owned())),
            Some(("bcrypt", hash)) => bcrypt(hash),
            Some(_) => Err("a password that is plain, {noop} or {bcrypt}"),
            None => bcrypt(text).or_else(|_plain| Ok(Self::Plain(text.to_owned()))),
        }
    }
}

/// A password is never logged.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_one_is_understood() {
        let hash = bcrypt::hash("secret", 4).unwrap();
        for written in ["secret", "{noop}secret", &hash, &format!("{{bcrypt}}{hash}")] {
            let password: Password = written.parse().unwrap();
            assert!(password.matches("secret"), "{written}");
            assert!(!password.matches("Secret"), "{written}");
            assert!(!password.matches(""), "{written}");
            assert_eq!(format!("{password:?}"), "******");
        }
        assert!("{bcrypt}secret".parse::<Password>().is_err());
        assert!("{pbkdf2}0123".parse::<Password>().is_err());
    }
}
