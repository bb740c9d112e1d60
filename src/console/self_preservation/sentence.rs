//! [`Sentence`]: why expired leases are evicted, or kept, with the numbers that decide it.

use std::fmt;
use std::time::Duration;

use super::preserving::Preserving;
use crate::console::duration::{Span, counted};
use crate::registry::{Cause, SelfPreservation as Figures, SelfPreservationMode, Short, Silence};
use crate::time::Timestamp;

/// How many applications a sentence names.
const NAMES_IN_SENTENCE: usize = 3;

/// Why expired leases are evicted, or kept.
pub(super) struct Sentence<'a> {
    pub(super) state: Preserving,
    pub(super) figures: &'a Figures,
    /// The share of the expected renewals.
    pub(super) share: f64,
    /// How many expired leases are kept.
    pub(super) kept: u64,
    /// How long after the start the Java server's arithmetic is believed.
    pub(super) judged_after: Duration,
    pub(super) now: Timestamp,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.state, self.figures.mode) {
            (Preserving::Switched, _) => self.switched(f),
            (Preserving::Disabled, _) => f.write_str(
                "Self-preservation is switched off: expired leases are evicted, however many instances are silent.",
            ),
            (_, SelfPreservationMode::Java) => self.by_renewals(f),
            (_, SelfPreservationMode::PerApplication) => self.by_applications(f),
        }
    }
}

impl Sentence<'_> {
    fn switched(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(switch) = &self.figures.switch else { return Ok(()) };
        let (ago, left) = (Span(self.now.since(switch.since)), Span(switch.until.since(self.now)));
        let what = if switch.evict { "evicted" } else { "kept" };
        let (who, reason) = (&switch.caller, &switch.reason);
        write!(
            f,
            "{who} switched self-preservation {ago} ago: expired leases are {what} for {left} more. The reason: {reason}"
        )
    }

    fn by_applications(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let silence = &self.figures.silence;
        let Some(keeping) = self.figures.keeping else {
            return match silence.silent {
                0 => f.write_str("Expired leases are evicted. No instance is silent."),
                _ => write!(f, "Expired leases are evicted. {}.", Silent(silence)),
            };
        };
        let lasts = Span(self.now.since(keeping.since));
        if self.state == Preserving::Exceeded {
            return write!(
                f,
                "Self-preservation has lasted for {lasts}, longer than registry.self-preservation.max-duration: expired leases are \
                 evicted. {}.",
                Silent(silence)
            );
        }
        write!(f, "Self-preservation has kept expired leases for {lasts}. {}", Silent(silence))?;
        match keeping.cause {
            _ if keeping.calm_since.is_some() => {
                f.write_str(": the others are back, and these have one renewal interval to follow.")?;
                return self.kept(f);
            }
            Cause::NoPeer => f.write_str(", and no peer answers: this replica seems to be cut off.")?,
            Cause::ManyApplications | Cause::FewRenewals => {
                f.write_str(": that many at once look like a fault of the network.")?;
            }
        }
        self.kept(f)?;
        f.write_str(" It ends when they renew")?;
        match keeping.until {
            Some(until) => write!(f, ", and in {} at the latest.", Span(until.since(self.now))),
            None => f.write_str("."),
        }
    }

    fn by_renewals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { renews_last_minute: renewals, renews_per_minute_threshold: threshold, expected_clients, .. } =
            *self.figures;
        let (arrived, clients) = (counted(renewals, "renewal"), counted(expected_clients.into(), "client"));
        let share = (self.share * 100.0).round();
        let send = if expected_clients == 1 { "sends" } else { "send" };
        let needed = format!("but more than {threshold} are needed ({share} % of what {clients} {send})");
        match self.state {
            Preserving::Active => {
                write!(f, "Self-preservation keeps expired leases: {arrived} arrived in the last minute, {needed}.")?;
                if self.figures.silence.silent > 0 {
                    write!(f, " {}.", Silent(&self.figures.silence))?;
                }
                self.kept(f)
            }
            Preserving::Starting => write!(
                f,
                "Expired leases are kept for now: {arrived} arrived in the last minute, {needed}. Self-preservation is decided {} \
                 after the start.",
                Span(self.judged_after)
            ),
            Preserving::Inactive | Preserving::Exceeded | Preserving::Switched | Preserving::Disabled => write!(
                f,
                "Expired leases are evicted: {arrived} arrived in the last minute, above the threshold of {threshold} for \
                 {clients}."
            ),
        }
    }

    fn kept(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kept {
            0 => f.write_str(" No lease has expired so far."),
            1 => f.write_str(" 1 expired lease is kept."),
            kept => write!(f, " {kept} expired leases are kept."),
        }
    }
}

/// `36 of 120 instances are silent; 12 of 30 applications are short (ORDERS lacks 3 of 9, and 11 more)`.
struct Silent<'a>(&'a Silence);

impl fmt::Display for Silent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Silence { instances, silent, applications, short } = self.0;
        let are = if *silent == 1 { "is" } else { "are" };
        write!(f, "{silent} of {} {are} silent", counted(*instances as u64, "instance"))?;
        if short.is_empty() {
            return Ok(());
        }
        let applications = counted(*applications as u64, "application");
        let verb = if short.len() == 1 { "is" } else { "are" };
        write!(f, "; {} of {applications} {verb} short (", short.len())?;
        for (number, Short { application, instances, silent }) in short.iter().take(NAMES_IN_SENTENCE).enumerate() {
            let before = if number == 0 { "" } else { ", " };
            write!(f, "{before}{application} lacks {silent} of {instances}", application = application.as_str())?;
        }
        match short.len().saturating_sub(NAMES_IN_SENTENCE) {
            0 => f.write_str(")"),
            more => write!(f, ", and {more} more)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AppName;
    use crate::registry::{Caller, Keeping, Source, Switch};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn figures(mode: SelfPreservationMode) -> Figures {
        Figures {
            enabled: true,
            renews_last_minute: 1,
            renews_per_minute_threshold: 34,
            expected_clients: 20,
            lease_expiration_enabled: false,
            below_threshold: true,
            mode,
            keeping: None,
            silence: Silence { instances: 120, applications: 30, ..Silence::default() },
            switch: None,
        }
    }

    fn said(state: Preserving, figures: &Figures, kept: u64) -> String {
        Sentence { state, figures, share: 0.85, kept, judged_after: Duration::from_secs(300), now: NOW }.to_string()
    }

    fn with_silent(mode: SelfPreservationMode, applications: usize) -> Figures {
        let short = |number| Short { application: AppName::new(&format!("app-{number}")), instances: 9, silent: 3 };
        let short: Vec<Short> = (0..applications).map(short).collect();
        let silence = Silence { instances: 120, silent: 3 * applications, applications: 30, short };
        Figures { silence, ..figures(mode) }
    }

    #[test]
    fn it_is_said_which_applications_are_short_and_until_when_it_lasts() {
        let mode = SelfPreservationMode::PerApplication;
        assert_eq!(said(Preserving::Inactive, &figures(mode), 0), "Expired leases are evicted. No instance is silent.");
        assert_eq!(
            said(Preserving::Inactive, &with_silent(mode, 1), 0),
            "Expired leases are evicted. 3 of 120 instances are silent; 1 of 30 applications is short (APP-0 lacks 3 of 9)."
        );
        let keeping = Keeping {
            since: NOW - Duration::from_secs(300),
            cause: Cause::ManyApplications,
            until: Some(NOW + Duration::from_secs(1500)),
            calm_since: None,
        };
        let active = Figures { keeping: Some(keeping), ..with_silent(mode, 12) };
        assert_eq!(
            said(Preserving::Active, &active, 7),
            "Self-preservation has kept expired leases for 5 min. 36 of 120 instances are silent; 12 of 30 applications are short \
             (APP-0 lacks 3 of 9, APP-1 lacks 3 of 9, APP-2 lacks 3 of 9, and 9 more): that many at once look like a fault of the \
             network. 7 expired leases are kept. It ends when they renew, and in 25 min at the latest."
        );
        let alone =
            Figures { keeping: Some(Keeping { cause: Cause::NoPeer, until: None, ..keeping }), ..with_silent(mode, 1) };
        assert!(said(Preserving::Active, &alone, 1).ends_with(
            "and no peer answers: this replica seems to be cut off. 1 expired lease is kept. It ends when they renew."
        ));
        let calm = Figures { keeping: Some(Keeping { calm_since: Some(NOW), ..keeping }), ..with_silent(mode, 1) };
        assert_eq!(
            said(Preserving::Active, &calm, 3),
            "Self-preservation has kept expired leases for 5 min. 3 of 120 instances are silent; 1 of 30 applications is short \
             (APP-0 lacks 3 of 9): the others are back, and these have one renewal interval to follow. 3 expired leases are kept."
        );
        assert!(said(Preserving::Exceeded, &active, 0).starts_with(
            "Self-preservation has lasted for 5 min, longer than registry.self-preservation.max-duration: expired leases are evicted."
        ));
    }

    #[test]
    fn the_java_servers_arithmetic_is_a_sentence_with_its_numbers() {
        let mode = SelfPreservationMode::Java;
        assert_eq!(
            said(Preserving::Active, &with_silent(mode, 1), 3),
            "Self-preservation keeps expired leases: 1 renewal arrived in the last minute, but more than 34 are needed (85 % of \
             what 20 clients send). 3 of 120 instances are silent; 1 of 30 applications is short (APP-0 lacks 3 of 9). 3 expired \
             leases are kept."
        );
        let enough = Figures { renews_last_minute: 40, ..figures(mode) };
        assert_eq!(
            said(Preserving::Inactive, &enough, 0),
            "Expired leases are evicted: 40 renewals arrived in the last minute, above the threshold of 34 for 20 clients."
        );
        let starting =
            Figures { renews_last_minute: 0, renews_per_minute_threshold: 1, expected_clients: 1, ..figures(mode) };
        assert_eq!(
            said(Preserving::Starting, &starting, 0),
            "Expired leases are kept for now: 0 renewals arrived in the last minute, but more than 1 are needed (85 % of what 1 \
             client sends). Self-preservation is decided 5 min after the start."
        );
    }

    #[test]
    fn what_an_operator_decided_is_said_with_its_reason_and_end() {
        let mode = SelfPreservationMode::PerApplication;
        let caller = Caller { user: Some("admin".into()), ..Caller::from(Source::Client) };
        let (since, until) = (NOW - Duration::from_secs(300), NOW + Duration::from_secs(1500));
        let switch = Switch { evict: true, reason: "zone b is gone".to_owned(), caller, since, until };
        let switched = Figures { switch: Some(switch), ..figures(mode) };
        assert_eq!(
            said(Preserving::Switched, &switched, 0),
            "admin switched self-preservation 5 min ago: expired leases are evicted for 25 min more. The reason: zone b is gone"
        );
        assert!(said(Preserving::Disabled, &figures(mode), 0).starts_with("Self-preservation is switched off"));
    }
}
