//! [`SelfCheck`]: whether this process called itself.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Maximum outstanding tokens. Beyond that the oldest is forgotten, and its call does not find out whether it reached this process.
const MOST_OUTSTANDING: usize = 256;

/// The tokens of open calls, and which of them this process's own server received.
///
/// A token is sent to one address, in one call, and only this process knows whether it was received: another process cannot claim
/// to be this one.
#[derive(Debug, Default)]
pub struct SelfCheck(Mutex<VecDeque<Outstanding>>);

#[derive(Debug)]
struct Outstanding {
    token: String,
    received: bool,
}

impl SelfCheck {
    /// A call that carries `token` begins.
    pub fn begin(&self, token: String) {
        let mut outstanding = self.0.lock();
        if outstanding.len() == MOST_OUTSTANDING {
            outstanding.pop_front();
        }
        outstanding.push_back(Outstanding { token, received: false });
    }

    /// This process's own server received a token.
    pub fn received(&self, token: &[u8]) {
        if let Some(found) = self.0.lock().iter_mut().find(|outstanding| outstanding.token.as_bytes() == token) {
            found.received = true;
        }
    }

    /// The call ended. Returns whether it reached this process.
    pub fn end(&self, token: &str) -> bool {
        let mut outstanding = self.0.lock();
        let place = outstanding.iter().position(|outstanding| outstanding.token == token);
        place.and_then(|place| outstanding.remove(place)).is_some_and(|outstanding| outstanding.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_token_that_came_back_while_its_call_was_under_way_counts() {
        let check = SelfCheck::default();
        check.received(b"early");
        check.begin("early".to_owned());
        check.begin("mine".to_owned());
        check.received(b"mine");
        check.received(b"invented");
        assert!(!check.end("early"));
        assert!(check.end("mine"));
        check.received(b"mine");
        assert!(!check.end("mine"), "a token is of one call");
        assert!(!check.end("invented"));
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let check = SelfCheck::default();
        (0..=MOST_OUTSTANDING).for_each(|number| check.begin(number.to_string()));
        check.received(b"0");
        check.received(b"1");
        assert!(!check.end("0"));
        assert!(check.end("1"));
    }
}
