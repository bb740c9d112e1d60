//! [`Outcome`]: what the exit code says.

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing has to be done.
    Nothing,
    /// Something has to be done first, or a difference was reported.
    Act,
    /// A server could not be read.
    Unread,
}

impl Outcome {
    /// The exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Act => 1,
            Self::Unread => 2,
        }
    }
}
