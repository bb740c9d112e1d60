//! [`Effective`]: what holds when all sources have been heard.

/// One value, and who said it.
#[derive(Clone, Debug)]
pub(super) struct Effective {
    pub(super) written: String,
    pub(super) value: String,
    pub(super) origin: String,
}
