//! The HTTP surface's settings.

/// Settings of the HTTP surface.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The most bytes of a request's body, inflated if it is compressed.
    pub max_body_bytes: usize,
    /// What stands before every path (`server.servlet.context-path`), empty or with a leading slash.
    pub context_path: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_body_bytes: 10 * 1024 * 1024, context_path: String::new() }
    }
}
