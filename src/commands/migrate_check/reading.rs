//! Reads a server and its peers into a [`Survey`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::compare::{Difference, View, compare};
use super::pages::{Dashboard, Status};
use super::server::{Ask, Caller, Server, view};
use super::survey::{Delta, Live, Peer, Survey, Unread};
use crate::codec::{self, Listing, Media};
use crate::config::Examined;
use crate::model::InstanceKey;
use crate::replication::ServiceUrl;
use crate::time::{Clock, Timestamp};

/// Maximum instances that are read one by one past the cache, of a server.
const MOST_LIVE: usize = 200;
/// How long that may take.
const LIVE_TIME: Duration = Duration::from_secs(10);
/// Maximum peers that are read.
const MOST_PEERS: usize = 20;

/// Reads the first of `urls` and, to compare, its peers and the other `urls`.
///
/// # Errors
/// If the list of the first cannot be read: why.
pub(super) async fn survey(
    caller: &Caller,
    urls: &[ServiceUrl],
    config: Option<Result<Examined, String>>,
    clock: Clock,
) -> Result<Survey, String> {
    let server = caller.server(&urls[0]);
    let (listing, answer) = server.listing(Media::Json, clock.now()).await?;
    let read_at = clock.now();
    let mut reader = Reader { server, unread: Vec::new() };
    let xml = reader.xml(read_at).await;
    let delta = reader.delta(read_at).await;
    let is_open = reader.is_open().await;
    let status = reader.status().await;
    let path =
        config.as_ref().and_then(|config| config.as_ref().ok()).map(|examined| &examined.settings.http.dashboard.path);
    let dashboard = reader.dashboard(path.map_or("", String::as_str)).await;
    let health = reader.health().await;
    let clock_ahead_secs = answer.date.map(|date| (date.0 - read_at.0).div_euclid(1000));
    let now = answer.date.unwrap_or(read_at);
    let live = reader.live(&listing, now).await;
    let peers = reader.peers(caller, &urls[1..], status.as_ref(), &listing, clock).await;
    Ok(Survey {
        url: reader.server.url().clone(),
        now,
        clock_ahead_secs,
        is_ours: answer.is_ours,
        listing_bytes: answer.body.len(),
        listing,
        xml,
        delta,
        is_open,
        status,
        dashboard,
        health,
        live,
        peers,
        config,
        unread: reader.unread,
    })
}

/// Reads, and notes what it cannot read.
struct Reader {
    server: Server,
    unread: Vec<Unread>,
}

impl Reader {
    /// The value, or a note that there is none.
    fn noted<T>(&mut self, what: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|why| self.unread.push(Unread { what: what.to_owned(), why })).ok()
    }

    async fn xml(&mut self, now: Timestamp) -> Option<Listing> {
        let read = self.server.listing(Media::Xml, now).await;
        self.noted("the list as XML", read).map(|(listing, _answer)| listing)
    }

    async fn delta(&mut self, now: Timestamp) -> Delta {
        let read = async {
            let answer = self.server.ask("apps/delta", Ask::Json).await?;
            if answer.status == 403 {
                return Ok(Delta::Refused);
            }
            self.server.expect(&answer)?;
            let delta = codec::decode_listing(Media::Json, &answer.body, now).map_err(|error| error.to_string())?;
            Ok(Delta::Read(delta.apps_hashcode.unwrap_or_default().to_string()))
        };
        let read = read.await;
        self.noted("the delta", read).unwrap_or(Delta::Unread)
    }

    /// Whether it answers without a user.
    async fn is_open(&mut self) -> Option<bool> {
        if !self.server.has_user() {
            return Some(true);
        }
        let read = self.server.without_user().ask("apps/delta", Ask::Json).await;
        self.noted("an answer without a user", read).map(|answer| !matches!(answer.status, 300..=399 | 401 | 403))
    }

    async fn status(&mut self) -> Option<Status> {
        let read = async {
            let answer = self.server.ask("status", Ask::Xml).await?;
            self.server.expect(&answer)?;
            Status::read(&String::from_utf8_lossy(&answer.body)).ok_or_else(|| "it is another page".to_owned())
        };
        let read = read.await;
        self.noted("the status (/eureka/status)", read)
    }

    async fn dashboard(&mut self, path: &str) -> Option<Dashboard> {
        let read = async {
            let answer = self.server.ask_beside(&format!("{path}/"), Ask::Page).await?;
            self.server.expect(&answer)?;
            Dashboard::read(&String::from_utf8_lossy(&answer.body))
                .ok_or_else(|| "it is another page than a Java server's".to_owned())
        };
        let read = read.await;
        self.noted("the dashboard (/)", read)
    }

    async fn health(&mut self) -> Option<u16> {
        let read = self.server.without_user().ask_beside("actuator/health", Ask::Json).await;
        self.noted("the health (/actuator/health)", read).map(|answer| answer.status)
    }

    /// What the server says now of those whose leases look expired.
    async fn live(&mut self, listing: &Listing, now: Timestamp) -> BTreeMap<InstanceKey, Live> {
        let looks_expired = listing.listed.iter().filter(|one| Survey::is_expired(&one.lease, now));
        let keys: BTreeSet<InstanceKey> = looks_expired.map(|one| one.info.key()).collect();
        let (read, why) = one_by_one(&self.server, &keys, now).await;
        if let Some(why) = why {
            self.unread.push(Unread { what: "some instances past the cache".to_owned(), why });
        }
        let live = |one: Option<(_, _)>| one.map_or(Live::NotServed, |(_, lease)| Live::Registered(lease));
        read.into_iter().map(|(key, one)| (key, live(one))).collect()
    }

    async fn peers(
        &mut self,
        caller: &Caller,
        named: &[ServiceUrl],
        status: Option<&Status>,
        listing: &Listing,
        clock: Clock,
    ) -> Vec<Peer> {
        let own = view(listing);
        let plain = ServiceUrl::without_credentials;
        let is_named = |url: &ServiceUrl| named.iter().any(|one| plain(one) == plain(url));
        let of_status: Vec<ServiceUrl> = status.map_or_else(Vec::new, |status| status.registered.clone());
        let of_status = of_status.iter().filter(|url| !is_named(url)).map(|url| caller.server_named_by_another(url));
        let all: Vec<Server> = named.iter().map(|url| caller.server(url)).chain(of_status).collect();
        if all.len() > MOST_PEERS {
            let why = format!("there are {}, and {MOST_PEERS} are read", all.len());
            self.unread.push(Unread { what: "some peers".to_owned(), why });
        }
        let mut peers = Vec::new();
        for peer in all.into_iter().take(MOST_PEERS) {
            let unavailable =
                status.is_some_and(|status| status.unavailable.iter().any(|one| plain(one) == plain(peer.url())));
            let differences = self.differences(&peer, &own, clock).await;
            peers.push(Peer { url: peer.url().clone(), is_called_unavailable: unavailable, differences });
        }
        peers
    }

    /// The differences from a peer that are still there past the caches of both.
    async fn differences(&mut self, peer: &Server, own: &View, clock: Clock) -> Result<Vec<Difference>, String> {
        let theirs = peer.view(clock.now()).await?;
        let differing: BTreeSet<InstanceKey> = compare(own, &theirs).into_iter().map(|one| one.key).collect();
        let (left, why) = one_by_one(&self.server, &differing, clock.now()).await;
        let (right, of_peer) = one_by_one(peer, &differing, clock.now()).await;
        if let Some(why) = why.or(of_peer) {
            let what = format!("some instances that {} shows otherwise", peer.url());
            self.unread.push(Unread { what, why });
        }
        let both = |key: &InstanceKey| left.contains_key(key) && right.contains_key(key);
        let view = |read: &BTreeMap<InstanceKey, Read>| -> View {
            let there = read.iter().filter(|(key, _)| both(key));
            there.filter_map(|(key, one)| Some((key.clone(), one.as_ref()?.0.clone()))).collect()
        };
        Ok(compare(&view(&left), &view(&right)))
    }
}

/// An instance as it is read past the cache.
type Read = Option<(crate::model::InstanceInfo, crate::model::LeaseInfo)>;

/// Reads instances one by one, until too many are read or it takes too long; why some are not read.
async fn one_by_one(
    server: &Server,
    keys: &BTreeSet<InstanceKey>,
    now: Timestamp,
) -> (BTreeMap<InstanceKey, Read>, Option<String>) {
    let (mut read, end) = (BTreeMap::new(), Instant::now() + LIVE_TIME);
    for key in keys {
        if read.len() == MOST_LIVE || Instant::now() > end {
            return (read, Some(format!("{} of {} are read one by one", keys.len().min(MOST_LIVE), keys.len())));
        }
        match server.instance(key, now).await {
            Ok(one) => read.insert(key.clone(), one),
            Err(why) => return (read, Some(why)),
        };
    }
    (read, None)
}
