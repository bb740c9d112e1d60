//! How often replicas compare what they know.

use std::time::Duration;

/// How often a peer is asked whether it knows the same, give or take a quarter.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often one that became a peer just now is asked, and for how long: of the two one may have started, and for seconds the
/// other does not find its name, which name servers remember not to have existed.
const INTERVAL_AT_FIRST: Duration = Duration::from_millis(200);
const AT_FIRST: Duration = Duration::from_secs(10);
/// How long to wait for the next comparison with a peer that has been one for so long.
pub(super) fn comparison(peer_for: Duration) -> Duration {
    if peer_for < AT_FIRST { INTERVAL_AT_FIRST } else { INTERVAL }
}
