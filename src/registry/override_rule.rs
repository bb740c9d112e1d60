//! The status an instance is served with, of the one it sends and the one an operator set.

use crate::model::InstanceStatus;

use super::{Lease, Source};

/// The status that holds (`InstanceStatusOverrideRule` and the chain the Java server builds of its rules; the first
/// that matches decides):
///
/// 1. `DownOrStartingRule`: a status that is neither UP nor `OUT_OF_SERVICE` is believed.
/// 2. `OverrideExistsRule`: what an operator set holds.
/// 3. `LeaseExistsRule`: a client cannot take itself out of service, nor back, by registering again; a peer may say
///    so.
/// 4. `AlwaysMatchInstanceStatusRule`: the status sent.
pub(super) fn resolve(
    sent: InstanceStatus,
    status_override: Option<InstanceStatus>,
    existing: Option<&Lease>,
    source: Source,
) -> InstanceStatus {
    if !takes_traffic_or_was_taken_out(sent) {
        return sent;
    }
    if let Some(set) = status_override {
        return set;
    }
    let held = existing.map(|lease| lease.with_holder(|holder| holder.status));
    match (source, held) {
        (Source::Client, Some(held)) if takes_traffic_or_was_taken_out(held) => held,
        (Source::Client | Source::Peer, _) => sent,
    }
}

fn takes_traffic_or_was_taken_out(status: InstanceStatus) -> bool {
    matches!(status, InstanceStatus::Up | InstanceStatus::OutOfService)
}
