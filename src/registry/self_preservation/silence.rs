//! [`Silence`]: which instances are silent at one moment, by application, and whether that looks like a fault of the network.
//!
//! An instance is silent if it has missed two renewals, by its own renewal interval. So it is known who is silent before the first
//! of those leases expires.

use crate::model::AppName;

/// With fewer instances than this, each that dies is a large share: they are evicted, as their leases say.
const FEWEST_INSTANCES: usize = 10;
/// Applications that may be short of instances without a fault of the network: one that is scaled down, and one that restarts.
const FEW_APPLICATIONS: usize = 2;

/// The instances that are silent at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// How many instances are registered.
    pub instances: usize,
    /// How many of them are silent.
    pub silent: usize,
    /// How many applications there are.
    pub applications: usize,
    /// The applications of which a larger share is silent than is tolerated, in the order of their names.
    pub short: Vec<Short>,
}

/// An application that is short of instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Short {
    /// Its name.
    pub application: AppName,
    /// How many instances it has, those that are silent among them.
    pub instances: usize,
    /// How many of them are silent.
    pub silent: usize,
}

/// Why expired leases are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Too few renewals arrived in the last minute, by Java's arithmetic.
    FewRenewals,
    /// Instances of many applications fell silent at the same time.
    ManyApplications,
    /// Instances fell silent, and no peer answers either: this replica itself is cut off.
    NoPeer,
}

impl Silence {
    /// Counts instances, in the order of their applications, each with whether it is silent. At most a share of
    /// `tolerated` may be silent.
    pub(super) fn count<'a>(instances: impl Iterator<Item = (&'a AppName, bool)>, tolerated: f64) -> Self {
        let mut silence = Self::default();
        let mut running: Option<Short> = None;
        for (application, silent) in instances {
            silence.instances += 1;
            silence.silent += usize::from(silent);
            if running.as_ref().is_none_or(|running| running.application != *application) {
                let begins = Short { application: application.clone(), instances: 0, silent: 0 };
                silence.ends(running.replace(begins), tolerated);
            }
            if let Some(running) = &mut running {
                running.instances += 1;
                running.silent += usize::from(silent);
            }
        }
        silence.ends(running, tolerated);
        silence
    }

    fn ends(&mut self, application: Option<Short>, tolerated: f64) {
        let Some(application) = application else { return };
        self.applications += 1;
        if exceeds(application.silent, application.instances, tolerated) {
            self.short.push(application);
        }
    }

    /// Why so many instances are silent that the network is the likely cause; `None` if they are few. `alone` means that there
    /// are peers, but all of them are unreachable.
    pub(super) fn cause(&self, tolerated: f64, alone: bool) -> Option<Cause> {
        if !exceeds(self.silent, self.instances, tolerated) {
            return None;
        }
        if alone {
            return Some(Cause::NoPeer);
        }
        let many = self.short.len() > FEW_APPLICATIONS && exceeds(self.short.len(), self.applications, tolerated);
        (self.instances >= FEWEST_INSTANCES && many).then_some(Cause::ManyApplications)
    }
}

/// Whether `part` is a larger share of `whole` than is tolerated.
fn exceeds(part: usize, whole: usize, tolerated: f64) -> bool {
    part as f64 > whole as f64 * tolerated
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERATED: f64 = 0.15;

    /// Applications, each with its number of instances and of silent ones.
    fn silence(applications: &[(usize, usize)]) -> Silence {
        let names: Vec<AppName> =
            (0..applications.len()).map(|number| AppName::new(&format!("app-{number}"))).collect();
        let instances = applications
            .iter()
            .zip(&names)
            .flat_map(|((instances, silent), name)| (0..*instances).map(move |number| (name, number < *silent)));
        Silence::count(instances, TOLERATED)
    }

    fn cause(applications: &[(usize, usize)]) -> Option<Cause> {
        silence(applications).cause(TOLERATED, false)
    }

    #[test]
    fn short_applications_are_those_that_miss_more_than_is_tolerated() {
        let silence = silence(&[(20, 3), (20, 4), (1, 1), (5, 0)]);
        assert_eq!((silence.instances, silence.silent, silence.applications), (46, 8, 4));
        let short: Vec<_> = silence.short.iter().map(|short| (short.application.as_str(), short.silent)).collect();
        assert_eq!(short, [("APP-1", 4), ("APP-2", 1)]);
    }

    #[test]
    fn a_scale_down_is_no_fault_of_the_network() {
        assert_eq!(cause(&[(20, 18), (5, 0), (5, 0)]), None);
        assert_eq!(cause(&[(100, 90), (100, 90)]), None, "neither are two");
    }

    #[test]
    fn a_handful_of_instances_is_evicted_as_its_leases_say() {
        assert_eq!(cause(&[(1, 1), (1, 0)]), None);
        assert_eq!(cause(&[(1, 1), (1, 1), (1, 1), (6, 0)]), None);
    }

    #[test]
    fn many_applications_at_once_are_a_fault_of_the_network() {
        assert_eq!(cause(&[(3, 1), (3, 1), (3, 1), (3, 1)]), Some(Cause::ManyApplications), "a zone of three");
        let few_of_many: Vec<_> = (0..40).map(|number| (3, if number < 4 { 3 } else { 0 })).collect();
        assert_eq!(cause(&few_of_many), None, "four of forty applications, a tenth of the instances");
        let small_of_many: Vec<_> = (0..40).map(|number| if number < 4 { (30, 30) } else { (3, 0) }).collect();
        assert_eq!(cause(&small_of_many), None, "many instances, but of four of forty applications");
    }

    #[test]
    fn a_replica_that_hears_no_peer_either_is_cut_off() {
        let handful = silence(&[(1, 1), (2, 0)]);
        assert_eq!(handful.cause(TOLERATED, true), Some(Cause::NoPeer));
        assert_eq!(silence(&[(10, 1)]).cause(TOLERATED, true), None, "so few may be dead");
        assert_eq!(silence(&[]).cause(TOLERATED, true), None);
    }
}
