//! How often replicas compare what they know.

use std::time::Duration;

/// The interval of comparisons with a peer, plus or minus a quarter.
const INTERVAL: Duration = Duration::from_secs(2);
/// The interval for a new peer, and for how long it applies. One of the two may have just started, and for some seconds the other
/// does not find its name, because name servers remember that it did not exist.
const INTERVAL_AT_FIRST: Duration = Duration::from_millis(200);
const AT_FIRST: Duration = Duration::from_secs(10);
/// The interval of comparisons with a peer that has been one for this long.
pub(super) fn comparison(peer_for: Duration) -> Duration {
    if peer_for < AT_FIRST { INTERVAL_AT_FIRST } else { INTERVAL }
}
