//! [`Users`]: authenticates users, and remembers results.
//!
//! After the first login of a user since the start, the right password is accepted at once, whatever others send ([`Proofs`]).
//! Only the first login of a user with a bcrypt hash waits for the thread that hashes, and goes before guesses there
//! ([`Guesses`]). A wrong password gets the same answer, after the same work, whether the user exists or not.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use parking_lot::RwLock;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tracing::warn;

use super::guesses::{Charge, Guess, Guesses, Line, whole_seconds};
use super::hasher::Hasher;
use super::job::{Job, Verdict};
use super::proofs::{Proofs, Tag};
use super::user::User;
use crate::time::Timestamp;

/// Maximum number of remembered credentials: there are more right ones only if headers spell them in different ways.
const REMEMBERED: usize = 1000;

/// Maximum number of characters of an attempted user name in the log.
const LONGEST_NAME: usize = 100;

/// The number of bytes of a password that bcrypt looks at.
const BCRYPT_LENGTH: usize = 72;

/// All users.
#[derive(Debug)]
pub(crate) struct Users {
    users: Vec<User>,
    /// Their names, in the same order, shared by the callers of their requests.
    names: Vec<Arc<str>>,
    proofs: Arc<Proofs>,
    /// The tags of `Authorization` headers that were right, so that a heartbeat's is neither decoded nor compared.
    right: RwLock<HashMap<Tag, usize>>,
    guesses: Guesses,
    hasher: Hasher,
    /// The index of the user whose password is slowest to check, if any password is slow to check.
    slowest: Option<usize>,
}

/// Why a request is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// No credentials, or wrong ones.
    Credentials,
    /// The password is wrong or was not checked, after too many wrong ones from this address or for this user.
    TooMany {
        /// After how many seconds it may be tried again.
        retry_after: i64,
    },
}

/// The credentials of a request.
struct Sent {
    /// The tag of the name and the password, however the header spells them.
    tag: Tag,
    /// The index of its user, or of another one if there is none with this name.
    found: usize,
    is_known: bool,
    /// The tag of the password.
    password: Tag,
    guess: Guess,
}

impl Users {
    /// These users; `busy` is the maximum number of busy connections.
    pub(crate) fn new(users: Vec<User>, busy: usize) -> Self {
        let slow = users.iter().enumerate().filter_map(|(place, user)| Some((user.password.cost()?, place)));
        let slowest = slow.max().map(|(_, place)| place);
        let proofs = Arc::new(Proofs::new(&users));
        Self {
            slowest,
            names: users.iter().map(|user| Arc::from(user.name.as_str())).collect(),
            users,
            right: RwLock::default(),
            guesses: Guesses::new(),
            hasher: Hasher::new(&proofs, busy),
            proofs,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether the user with this name may do more than read. If a name is repeated, the last user counts, as for logins.
    pub(crate) fn may_change(&self, name: &str) -> bool {
        self.users.iter().rfind(|user| user.name == name).is_some_and(|user| !user.is_read_only())
    }

    /// Whether the user of this name has one of these roles.
    pub(crate) fn has_role(&self, name: &str, roles: &[String]) -> bool {
        let plain = |role: &str| role.trim_start_matches("ROLE_").to_ascii_uppercase();
        let of_user = self.users.iter().rfind(|user| user.name == name).map(|user| user.roles.as_slice());
        of_user.unwrap_or_default().iter().any(|own| roles.iter().any(|role| plain(role) == plain(own)))
    }

    /// The name of the user whose credentials a request has. `address` is where its connection comes from.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Arc<str>, Wrong> {
        let header = headers.get(AUTHORIZATION).ok_or(Wrong::Credentials)?.as_bytes();
        let tag = self.proofs.tag(header);
        let known = self.right.read().get(&tag).copied();
        if let Some(user) = known {
            return self.name(user);
        }
        let (name, typed) = credentials(header).ok_or(Wrong::Credentials)?;
        let sent = self.read(&name, &typed, address);
        let is_right = self.proofs.is_right(sent.found, &sent.password) & sent.is_known;
        if is_right || self.check(&sent, typed, now).await? {
            let mut right = self.right.write();
            if right.len() >= REMEMBERED {
                right.clear();
            }
            right.insert(tag, sent.found);
            return self.name(sent.found);
        }
        Err(Wrong::Credentials)
    }

    fn name(&self, user: usize) -> Result<Arc<str>, Wrong> {
        self.names.get(user).cloned().ok_or(Wrong::Credentials)
    }

    fn read(&self, name: &str, typed: &str, address: Option<IpAddr>) -> Sent {
        let (found, is_known) = self.find(name);
        let is_slow = self.users.get(found).is_some_and(|user| user.password.is_slow());
        let most = if is_slow { BCRYPT_LENGTH } else { usize::MAX };
        let password = self.proofs.tag(&typed.as_bytes()[..typed.len().min(most)]);
        let guess = Guess { address, name: self.proofs.tag(name.as_bytes()) };
        let tag = self.proofs.tag(&[guess.name, self.proofs.tag(typed.as_bytes())].concat());
        Sent { tag, found, is_known, password, guess }
    }

    /// Checks credentials that are not known to be right. Those that were wrong before are no guess, and are wrong again.
    async fn check(&self, sent: &Sent, typed: String, now: Timestamp) -> Result<bool, Wrong> {
        let slowest = self.slowest.filter(|_| !self.proofs.are_complete());
        if self.proofs.is_wrong(&sent.tag) {
            return Ok(false);
        }
        let charge = self.guesses.count(&sent.guess, now);
        let Some(slowest) = slowest else { return self.failed(sent, charge, now) };
        let is_own = sent.is_known && self.users.get(sent.found).is_some_and(|user| user.password.is_slow());
        let hashed = if is_own { sent.found } else { slowest };
        let hash = self.users.get(hashed).ok_or(Wrong::Credentials)?.password.clone();
        let user = is_own.then_some((sent.found, sent.password));
        let job = Job::new(sent.tag, hash, typed, user);
        let place = self.hasher.enter(job, sent.guess, charge.is_counted(), || self.guesses.ranks(now));
        let verdict = place.verdict.await.unwrap_or(Verdict::Refused);
        if verdict == Verdict::Right || place.is_shared {
            self.guesses.forgive(&sent.guess, charge);
        }
        match verdict {
            Verdict::Right => Ok(true),
            Verdict::Wrong if place.is_shared => Ok(false),
            Verdict::Wrong => self.failed(sent, charge, now),
            Verdict::Refused => Err(self.refused(sent, now)),
        }
    }

    /// The answer to a wrong password.
    fn failed(&self, sent: &Sent, charge: Charge, now: Timestamp) -> Result<bool, Wrong> {
        if !charge.is_within_limits() {
            return Err(self.refused(sent, now));
        }
        self.proofs.note_wrong(sent.tag);
        self.say(&sent.guess, now);
        Ok(false)
    }

    fn refused(&self, sent: &Sent, now: Timestamp) -> Wrong {
        self.say(&sent.guess, now);
        Wrong::TooMany { retry_after: whole_seconds(self.guesses.retry_after(&sent.guess, now)) }
    }

    fn say(&self, guess: &Guess, now: Timestamp) {
        if let Some(Line { address, failed }) = self.guesses.failed(guess, now) {
            warn!(client.address = %address, failed, "{failed} failed logins from {address}: until it stops, its wrong passwords are answered 429");
        }
    }

    /// The index of the user with this name, or of another user, and whether it was found. There is no branch on the name, so the
    /// time tells nothing.
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

/// The attempted user name, for the log: as it was sent, but cut to a maximum length.
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
    use futures_util::future::join_all;

    use super::*;
    use crate::http::security::guesses::Rank;

    /// Connections that may be busy at the chart's limit of memory.
    const BUSY: usize = 170;
    const NOW: Timestamp = Timestamp(1_000_000);

    fn header(text: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, text.parse().unwrap())])
    }

    fn basic(name: &str, password: &str) -> HeaderMap {
        header(&format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
    }

    fn user(name: &str, password: &str, role: &str) -> User {
        User { name: name.to_owned(), password: password.parse().unwrap(), roles: vec![role.to_owned()] }
    }

    fn hashed(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    fn from(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    async fn sends(users: &Users, name: &str, password: &str, last: u8) -> Result<Arc<str>, Wrong> {
        users.authenticate(&basic(name, password), from(last), NOW).await
    }

    /// Guesses from the address of a good client, for its own user and for another one, before the client's first login.
    #[tokio::test]
    async fn a_good_login_is_let_in_whatever_others_of_its_address_guess() {
        let users = Users::new(vec![user("b", &hashed("b"), "ADMIN"), user("c", &hashed("c"), "ADMIN")], BUSY);
        let guesses: Vec<_> = (0..120).map(|number| basic("b", &format!("guess {number}"))).collect();
        let guesses = guesses.iter().map(|guess| users.authenticate(guess, from(1), NOW));
        let (good, other) = (basic("b", "b"), basic("c", "c"));
        let good = async {
            let same_user = users.authenticate(&good, from(1), NOW).await;
            (same_user, users.authenticate(&other, from(1), NOW).await)
        };
        let (guesses, good) = futures_util::future::join(join_all(guesses), good).await;
        assert_eq!((good.0.as_deref(), good.1.as_deref()), (Ok("b"), Ok("c")));
        assert!(guesses.iter().all(Result::is_err));
        let refused = guesses.iter().filter(|answer| matches!(answer, Err(Wrong::TooMany { retry_after: 1.. })));
        assert!(refused.count() >= 110, "ten are within the limit");
    }

    #[tokio::test]
    async fn nothing_is_hashed_once_every_user_came_in() {
        let users = Users::new(vec![user("plain", "p", "ADMIN"), user("b", &hashed("b"), "ADMIN")], BUSY);
        assert!(!users.proofs.are_complete());
        assert!(sends(&users, "b", "b", 1).await.is_ok());
        assert!(users.proofs.are_complete());
        for guess in 0..500 {
            let wrong = basic("b", &guess.to_string());
            let mut wrong = std::pin::pin!(users.authenticate(&wrong, from(1), NOW));
            assert!(futures_util::poll!(&mut wrong).is_ready(), "no wrong password waits");
        }
        for (place, name) in ["b", "nobody", "plain"].into_iter().enumerate() {
            let answer = sends(&users, name, "another", 1).await;
            assert_eq!(answer, Err(Wrong::TooMany { retry_after: 6 }), "{place}: it is not said who there is");
        }
        let other_spelling = header(&format!("basic  {}", BASE64_STANDARD.encode("b:b")));
        assert!(users.authenticate(&other_spelling, from(1), NOW).await.is_ok(), "a good login is let in at once");
    }

    #[tokio::test]
    async fn the_same_wrong_password_again_is_no_guess() {
        for password in ["p".to_owned(), hashed("p")] {
            let users = Users::new(vec![user("a", &password, "ADMIN")], BUSY);
            for _heartbeat in 0..100 {
                assert_eq!(sends(&users, "a", "old", 1).await, Err(Wrong::Credentials));
            }
            let at_once = basic("a", "older");
            let at_once = (0..50).map(|_| users.authenticate(&at_once, from(1), NOW));
            if password != "p" {
                assert!(join_all(at_once).await.iter().all(|answer| *answer == Err(Wrong::Credentials)));
            }
            let rank = users.guesses.ranks(NOW)(&Guess { address: from(1), name: [0; 32] });
            assert!(rank <= Rank::new(0, 2), "{rank:?}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_the_right_name_lets_in() {
        let long = "x".repeat(100);
        let users = Users::new(
            vec![
                user("a", "a", "ADMIN"),
                user("b", &hashed("b"), "ROLE_READ_ONLY"),
                user("long", &hashed(&long), "ADMIN"),
            ],
            BUSY,
        );
        for _first_and_remembered in 0..2 {
            assert_eq!(sends(&users, "a", "a", 1).await.as_deref(), Ok("a"));
            assert_eq!(sends(&users, "b", "b", 1).await.as_deref(), Ok("b"));
            assert_eq!(sends(&users, "long", &long, 1).await.as_deref(), Ok("long"));
            // As Spring does: bcrypt looks at 72 bytes.
            assert!(sends(&users, "long", &"x".repeat(72), 1).await.is_ok());
            for (name, password) in
                [("a", "b"), ("b", "a"), ("", ""), ("c", "a"), ("a", ""), ("a", "a "), ("long", "x")]
            {
                assert!(sends(&users, name, password, 1).await.is_err(), "{name}:{password}");
            }
        }
        assert!(users.may_change("a") && !users.may_change("b") && !users.may_change("c"));
        let twice = Users::new(vec![user("a", "a", "ADMIN"), user("a", "b", "READ_ONLY")], BUSY);
        assert!(sends(&twice, "a", "b", 1).await.is_ok() && !twice.may_change("a"));
        for odd in ["Basic", "Basic !", "Bearer YTph", "basic YTph ", "Basic YQ=="] {
            let answer = users.authenticate(&header(odd), None, NOW).await;
            assert_eq!(answer.is_ok(), odd == "basic YTph ", "{odd}");
        }
        assert!(users.authenticate(&HeaderMap::new(), None, NOW).await.is_err());
    }
}
