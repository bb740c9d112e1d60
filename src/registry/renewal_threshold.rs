//! [`RenewalThreshold`]: self-preservation's arithmetic.

use super::Options;

/// The expected number of clients, and the number of renewals a minute below which nothing is evicted.
///
/// Java's formula, counted in heartbeats and with one interval for all clients (src/PROTOCOL.md, section 6).
#[derive(Debug)]
pub(super) struct RenewalThreshold {
    expected_clients: u32,
}

impl RenewalThreshold {
    pub(super) fn new(expected_clients: u32) -> Self {
        Self { expected_clients }
    }

    /// The number of clients that are expected to renew.
    pub(super) fn expected_clients(&self) -> u32 {
        self.expected_clients
    }

    /// One more client. Java adds none while it expects none (quirk 19; Spring avoids that by starting with one).
    pub(super) fn client_added(&mut self) {
        if self.expected_clients > 0 {
            self.expected_clients += 1;
        }
    }

    /// One client less, after a cancellation or an eviction.
    pub(super) fn client_removed(&mut self) {
        self.expected_clients = self.expected_clients.saturating_sub(1);
    }

    /// Sets the expected number of clients.
    pub(super) fn expect(&mut self, clients: u32) {
        self.expected_clients = clients;
    }

    /// The periodic update: the number of registered instances becomes the expected one, unless so many are missing that it looks
    /// like a failure.
    pub(super) fn update(&mut self, registered: u32, options: &Options) {
        let enough = f64::from(registered) > options.renewal_percent_threshold * f64::from(self.expected_clients);
        if enough || !options.enable_self_preservation {
            self.expected_clients = registered;
        }
    }

    /// The number of renewals in a minute that has to be exceeded.
    pub(super) fn per_minute(&self, options: &Options) -> u32 {
        let interval = options.expected_client_renewal_interval.as_secs_f64();
        let renewals = f64::from(self.expected_clients) * (60.0 / interval) * options.renewal_percent_threshold;
        truncate(renewals)
    }
}

/// Java's `(int)`: towards zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as Java's (int) does, saturating")]
pub(super) fn truncate(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_those_of_the_java_server() {
        let options = Options::default();
        let per_minute = |clients| RenewalThreshold::new(clients).per_minute(&options);
        assert_eq!([0, 1, 2, 7, 10].map(per_minute), [0, 1, 3, 11, 17]);
    }

    #[test]
    fn a_loss_that_looks_like_a_failure_does_not_lower_the_expectation() {
        let mut threshold = RenewalThreshold::new(100);
        threshold.update(85, &Options::default());
        assert_eq!(threshold.expected_clients(), 100);
        threshold.update(86, &Options::default());
        assert_eq!(threshold.expected_clients(), 86);
        let off = Options { enable_self_preservation: false, ..Options::default() };
        threshold.update(1, &off);
        assert_eq!(threshold.expected_clients(), 1);
    }

    #[test]
    fn nothing_expected_stays_nothing() {
        let mut threshold = RenewalThreshold::new(0);
        threshold.client_added();
        assert_eq!(threshold.expected_clients(), 0);
    }
}
