//! [`Survey`]: what was read of a server, from which the findings follow.

use std::collections::BTreeMap;

use super::compare::Difference;
use super::pages::{Dashboard, Status};
use crate::codec::Listing;
use crate::config::Examined;
use crate::model::{InstanceKey, LeaseInfo};
use crate::replication::ServiceUrl;
use crate::time::Timestamp;

/// What was read.
#[derive(Debug)]
pub(super) struct Survey {
    /// The server.
    pub(super) url: ServiceUrl,
    /// The server's time when it was read.
    pub(super) now: Timestamp,
    /// By how many seconds its clock is ahead of this machine's, if it says its time.
    pub(super) clock_ahead_secs: Option<i64>,
    /// Whether it is one of ours already.
    pub(super) is_ours: bool,
    /// Its registry.
    pub(super) listing: Listing,
    /// The length of that answer.
    pub(super) listing_bytes: usize,
    /// The same as XML, if it could be read.
    pub(super) xml: Option<Listing>,
    /// Its delta.
    pub(super) delta: Delta,
    /// Whether it answers without a user; `None` if that is not known.
    pub(super) is_open: Option<bool>,
    pub(super) status: Option<Status>,
    pub(super) dashboard: Option<Dashboard>,
    /// The status code of `/actuator/health`, asked without a user.
    pub(super) health: Option<u16>,
    /// What the server says now, past its cache, of the instances whose leases look expired.
    pub(super) live: BTreeMap<InstanceKey, Live>,
    /// Its peers, and further servers that were named.
    pub(super) peers: Vec<Peer>,
    /// The configuration file, if one was given.
    pub(super) config: Option<Result<Examined, String>>,
    /// What could not be read.
    pub(super) unread: Vec<Unread>,
}

/// `GET apps/delta`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delta {
    /// It was read: its hash code.
    Read(String),
    /// It is refused with 403.
    Refused,
    /// It could not be read.
    Unread,
}

/// One instance as it is past the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Live {
    /// With this lease.
    Registered(LeaseInfo),
    /// Not served: its lease has expired, or it has gone.
    NotServed,
}

/// A peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) url: ServiceUrl,
    /// Whether the server says that it is unavailable.
    pub(super) is_called_unavailable: bool,
    /// What it says otherwise than the server, past the caches of both; or why it could not be read.
    pub(super) differences: Result<Vec<Difference>, String>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unread {
    pub(super) what: String,
    pub(super) why: String,
}

impl Survey {
    /// Whether a lease has expired as far as the cached answer says (src/PROTOCOL.md, section 5.1: a renewal writes the end of the
    /// first duration).
    pub(super) fn is_expired(lease: &LeaseInfo, now: Timestamp) -> bool {
        let LeaseInfo { last_renewal, durations, .. } = lease;
        let duration = i64::from(durations.duration_secs).saturating_mul(1000);
        *last_renewal != Timestamp::NEVER && now.0 > last_renewal.0.saturating_add(duration)
    }

    /// The settings of the file, if one was given and can be read.
    pub(super) fn examined(&self) -> Option<&Examined> {
        self.config.as_ref().and_then(|config| config.as_ref().ok())
    }
}
