//! Who has to fetch a change before nobody uses what was before, and who has not yet: what a drain waits for.
//!
//! A reader is a row of [`Subscribers`](super::subscribers::Subscribers): a user agent at an address. Where one instance is registered at
//! that address, as at that of a pod, the reader is one client, and one fetch is a proof. Elsewhere (a proxy, a machine with several
//! processes, a client that registers nothing) there may be several clients in one row: such a row counts when it has fetched and a whole
//! interval has passed, within which each client behind it has fetched, too.

use std::net::IpAddr;
use std::time::Duration;

use super::ApiError;
use super::state::AppState;
use super::subscribers::{Part, PartId, Subscriber};
use crate::codec::exchange::{Reader, ReadersAnswer, ReadersRequest};
use crate::model::{AppName, InstanceKey, parse_address};
use crate::time::Timestamp;

/// Maximum number of readers that an answer names.
const MOST_NAMED: usize = 20;

/// The longest interval at which clients fetch. One that fetched twice within two days does not keep drains waiting for two more.
pub(super) const LONGEST_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The time within which each client fetches once, if `interval` is the longest interval of a client: clients count their interval from
/// the end of a fetch, and start it a little late.
pub(super) fn whole_interval(interval: Duration) -> Duration {
    interval + interval / 10
}

/// Whether a subscriber is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It does not fetch the instance, or no more, or is the instance itself.
    NoReader,
    /// It has fetched the change.
    Fetched,
    /// It has fetched, and a whole interval has passed, in which all clients in this row have fetched.
    ByTime,
    /// It has not fetched the change yet, or not each client in this row may have.
    Waiting,
}

/// What readers are asked for, at one moment.
#[derive(Debug)]
struct Question {
    /// The parts of the registry that contain the instance.
    parts: Vec<PartId>,
    /// The instance's own address.
    own: Option<IpAddr>,
    /// Readers that fetched after this have fetched the change.
    since: Timestamp,
    /// The longest interval at which clients fetch.
    interval: Duration,
    now: Timestamp,
}

impl Question {
    /// Where a subscriber stands, with this many instances registered at its address.
    fn standing(&self, one: &Subscriber, instances_at_address: u32) -> Standing {
        let is_itself = self.own == Some(one.address) && instances_at_address <= 1;
        let Some(last) = one.last_fetch_of(&self.parts).filter(|_| !is_itself) else { return Standing::NoReader };
        let gap = Duration::from_millis(one.interval_ms.and_then(|gap| u64::try_from(gap).ok()).unwrap_or(0));
        // Who has not fetched within two intervals is gone. The mean of short gaps says little: a client fetches twice when it starts. Nor
        // does that of gaps that no client has: a person's fetches, or those of a client that was away.
        if last.at + 2 * gap.min(LONGEST_INTERVAL).max(self.interval) < self.now {
            return Standing::NoReader;
        }
        if last.certain_at > self.since && instances_at_address == 1 {
            Standing::Fetched
        } else if last.at > self.since && self.is_interval_over() {
            Standing::ByTime
        } else {
            Standing::Waiting
        }
    }

    /// Whether every client has fetched the change, known or not.
    fn is_interval_over(&self) -> bool {
        self.now > self.since + whole_interval(self.interval)
    }

    /// Whether there may be a reader that is not known here: who has fetched lately, but before `known_since`.
    fn may_lack_readers(&self, known_since: Timestamp) -> bool {
        known_since + 2 * self.interval > self.since && !self.is_interval_over()
    }
}

/// Whether the readers at this replica have fetched a change.
///
/// # Errors
/// If the stamp of the change is none.
pub(super) fn answer(app: &AppState, request: &ReadersRequest, now: Timestamp) -> Result<ReadersAnswer, ApiError> {
    let stamp = request.stamp(now).ok_or_else(|| ApiError::BadParameter("statusOverride is no stamp".to_owned()))?;
    let app_name = AppName::new(&request.app);
    let lease = app.registry.lease(InstanceKey::new(&app_name, &request.id).as_str());
    let arrived = lease.as_ref().map(|lease| lease.with_record(|record| record.status_override.stamp >= stamp));
    let options = app.registry.options();
    let stale =
        if options.use_read_only_response_cache { options.response_cache_update_interval } else { Duration::ZERO };
    let application = Part::Application(app_name.as_str());
    let vips = request.vips.iter().map(|vip| Part::Vip(vip));
    let secure_vips = request.secure_vips.iter().map(|vip| Part::SecureVip(vip));
    let parts = [application].into_iter().chain(vips).chain(secure_vips);
    let question = Question {
        parts: parts.map(|part| app.subscribers.part(part)).collect(),
        own: parse_address(&request.address),
        since: request.since.map_or(now, Timestamp) + stale,
        interval: Duration::from_millis(request.interval_ms),
        now,
    };
    let opened = now - app.registry.uptime(now);
    let mut answer = ReadersAnswer {
        now: now.0,
        is_registered: arrived.is_some(),
        has_arrived: arrived == Some(true),
        may_lack_readers: question.may_lack_readers(opened.max(app.subscribers.forgotten_fetch())),
        ..ReadersAnswer::default()
    };
    let addresses = app.addresses.of(&app.registry, now);
    app.subscribers.each(|one| {
        let registered = addresses.get(&one.address);
        let standing = question.standing(one, registered.map_or(0, |at| at.instances));
        answer.readers += u64::from(standing != Standing::NoReader);
        answer.by_time += u64::from(standing == Standing::ByTime);
        if standing == Standing::Waiting {
            answer.waiting += 1;
            let application = registered.map(|at| at.application.as_str().to_owned());
            let last = one.last_fetch_of(&question.parts).map_or(Timestamp::NEVER, |last| last.at);
            let may_be_several = registered.is_none_or(|at| at.instances > 1);
            name(&mut answer.waiting_for, one, now.since(last), application, may_be_several);
        }
    });
    Ok(answer)
}

/// Names a reader, if there are few, or it has not fetched for longer than one that is named.
fn name(named: &mut Vec<Reader>, one: &Subscriber, age: Duration, application: Option<String>, may_be_several: bool) {
    let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let place = named.partition_point(|other| other.age_ms >= age_ms);
    if place >= MOST_NAMED {
        return;
    }
    named.truncate(MOST_NAMED - 1);
    let reader = Reader {
        address: one.address,
        user_agent: one.agent.to_string(),
        user: one.user.as_deref().map(str::to_owned),
        application,
        age_ms,
        interval_ms: one.interval_ms,
        may_be_several,
    };
    named.insert(place, reader);
}

#[cfg(test)]
mod tests {
    use http::header::USER_AGENT;
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::http::subscribers::{Fetch, Subscribers};
    use crate::registry::{Caller, Source};

    const INTERVAL: i64 = 30_000;

    /// The subscribers of a replica, of which each has an address that ends with its number.
    #[derive(Default)]
    struct Readers(Subscribers);

    impl Readers {
        fn fetch(&self, number: u8, fetch: Fetch, part: Option<Part<'_>>, at: i64) {
            let caller = Caller { address: Some(IpAddr::from([10, 0, 0, number])), ..Caller::from(Source::Client) };
            let headers: HeaderMap = [(USER_AGENT, HeaderValue::from_static("Java"))].into_iter().collect();
            self.0.note(fetch, part, &caller, &headers, Timestamp(at));
        }

        /// Where the reader of this address stands at `now`, when ORDERS/o-1 with the virtual address `orders` changed at `since`.
        fn standing(&self, number: u8, instances_at_address: u32, since: i64, now: i64) -> Standing {
            let question = self.question(since, now);
            let mut found = None;
            self.0.each(|one| {
                if one.address == IpAddr::from([10, 0, 0, number]) {
                    found = Some(question.standing(one, instances_at_address));
                }
            });
            found.unwrap()
        }

        fn question(&self, since: i64, now: i64) -> Question {
            let parts = [Part::Application("ORDERS"), Part::Vip("orders"), Part::SecureVip("orders")];
            Question {
                parts: parts.map(|part| self.0.part(part)).to_vec(),
                own: Some(IpAddr::from([10, 0, 0, 99])),
                since: Timestamp(since),
                interval: Duration::from_millis(30_000),
                now: Timestamp(now),
            }
        }
    }

    #[test]
    fn a_reader_is_waited_for_until_it_fetches_or_is_gone() {
        let readers = Readers::default();
        readers.fetch(1, Fetch::Full, None, 100_000);
        assert_eq!(readers.standing(1, 1, 110_000, 110_000), Standing::Waiting);
        assert_eq!(readers.standing(1, 1, 110_000, 100_000 + 2 * INTERVAL), Standing::Waiting);
        assert_eq!(readers.standing(1, 1, 110_000, 100_001 + 2 * INTERVAL), Standing::NoReader, "it is gone");
        readers.fetch(1, Fetch::Delta, None, 110_000);
        assert_eq!(readers.standing(1, 1, 110_000, 111_000), Standing::Waiting, "it may have read before the change");
        readers.fetch(1, Fetch::Delta, None, 110_001);
        assert_eq!(readers.standing(1, 1, 110_000, 111_000), Standing::Fetched);
    }

    #[test]
    fn a_reader_with_longer_intervals_is_waited_for_longer() {
        let readers = Readers::default();
        for at in [100_000, 400_000, 700_000] {
            readers.fetch(1, Fetch::Delta, None, at);
        }
        assert_eq!(readers.standing(1, 1, 720_000, 1_300_000), Standing::Waiting, "two of its own intervals");
        assert_eq!(readers.standing(1, 1, 720_000, 1_300_001), Standing::NoReader);
    }

    #[test]
    fn who_fetched_twice_within_a_day_is_not_waited_for_the_whole_next_day() {
        let readers = Readers::default();
        for at in [100_000, 86_500_000] {
            readers.fetch(1, Fetch::Full, None, at);
        }
        assert_eq!(readers.standing(1, 0, 86_600_000, 87_100_000), Standing::Waiting, "two of the longest intervals");
        assert_eq!(readers.standing(1, 0, 86_600_000, 87_100_001), Standing::NoReader);
    }

    #[test]
    fn a_reader_that_fetched_twice_when_it_started_is_no_reader_of_short_intervals() {
        let readers = Readers::default();
        readers.fetch(1, Fetch::Full, None, 100_000);
        readers.fetch(1, Fetch::Delta, None, 100_010);
        assert_eq!(readers.standing(1, 1, 110_000, 150_000), Standing::Waiting);
    }

    #[test]
    fn where_several_clients_may_have_one_address_a_whole_interval_has_to_pass() {
        let readers = Readers::default();
        readers.fetch(1, Fetch::Full, None, 100_000);
        readers.fetch(1, Fetch::Full, None, 110_001);
        for instances in [0, 2] {
            assert_eq!(readers.standing(1, instances, 110_000, 111_000), Standing::Waiting);
            assert_eq!(readers.standing(1, instances, 110_000, 143_000), Standing::Waiting, "an interval and a tenth");
            assert_eq!(readers.standing(1, instances, 110_000, 143_001), Standing::ByTime);
        }
        readers.fetch(2, Fetch::Full, None, 100_000);
        assert_eq!(readers.standing(2, 0, 110_000, 150_000), Standing::Waiting, "time alone is no fetch");
    }

    #[test]
    fn a_reader_of_a_part_counts_if_the_instance_is_in_it() {
        let readers = Readers::default();
        let parts = [
            (1, Part::Application("ORDERS"), Standing::Waiting),
            (2, Part::Vip("orders"), Standing::Waiting),
            (3, Part::SecureVip("orders"), Standing::Waiting),
            (4, Part::Application("BILLING"), Standing::NoReader),
            (5, Part::Vip("billing"), Standing::NoReader),
        ];
        for (number, part, standing) in parts {
            readers.fetch(number, Fetch::Part, Some(part), 100_000);
            assert_eq!(readers.standing(number, 1, 110_000, 111_000), standing, "{part:?}");
        }
        readers.fetch(1, Fetch::Part, Some(Part::Application("BILLING")), 112_000);
        assert_eq!(readers.standing(1, 1, 110_000, 113_000), Standing::Waiting, "the fetch of another part is none");
        readers.fetch(1, Fetch::Part, Some(Part::Application("ORDERS")), 112_000);
        assert_eq!(readers.standing(1, 1, 110_000, 113_000), Standing::Fetched);
        readers.fetch(6, Fetch::Part, None, 100_000);
        assert_eq!(readers.standing(6, 1, 110_000, 111_000), Standing::NoReader, "it fetched a single instance");
    }

    #[test]
    fn of_a_reader_of_many_parts_nobody_knows_so_time_counts() {
        let readers = Readers::default();
        readers.fetch(1, Fetch::Part, Some(Part::Application("ORDERS")), 100_000);
        for number in 0..40 {
            readers.fetch(1, Fetch::Part, Some(Part::Application(&format!("A-{number}"))), 100_001 + number);
        }
        assert_eq!(readers.standing(1, 1, 110_000, 111_000), Standing::Waiting, "it may read the instance");
        for number in 0..40 {
            readers.fetch(1, Fetch::Part, Some(Part::Application(&format!("A-{number}"))), 112_001 + number);
        }
        assert_eq!(readers.standing(1, 1, 110_000, 113_000), Standing::Waiting, "this was not a fetch of ORDERS");
        assert_eq!(readers.standing(1, 1, 110_000, 143_001), Standing::ByTime);
    }

    #[test]
    fn the_instance_itself_is_not_waited_for_unless_others_have_its_address() {
        let readers = Readers::default();
        readers.fetch(99, Fetch::Full, None, 100_000);
        for (instances, standing) in [(1, Standing::NoReader), (0, Standing::NoReader), (2, Standing::Waiting)] {
            assert_eq!(readers.standing(99, instances, 110_000, 111_000), standing, "{instances}");
        }
    }

    #[test]
    fn a_replica_that_does_not_know_all_readers_waits_a_whole_interval() {
        let readers = Readers::default();
        let lacks = |known_since, now| readers.question(110_000, now).may_lack_readers(Timestamp(known_since));
        assert!(!lacks(110_000 - 2 * INTERVAL, 110_000), "who fetched before that is gone");
        assert!(lacks(110_001 - 2 * INTERVAL, 143_000));
        assert!(!lacks(110_001 - 2 * INTERVAL, 143_001));
    }

    #[test]
    fn of_many_readers_those_with_the_oldest_fetches_are_named() {
        let readers = Readers::default();
        for number in 1..=88 {
            readers.fetch(number, Fetch::Full, None, 100_000 + i64::from(number) * 7 % 89);
        }
        let mut named = Vec::new();
        readers.0.each(|one| name(&mut named, one, Timestamp(101_000).since(one.last_at), None, false));
        let ages: Vec<u64> = named.iter().map(|reader| reader.age_ms).collect();
        assert_eq!(ages, (0..20).map(|number| 999 - number).collect::<Vec<u64>>());
    }
}
