//! The status that an instance is kept with when it registers.

use crate::model::{InstanceStatus, Record};

use super::Source;

/// What of Netflix's `InstanceStatusOverrideRule`s looks at who sends what: a client cannot take itself out of service,
/// nor back, by registering again (`LeaseExistsRule`); a peer may say so. The other rules are those of
/// [`Record::show`], which applies what an operator set.
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
        (Source::Client | Source::Peer, _) => sent,
    }
}
