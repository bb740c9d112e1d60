//! [`Proofs`]: which password of each user is known to be right, and which credentials are known to be wrong.
//!
//! A bcrypt hash has to be computed once for each user. Afterwards one HMAC tells right passwords from wrong ones. A dump of the
//! memory shows no password.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use ring::hmac;
use ring::rand::SystemRandom;
use subtle::ConstantTimeEq;

use super::password::Password;
use super::user::User;

/// Maximum number of each half of the wrong credentials that are remembered.
const REMEMBERED: usize = 1000;

/// An HMAC under a key of this process.
pub(super) type Tag = [u8; 32];

/// Which password of each user is known to be right.
#[derive(Debug)]
pub(super) struct Proofs {
    key: hmac::Key,
    proven: Vec<OnceLock<Tag>>,
    /// The number of users whose password is not known yet.
    missing: AtomicUsize,
    wrong: Mutex<WrongOnes>,
}

/// The tags of wrong credentials, the newer half and the older half: a fleet with an old password sends it with every heartbeat.
#[derive(Debug, Default)]
struct WrongOnes {
    newer: HashSet<Tag>,
    older: HashSet<Tag>,
}

impl Proofs {
    /// The tags of plain passwords, which are known from the start.
    pub(super) fn new(users: &[User]) -> Self {
        #[expect(clippy::expect_used, reason = "without random numbers nothing here is safe")]
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("the system has random numbers");
        let slow = users.iter().filter(|user| user.password.is_slow()).count();
        let proofs = Self {
            key,
            proven: users.iter().map(|_| OnceLock::new()).collect(),
            missing: AtomicUsize::new(slow),
            wrong: Mutex::default(),
        };
        for (user, slot) in users.iter().zip(&proofs.proven) {
            if let Password::Plain(password) = &user.password {
                slot.get_or_init(|| proofs.tag(password.as_bytes()));
            }
        }
        proofs
    }

    /// The tag of a text that must not be kept itself.
    pub(super) fn tag(&self, bytes: &[u8]) -> Tag {
        let mut tag = [0; 32];
        tag.copy_from_slice(hmac::sign(&self.key, bytes).as_ref());
        tag
    }

    /// Whether this is known to be the tag of a user's password.
    pub(super) fn is_right(&self, user: usize, tag: &Tag) -> bool {
        self.proven.get(user).and_then(OnceLock::get).is_some_and(|proven| proven.ct_eq(tag).into())
    }

    /// Notes that this is the tag of a user's password.
    pub(super) fn prove(&self, user: usize, tag: Tag) {
        if self.proven.get(user).is_some_and(|slot| slot.set(tag).is_ok()) {
            self.missing.fetch_sub(1, Relaxed);
        }
    }

    /// Whether every user's password is known, so that there is nothing to hash.
    pub(super) fn are_complete(&self) -> bool {
        self.missing.load(Relaxed) == 0
    }

    /// Whether credentials with this tag were wrong not long ago.
    pub(super) fn is_wrong(&self, tag: &Tag) -> bool {
        let wrong = self.wrong.lock();
        wrong.newer.contains(tag) || wrong.older.contains(tag)
    }

    /// Notes that credentials with this tag are wrong.
    pub(super) fn note_wrong(&self, tag: Tag) {
        let wrong = &mut *self.wrong.lock();
        if wrong.newer.len() >= REMEMBERED {
            wrong.older = std::mem::take(&mut wrong.newer);
        }
        wrong.newer.insert(tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_ones_are_remembered_and_bounded() {
        let proofs = Proofs::new(&[]);
        for number in 0..10_000_u32 {
            let mut tag = [0; 32];
            tag[..4].copy_from_slice(&number.to_le_bytes());
            proofs.note_wrong(tag);
            assert!(proofs.is_wrong(&tag));
        }
        let wrong = proofs.wrong.lock();
        assert!(wrong.newer.len() + wrong.older.len() <= 2 * REMEMBERED);
    }

    #[test]
    fn a_proof_counts_once() {
        let user = |name: &str| User {
            name: name.to_owned(),
            password: bcrypt::hash(name, 4).unwrap().parse().unwrap(),
            roles: Vec::new(),
        };
        let proofs = Proofs::new(&[user("a"), user("b")]);
        let tag = proofs.tag(b"a");
        proofs.prove(0, tag);
        proofs.prove(0, tag);
        assert!(proofs.is_right(0, &tag) && !proofs.is_right(1, &tag) && !proofs.are_complete());
        proofs.prove(1, tag);
        assert!(proofs.are_complete());
    }
}
