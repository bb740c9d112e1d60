//! [`Users`]: who may come in, and what was found out of it already.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::RwLock;
use ring::hmac;
use ring::rand::SystemRandom;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Semaphore;

use super::Password;

/// So many credentials are remembered; there are not that many good ones but where passwords change often.
const REMEMBERED: usize = 1000;
/// So many passwords are hashed at a time: each takes a tenth of a second of a processor, and heartbeats want one, too.
const HASHED_AT_A_TIME: usize = 1;

/// Somebody who may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Password,
    /// The roles. `READ_ONLY` may only read; any other may do everything.
    pub roles: Vec<String>,
}

impl User {
    /// Whether it may only read.
    pub fn is_read_only(&self) -> bool {
        self.roles.iter().any(|role| role.trim_start_matches("ROLE_").eq_ignore_ascii_case("READ_ONLY"))
    }
}

/// Everybody who may come in.
#[derive(Debug)]
pub(crate) struct Users {
    users: Arc<Vec<User>>,
    /// Credentials that were good, by their HMAC under a key of this process: what a dump of the memory shows is no password,
    /// and a heartbeat does not pay for bcrypt.
    good: RwLock<HashMap<[u8; 32], usize>>,
    key: hmac::Key,
    hashing: Semaphore,
}

impl Users {
    pub(crate) fn new(users: Vec<User>) -> Self {
        #[expect(clippy::expect_used, reason = "without random numbers nothing here is safe")]
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("the system has random numbers");
        Self { users: Arc::new(users), good: RwLock::default(), key, hashing: Semaphore::new(HASHED_AT_A_TIME) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whose credentials a request has.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Option<&User> {
        let sent = headers.get(AUTHORIZATION)?.as_bytes();
        let tag = self.tag(sent);
        if let Some(user) = self.good.read().get(&tag) {
            return self.users.get(*user);
        }
        let (name, typed) = credentials(sent)?;
        let user = self.verify(name, typed).await?;
        let mut good = self.good.write();
        if good.len() >= REMEMBERED {
            good.clear();
        }
        good.insert(tag, user);
        self.users.get(user)
    }

    fn tag(&self, sent: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.key, sent).as_ref());
        tag
    }

    /// The user of this name, if the password is right. A name that nobody has takes as long as one that somebody has.
    async fn verify(&self, name: String, typed: String) -> Option<usize> {
        let (found, known) = self.find(&name);
        let password = self.users.get(found)?.password.clone();
        let right = if password.is_slow() {
            let _turn = self.hashing.acquire().await.ok()?;
            tokio::task::spawn_blocking(move || password.matches(&typed)).await.ok()?
        } else {
            password.matches(&typed)
        };
        (right && known).then_some(found)
    }

    /// The place of the user of this name, or of somebody else, and which of it is the case; without a branch on either.
    fn find(&self, name: &str) -> (usize, bool) {
        let (mut found, mut known) = (0_u64, Choice::from(0));
        for (place, user) in self.users.iter().enumerate() {
            let same = user.name.as_bytes().ct_eq(name.as_bytes());
            found = u64::conditional_select(&found, &(place as u64), same);
            known |= same;
        }
        (usize::try_from(found).unwrap_or_default(), known.into())
    }
}

fn credentials(sent: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = std::str::from_utf8(sent).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())])
    }

    fn basic(name: &str, password: &str) -> HeaderMap {
        header(&format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
    }

    fn user(name: &str, password: &str, role: &str) -> User {
        User { name: name.to_owned(), password: password.parse().unwrap(), roles: vec![role.to_owned()] }
    }

    #[tokio::test]
    async fn only_the_right_password_of_the_right_name_lets_in() {
        let hashed = bcrypt::hash("b", 4).unwrap();
        let users = Users::new(vec![user("a", "a", "ADMIN"), user("b", &hashed, "ROLE_READ_ONLY")]);
        for _first_and_remembered in 0..2 {
            assert_eq!(users.authenticate(&basic("a", "a")).await.map(|user| user.name.as_str()), Some("a"));
            assert!(users.authenticate(&basic("b", "b")).await.is_some_and(User::is_read_only));
            for (name, password) in [("a", "b"), ("b", "a"), ("", ""), ("c", "a"), ("a", ""), ("a", "a ")] {
                assert!(users.authenticate(&basic(name, password)).await.is_none(), "{name}:{password}");
            }
        }
        assert_eq!(users.good.read().len(), 2);
        for odd in ["Basic", "Basic !", "Bearer YTph", "basic YTph ", "Basic YQ=="] {
            assert_eq!(users.authenticate(&header(odd)).await.is_some(), odd == "basic YTph ", "{odd}");
        }
        assert!(users.authenticate(&HeaderMap::new()).await.is_none());
    }
}
