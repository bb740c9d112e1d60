//! [`Application`], [`Applications`] and [`AppsHashCode`].

use std::fmt;

use smol_str::SmolStr;

use super::{AppName, InstanceInfo, InstanceStatus};

/// An application and its instances, as read from a peer's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Its name.
    pub name: AppName,
    /// Its instances.
    pub instances: Vec<InstanceInfo>,
}

/// A registry's content, as read from a peer's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applications {
    /// `versions__delta` as sent.
    pub versions_delta: Option<SmolStr>,
    /// `apps__hashcode` as sent.
    pub apps_hashcode: Option<SmolStr>,
    /// The applications.
    pub applications: Vec<Application>,
}

/// The number of instances by status: the content of `apps__hashcode`, by which a client knows that the deltas it applied led to
/// the registry's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppsHashCode([u32; InstanceStatus::ALL.len()]);

impl AppsHashCode {
    /// Adds an instance with this status.
    pub fn add(&mut self, status: InstanceStatus) {
        self.0[status as usize] += 1;
    }

    /// Removes an instance with this status.
    pub fn remove(&mut self, status: InstanceStatus) {
        self.0[status as usize] = self.0[status as usize].saturating_sub(1);
    }

    /// The number of instances with this status.
    pub fn count(&self, status: InstanceStatus) -> u32 {
        self.0[status as usize]
    }
}

impl FromIterator<InstanceStatus> for AppsHashCode {
    fn from_iter<I: IntoIterator<Item = InstanceStatus>>(statuses: I) -> Self {
        let mut code = Self::default();
        statuses.into_iter().for_each(|status| code.add(status));
        code
    }
}

impl fmt::Display for AppsHashCode {
    /// `DOWN_2_UP_7_`: name and count of each status that occurs, in the order of the names
    /// (`Applications.getReconcileHashCode`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = InstanceStatus::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0);
        counted.into_iter().try_for_each(|(status, count)| write!(f, "{status}_{count}_"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_code_names_each_status_in_alphabetical_order() {
        let code: AppsHashCode = InstanceStatus::ALL.into_iter().rev().collect();
        assert_eq!(code.to_string(), "DOWN_1_OUT_OF_SERVICE_1_STARTING_1_UNKNOWN_1_UP_1_");
        assert_eq!(AppsHashCode::default().to_string(), "");
    }
}
