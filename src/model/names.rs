//! [`AppName`] and [`InstanceKey`].

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name of an application, always in upper case, as Eureka keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(Arc<str>);

impl AppName {
    /// The name in upper case.
    pub fn new(name: &str) -> Self {
        if is_upper(name) { Self(name.into()) } else { Self(name.to_uppercase().into()) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AppName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether upper-casing would change nothing. False for any text that is not ASCII, which is then upper-cased.
fn is_upper(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_lowercase())
}

/// `APP/id`: the key of a registration.
///
/// One text, so that a request's path is a key without being copied. An application's name holds no `/` (a path
/// could not carry it and registering checks it), so the first one divides the two. The order of keys is the order
/// of answers: instances of one application stand together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstanceKey(Arc<str>);

impl InstanceKey {
    /// The key of instance `id` of `app`.
    pub fn new(app: &AppName, id: &str) -> Self {
        Self([app.as_str(), "/", id].concat().into())
    }

    /// The application's name.
    pub fn app(&self) -> &str {
        self.split().0
    }

    /// The instance's id.
    pub fn id(&self) -> &str {
        self.split().1
    }

    /// `APP/id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn split(&self) -> (&str, &str) {
        self.0.split_once('/').unwrap_or((&self.0, ""))
    }
}

impl PartialOrd for InstanceKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for InstanceKey {
    /// By application, then id. Not by the text: `A-B/1` would stand between `A/0` and `A/1`. So where two keys begin
    /// to differ, the `/` that ends an application's name comes before anything. Every change compares some thirty
    /// keys under the registry's lock; looking for the `/` first took twice as long.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        let Some(at) = first_difference(left, right) else {
            return left.len().cmp(&right.len());
        };
        let ends_name = |key: &[u8]| key[at] == b'/' && !key[..at].contains(&b'/');
        (!ends_name(left), left[at]).cmp(&(!ends_name(right), right[at]))
    }
}

/// The first position at which two texts differ, if there is one before either ends. In steps of sixteen bytes, since the keys
/// that are compared have long common prefixes.
fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    let (left_steps, right_steps) = (left.as_chunks::<16>().0, right.as_chunks::<16>().0);
    let same = 16 * left_steps.iter().zip(right_steps).take_while(|(left, right)| left == right).count();
    left[same..].iter().zip(&right[same..]).position(|(left, right)| left != right).map(|at| same + at)
}

impl Borrow<str> for InstanceKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_names_are_upper_case() {
        assert_eq!(AppName::new("orders").as_str(), "ORDERS");
        assert_eq!(AppName::new("ORDERS-2").as_str(), "ORDERS-2");
        assert_eq!(AppName::new("straße").as_str(), "STRASSE");
    }

    #[test]
    fn keys_of_one_application_stand_together() {
        let key = |app: &str, id: &str| InstanceKey::new(&AppName::new(app), id);
        let mut keys = [key("A", "1"), key("A-B", "1"), key("A", "0"), key("A", "x/y")];
        keys.sort();
        assert_eq!(keys.map(|key| key.to_string()), ["A/0", "A/1", "A/x/y", "A-B/1"]);
    }

    proptest::proptest! {
        #[test]
        fn keys_are_ordered_by_application_then_id(
            common in "[A-B]{0,40}",
            left in ("[A-B.!-/é]{0,3}", "[a/.!-]{0,3}"),
            right in ("[A-B.!-/é]{0,3}", "[a/.!-]{0,3}"),
        ) {
            let parts = |(app, id): &(String, String)| {
                (AppName::new(&(common.clone() + &app.replace('/', ""))), id.clone())
            };
            let (left, right) = (parts(&left), parts(&right));
            let key = |(app, id): &(AppName, String)| InstanceKey::new(app, id);
            proptest::prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right));
        }
    }

    #[test]
    fn a_key_is_its_two_parts() {
        let key = InstanceKey::new(&AppName::new("orders"), "host/1:orders");
        assert_eq!((key.app(), key.id()), ("ORDERS", "host/1:orders"));
    }
}
