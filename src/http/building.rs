//! [`Building`]: one request builds a full answer, the others wait for it.

use tokio::sync::Mutex;

use crate::codec::Form;
use crate::registry::Scope;

/// A lock for each form of the full answer and of the delta.
#[derive(Debug, Default)]
pub(super) struct Building([Mutex<()>; 4 * Form::COUNT]);

impl Building {
    /// The lock of the request that builds this answer.
    pub(super) fn of(&self, scope: Scope, form: Form, gzip: bool) -> &Mutex<()> {
        &self.0[slot(scope, form, gzip)]
    }
}

/// The number of a form of the full answer or of the delta: below `4 * Form::COUNT`.
pub(super) fn slot(scope: Scope, form: Form, gzip: bool) -> usize {
    let scope = match scope {
        Scope::All => 0,
        Scope::Delta => 1,
    };
    (form.index() * 2 + scope) * 2 + usize::from(gzip)
}
