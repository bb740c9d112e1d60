//! [`Judgement`]: since when expired leases are kept, and until when; and what an operator said about it.

use std::time::Duration;

use super::silence::{Cause, Silence};
use crate::registry::Caller;
use crate::time::Timestamp;

/// That expired leases are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub cause: Cause,
    /// From when on they are evicted all the same; `None` without an end.
    pub until: Option<Timestamp>,
    /// Since when the cause is gone. Clients that are back need time to renew before silence means something again.
    pub calm_since: Option<Timestamp>,
}

/// For how long expired leases are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// At most, though the cause lasts; `None` without an end.
    pub(super) longest: Option<Duration>,
    /// After the cause is gone, while somebody is still silent.
    pub(super) calm: Duration,
}

impl Keeping {
    /// Whether it has lasted for longer than it may.
    pub fn is_exceeded(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// What an operator decided, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Whether expired leases are evicted, or kept.
    pub evict: bool,
    /// Why, as the operator said it.
    pub reason: String,
    /// Who.
    pub caller: Caller,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A change that is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Expired leases are kept from now on.
    Began(Keeping, Silence),
    /// It has lasted for as long as it may: they are evicted, though nothing is better.
    Exceeded(Keeping, Silence),
    /// It is over.
    Ended(Keeping),
}

/// What was found out when the eviction ran last.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    silence: Silence,
    keeping: Option<Keeping>,
    said_that_it_is_exceeded: bool,
    switch: Option<Switch>,
}

impl Judgement {
    /// Notes what is silent now, and whether that is a cause to keep it. It ends when nobody is silent any more, or when the cause
    /// has been gone for a while: when most clients are back after a cut, the others live, too, and are about to renew.
    pub(super) fn judge(
        &mut self,
        silence: Silence,
        cause: Option<Cause>,
        terms: Terms,
        now: Timestamp,
    ) -> Option<News> {
        self.silence = silence;
        let Some(cause) = cause else { return self.calm(terms.calm, now) };
        match &mut self.keeping {
            None => {
                let until = terms.longest.map(|longest| now + longest);
                let keeping = Keeping { since: now, cause, until, calm_since: None };
                self.keeping = Some(keeping);
                Some(News::Began(keeping, self.silence.clone()))
            }
            Some(keeping) => {
                keeping.cause = cause;
                keeping.calm_since = None;
                let is_news = keeping.is_exceeded(now) && !self.said_that_it_is_exceeded;
                self.said_that_it_is_exceeded |= is_news;
                is_news.then(|| News::Exceeded(*keeping, self.silence.clone()))
            }
        }
    }

    /// The cause is gone.
    fn calm(&mut self, long_enough: Duration, now: Timestamp) -> Option<News> {
        let keeping = self.keeping.as_mut()?;
        let calm_since = *keeping.calm_since.get_or_insert(now);
        if self.silence.silent > 0 && now.since(calm_since) < long_enough {
            return None;
        }
        self.said_that_it_is_exceeded = false;
        self.keeping.take().map(News::Ended)
    }

    /// What is silent.
    pub(super) fn silence(&self) -> &Silence {
        &self.silence
    }

    /// Since when and why expired leases are kept, if they are or were until that lasted too long.
    pub(super) fn keeping(&self) -> Option<Keeping> {
        self.keeping
    }

    /// What an operator decided, while it holds.
    pub(super) fn switch(&self, now: Timestamp) -> Option<&Switch> {
        self.switch.as_ref().filter(|switch| now < switch.until)
    }

    /// Takes an operator's decision, or takes it back. Gives back the one that held.
    pub(super) fn set_switch(&mut self, switch: Option<Switch>, now: Timestamp) -> Option<Switch> {
        std::mem::replace(&mut self.switch, switch).filter(|switch| now < switch.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Source;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    const TERMS: Terms = Terms { longest: Some(Duration::from_secs(1800)), calm: Duration::from_secs(30) };
    const MANY: Option<Cause> = Some(Cause::ManyApplications);

    fn after(secs: u64) -> Timestamp {
        NOW + Duration::from_secs(secs)
    }

    #[test]
    fn it_begins_once_and_ends_when_its_cause_is_gone() {
        let mut judgement = Judgement::default();
        let judge =
            |judgement: &mut Judgement, cause, secs| judgement.judge(Silence::default(), cause, TERMS, after(secs));
        assert_eq!(judge(&mut judgement, None, 0), None);
        let keeping =
            Keeping { since: after(60), cause: Cause::ManyApplications, until: Some(after(1860)), calm_since: None };
        assert_eq!(judge(&mut judgement, MANY, 60), Some(News::Began(keeping, Silence::default())));
        assert_eq!(judge(&mut judgement, MANY, 120), None);
        assert_eq!(judgement.keeping(), Some(keeping));
        let ended = Keeping { calm_since: Some(after(180)), ..keeping };
        assert_eq!(judge(&mut judgement, None, 180), Some(News::Ended(ended)), "nobody is silent");
        assert_eq!(judgement.keeping(), None);
    }

    #[test]
    fn the_last_clients_that_are_back_have_time_to_renew() {
        let mut judgement = Judgement::default();
        let mut judge = |cause, silent, secs| {
            let silence = Silence { instances: 60, silent, ..Silence::default() };
            let news = judgement.judge(silence, cause, TERMS, after(secs));
            (news.is_some(), judgement.keeping().is_some())
        };
        assert_eq!(judge(MANY, 60, 0), (true, true));
        assert_eq!(judge(None, 9, 70), (false, true), "nine have not renewed yet");
        assert_eq!(judge(MANY, 60, 80), (false, true), "it is cut off again");
        assert_eq!(judge(None, 9, 90), (false, true));
        assert_eq!(judge(None, 9, 119), (false, true));
        assert_eq!(judge(None, 9, 120), (true, false), "those that are still silent are dead");
    }

    #[test]
    fn it_does_not_last_for_ever_and_can_begin_again() {
        let mut judgement = Judgement::default();
        let mut judge = |cause, secs| judgement.judge(Silence::default(), cause, TERMS, after(secs));
        let Some(News::Began(keeping, _)) = judge(MANY, 0) else { panic!("it begins") };
        assert!(!keeping.is_exceeded(after(1799)) && keeping.is_exceeded(after(1800)));
        assert_eq!(judge(MANY, 1800), Some(News::Exceeded(keeping, Silence::default())));
        assert_eq!(judge(MANY, 1860), None, "said once");
        assert_eq!(judge(None, 1900), Some(News::Ended(Keeping { calm_since: Some(after(1900)), ..keeping })));
        assert!(matches!(judge(MANY, 2000), Some(News::Began(..))));
    }

    #[test]
    fn an_operators_decision_ends_by_itself() {
        let mut judgement = Judgement::default();
        let caller = Caller::from(Source::Client);
        let switch = Switch { evict: true, reason: "a drill".to_owned(), caller, since: NOW, until: after(600) };
        assert_eq!(judgement.set_switch(Some(switch.clone()), NOW), None);
        assert_eq!(judgement.switch(after(599)), Some(&switch));
        assert_eq!(judgement.switch(after(600)), None);
        assert_eq!(judgement.set_switch(None, after(10)), Some(switch), "it held until it was taken back");
        assert_eq!(judgement.switch(after(10)), None);
    }
}
