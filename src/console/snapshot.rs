//! [`Snapshot`]: whether what is known is kept on a disk, too.

use serde::Serialize;

use super::duration::Span;
use crate::snapshot::{Status, Written};
use crate::time::Timestamp;

/// How snapshots are doing. Every field is described in `openapi.yaml`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Snapshot {
    written_at: Option<i64>,
    bytes: Option<u64>,
    instances: Option<usize>,
    failing_since: Option<i64>,
    failing_because: Option<String>,
}

impl Snapshot {
    pub(crate) fn of(Status { written, failing, .. }: &Status) -> Self {
        Self {
            written_at: written.map(|Written { at, .. }| at.0),
            bytes: written.map(|Written { bytes, .. }| bytes),
            instances: written.map(|Written { instances, .. }| instances),
            failing_since: failing.as_ref().map(|failing| failing.since.0),
            failing_because: failing.as_ref().map(|failing| failing.why.clone()),
        }
    }

    /// What is wrong, if anything is.
    pub(super) fn complaint(&self, now: Timestamp) -> Option<String> {
        let (since, why) = (self.failing_since?, self.failing_because.as_deref()?);
        let since = Span(now.since(Timestamp(since)));
        let last = match self.written_at {
            Some(at) => format!("the last one is {} old", Span(now.since(Timestamp(at)))),
            None => "there is none of this process".to_owned(),
        };
        Some(format!("Snapshots cannot be written for {since} ({why}); {last}."))
    }
}
