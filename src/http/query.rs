//! [`Query`]: the parameters of Eureka's calls.

use std::borrow::Cow;

use super::ApiError;
use crate::time::Timestamp;

/// A query string.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(pub(super) &'a str);

impl<'a> Query<'a> {
    /// Names and values, in their order.
    pub(super) fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.0.as_bytes())
    }

    /// The first value of a name.
    pub(super) fn get(self, name: &str) -> Option<Cow<'a, str>> {
        self.pairs().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The version of the sender's data.
    pub(super) fn last_dirty(self) -> Result<Option<Timestamp>, ApiError> {
        let parse = |text: Cow<'_, str>| {
            let wrong = |_| ApiError::BadParameter("lastDirtyTimestamp must be a number of milliseconds".to_owned());
            text.parse().map(Timestamp).map_err(wrong)
        };
        self.get("lastDirtyTimestamp").map(parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let query = Query("status=UP&lastDirtyTimestamp=17&a+b=c%26d&flag");
        assert_eq!(query.get("status").as_deref(), Some("UP"));
        assert_eq!(query.get("a b").as_deref(), Some("c&d"));
        assert_eq!(query.get("flag").as_deref(), Some(""));
        assert_eq!(query.get("none"), None);
        assert_eq!(query.last_dirty().unwrap(), Some(Timestamp(17)));
        assert!(Query("lastDirtyTimestamp=abc").last_dirty().is_err());
    }
}
