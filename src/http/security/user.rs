//! [`User`]: a user, and what the user may do.

use super::password::Password;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Password,
    /// The roles. `READ_ONLY` may only read; any other may register and cancel; `PEER` may replicate, too.
    pub roles: Vec<String>,
}

impl User {
    /// Whether it may only read.
    pub fn is_read_only(&self) -> bool {
        self.has_role("READ_ONLY")
    }

    /// Whether it has the role of peers.
    pub fn has_role_of_peers(&self) -> bool {
        self.has_role("PEER")
    }

    fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.trim_start_matches("ROLE_").eq_ignore_ascii_case(name))
    }
}
