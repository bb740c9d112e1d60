//! The status with which a registration is kept.

use crate::model::{InstanceStatus, Record};

use super::Source;

/// The one of Netflix's `InstanceStatusOverrideRule`s that depends on the sender: a client cannot put itself out of service, or
/// back, by registering again (`LeaseExistsRule`); a peer can. The other rules are in [`Record::show`], which applies overrides.
pub(super) fn sent_status(
    sent: InstanceStatus,
    status_override: Option<InstanceStatus>,
    known: Option<&Record>,
    source: Source,
) -> InstanceStatus {
    match (source, known.map(|known| known.info.status)) {
        (Source::Client, Some(held)) if status_override.is_none() && sent.takes_override() && held.takes_override() => {
            held
        }
        (Source::Client | Source::Peer | Source::Kubernetes, _) => sent,
    }
}
