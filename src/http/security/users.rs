//! [`Users`]: who may come in, and what was found out of it already.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::{Mutex, RwLock};
use ring::hmac;
use ring::rand::SystemRandom;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::Password;

/// Maximum number of remembered credentials. Only where passwords change often are there more good ones.
const REMEMBERED: usize = 1000;
/// How many passwords are hashed at a time: each takes a tenth of a second of a processor, and heartbeats need one, too.
const HASHED_AT_A_TIME: usize = 1;

/// How many requests of one address may wait for that; any more are answered 503.
const WAITING_OF_AN_ADDRESS: usize = 100;

/// Maximum number of characters of a user name that was tried in the log.
const LONGEST_NAME: usize = 100;

/// A user.
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

/// All users.
#[derive(Debug)]
pub(crate) struct Users {
    users: Vec<User>,
    /// Their names, in the same order, to be shared by what they do.
    names: Vec<Arc<str>>,
    /// Credentials that were good, by their HMAC under a key of this process: what a dump of the memory shows is no password,
    /// and a heartbeat does not pay for bcrypt.
    good: Remembered<usize>,
    /// The same of those that were wrong: a fleet that has an old password sends it with every heartbeat.
    wrong: Remembered<()>,
    key: hmac::Key,
    hashing: Turns,
    /// The index of the user whose password is slowest to check, if any password is slow to check.
    slowest: Option<usize>,
}

/// Why a user is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// No credentials, or wrong ones.
    Credentials,
    /// Too many of the same address wait to be checked.
    TooMany,
}

/// What was found out of credentials, by their HMAC.
type Remembered<T> = RwLock<HashMap<[u8; 32], T>>;

/// Whose password is hashed next. The requests of one address wait for each other, and the first of each address waits with that of
/// every other address: a client that guesses passwords by the thousand delays others no longer than one that guesses once.
#[derive(Debug)]
struct Turns {
    all: Semaphore,
    by_address: Mutex<HashMap<Option<IpAddr>, Arc<Semaphore>>>,
}

impl Turns {
    fn new() -> Self {
        Self { all: Semaphore::new(HASHED_AT_A_TIME), by_address: Mutex::default() }
    }

    async fn take(&self, address: Option<IpAddr>) -> Result<(OwnedSemaphorePermit, SemaphorePermit<'_>), Wrong> {
        let of_address = {
            let mut by_address = self.by_address.lock();
            by_address.retain(|_, waiting| Arc::strong_count(waiting) > 1);
            let of_address = by_address.entry(address).or_insert_with(|| Arc::new(Semaphore::new(1)));
            if Arc::strong_count(of_address) > WAITING_OF_AN_ADDRESS {
                return Err(Wrong::TooMany);
            }
            Arc::clone(of_address)
        };
        let closed = |_: AcquireError| Wrong::Credentials;
        let first_of_address = of_address.acquire_owned().await.map_err(closed)?;
        Ok((first_of_address, self.all.acquire().await.map_err(closed)?))
    }
}

impl Users {
    pub(crate) fn new(users: Vec<User>) -> Self {
        #[expect(clippy::expect_used, reason = "without random numbers nothing here is safe")]
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("the system has random numbers");
        let slow = users.iter().enumerate().filter_map(|(place, user)| Some((user.password.cost()?, place)));
        let slowest = slow.max().map(|(_, place)| place);
        Self {
            slowest,
            names: users.iter().map(|user| Arc::from(user.name.as_str())).collect(),
            users,
            good: RwLock::default(),
            wrong: RwLock::default(),
            key,
            hashing: Turns::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether the user of this name may do more than read. Of users with one name the last counts, as where they are let in.
    pub(crate) fn may_change(&self, name: &str) -> bool {
        self.users.iter().rfind(|user| user.name == name).is_some_and(|user| !user.is_read_only())
    }

    /// The name of the user whose credentials a request has. `address` is where its connection comes from: the passwords of one
    /// address wait for each other.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap, address: Option<IpAddr>) -> Result<Arc<str>, Wrong> {
        let sent = headers.get(AUTHORIZATION).ok_or(Wrong::Credentials)?.as_bytes();
        let tag = self.tag(sent);
        if let Some(user) = self.good.read().get(&tag) {
            return self.name(*user);
        }
        let (name, typed) = credentials(sent).ok_or(Wrong::Credentials)?;
        // Others may have sent the same while this one waited for its turn: then there is nothing to hash.
        let recall = || {
            let wrong = self.wrong.read().get(&tag).map(|()| None);
            wrong.or_else(|| self.good.read().get(&tag).map(|user| Some(*user)))
        };
        let user = self.verify(&name, typed, address, recall).await?;
        match user {
            Some(user) => remember(&self.good, tag, user),
            None => remember(&self.wrong, tag, ()),
        }
        user.ok_or(Wrong::Credentials).and_then(|user| self.name(user))
    }

    fn name(&self, user: usize) -> Result<Arc<str>, Wrong> {
        self.names.get(user).cloned().ok_or(Wrong::Credentials)
    }

    fn tag(&self, sent: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.key, sent).as_ref());
        tag
    }

    /// The user of this name, if the password is right. A wrong name takes as long as a wrong password, and one wrong password as
    /// long as another. `recall` is asked, before anything slow, whether it was found out meanwhile.
    async fn verify(
        &self,
        name: &str,
        typed: String,
        address: Option<IpAddr>,
        recall: impl Fn() -> Option<Option<usize>>,
    ) -> Result<Option<usize>, Wrong> {
        let (found, known) = self.find(name);
        let password = &self.users.get(found).ok_or(Wrong::Credentials)?.password;
        if !password.is_slow() && password.matches(&typed) && known {
            return Ok(Some(found));
        }
        let Some(slowest) = self.slowest else { return Ok(None) };
        let hashed = if known && password.is_slow() { found } else { slowest };
        let password = self.users.get(hashed).ok_or(Wrong::Credentials)?.password.clone();
        let _turn = self.hashing.take(address).await?;
        if let Some(found_out) = recall() {
            return Ok(found_out);
        }
        let right = tokio::task::spawn_blocking(move || password.matches(&typed)).await.unwrap_or(false);
        Ok((right && known && hashed == found).then_some(found))
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

fn remember<T>(kept: &Remembered<T>, tag: [u8; 32], what: T) {
    let mut kept = kept.write();
    if kept.len() >= REMEMBERED {
        kept.clear();
    }
    kept.insert(tag, what);
}

/// The name of the user that a request tries to be, for the log: as it was sent, but no longer than a name is.
pub(crate) fn tried(headers: &HeaderMap) -> Option<String> {
    let (name, _password) = credentials(headers.get(AUTHORIZATION)?.as_bytes()).unwrap_or_default();
    Some(name.chars().take(LONGEST_NAME).collect())
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
    use std::time::Duration;

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
    async fn what_was_wrong_is_not_hashed_again_and_who_guesses_waits_for_oneself() {
        let hashed = bcrypt::hash("b", 4).unwrap();
        let users = Users::new(vec![user("plain", "p", "ADMIN"), user("b", &hashed, "ADMIN")]);
        let from = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let guessing: Vec<_> = (0..20).map(|number| basic("b", &format!("guess {number}"))).collect();
        let guesses = guessing.iter().map(|guess| users.authenticate(guess, from(1)));
        let mut guesses = std::pin::pin!(futures_util::future::join_all(guesses));
        assert!(futures_util::poll!(&mut guesses).is_pending(), "all wait, one of them for the first turn");
        let good = basic("b", "b");
        let good = users.authenticate(&good, from(2));
        let (mut good, mut turns) = (std::pin::pin!(good), 0);
        let waits = async {
            while futures_util::poll!(&mut good).is_pending() {
                turns += usize::from(futures_util::poll!(&mut guesses).is_ready());
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waits).await.expect("its turn comes");
        assert_eq!(turns, 0, "it did not wait for all of them");
        assert!(guesses.await.iter().all(Result::is_err));
        assert!(users.hashing.by_address.lock().len() <= 2);

        let (name, wrong) = (basic("plain", "wrong"), users.wrong.read().len());
        for _twice in 0..2 {
            assert!(users.authenticate(&name, None).await.is_err());
            assert_eq!(users.wrong.read().len(), wrong + 1);
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_the_right_name_lets_in() {
        let hashed = bcrypt::hash("b", 4).unwrap();
        let users = Users::new(vec![user("a", "a", "ADMIN"), user("b", &hashed, "ROLE_READ_ONLY")]);
        for _first_and_remembered in 0..2 {
            assert_eq!(users.authenticate(&basic("a", "a"), None).await.as_deref(), Ok("a"));
            assert_eq!(users.authenticate(&basic("b", "b"), None).await.as_deref(), Ok("b"));
            for (name, password) in [("a", "b"), ("b", "a"), ("", ""), ("c", "a"), ("a", ""), ("a", "a ")] {
                assert!(users.authenticate(&basic(name, password), None).await.is_err(), "{name}:{password}");
            }
        }
        assert!(users.may_change("a") && !users.may_change("b") && !users.may_change("c"));
        let twice = Users::new(vec![user("a", "a", "ADMIN"), user("a", "b", "READ_ONLY")]);
        assert!(twice.authenticate(&basic("a", "b"), None).await.is_ok() && !twice.may_change("a"));
        assert_eq!(users.good.read().len(), 2);
        for odd in ["Basic", "Basic !", "Bearer YTph", "basic YTph ", "Basic YQ=="] {
            assert_eq!(users.authenticate(&header(odd), None).await.is_ok(), odd == "basic YTph ", "{odd}");
        }
        assert!(users.authenticate(&HeaderMap::new(), None).await.is_err());
    }
}
