//! [`Job`]: one password that is to be hashed.

use std::fmt;

use super::password::Password;
use super::proofs::{Proofs, Tag};

/// One password that is to be hashed.
pub(super) struct Job {
    /// The tag of the credentials.
    pub(super) tag: Tag,
    /// The hash that it is compared with.
    hash: Password,
    /// What was typed.
    typed: String,
    /// The user, and the tag of the password; `None` if no password would be right.
    user: Option<(usize, Tag)>,
}

/// The result of checking a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is right.
    Right,
    /// It is wrong.
    Wrong,
    /// It was not hashed: too many others wait.
    Refused,
}

impl Job {
    /// Compares the typed password with a hash. It can be right only if `user` is given.
    pub(super) fn new(tag: Tag, hash: Password, typed: String, user: Option<(usize, Tag)>) -> Self {
        Self { tag, hash, typed, user }
    }

    /// A job that no client sent.
    #[cfg(test)]
    pub(super) fn of_nobody(tag: Tag) -> Self {
        Self::new(tag, Password::Plain(String::new()), "wrong".to_owned(), None)
    }

    /// Finds the result, by hashing if necessary, and notes it.
    pub(super) fn check(&self, proofs: &Proofs) -> Verdict {
        let known = self.user.is_some_and(|(user, tag)| proofs.is_right(user, &tag));
        if known {
            return Verdict::Right;
        }
        if proofs.are_complete() {
            return Verdict::Wrong;
        }
        match (self.hash.matches(&self.typed), self.user) {
            (true, Some((user, tag))) => {
                proofs.prove(user, tag);
                Verdict::Right
            }
            (true, None) | (false, _) => {
                proofs.note_wrong(self.tag);
                Verdict::Wrong
            }
        }
    }
}

/// The typed password is never logged.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("user", &self.user.map(|(user, _)| user)).finish_non_exhaustive()
    }
}
