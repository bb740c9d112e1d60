//! [`InstanceInfo`]: one instance, as its client described it, with the later changes of the registry.

use std::net::IpAddr;

use smol_str::SmolStr;
use thiserror::Error;

use super::size::{
    INLINE_BYTES, INSTANCE_BYTES, METADATA_ENTRY_BYTES, MOST_INSTANCE_BYTES, MOST_METADATA, MOST_NAME_BYTES,
    MOST_VIRTUAL_ADDRESSES, TooLarge, VIRTUAL_ADDRESS_BYTES,
};
use super::{ActionType, AppName, DataCenterInfo, InstanceKey, InstanceStatus, LeaseDurations, Metadata};
use crate::time::Timestamp;

/// A port and whether the instance listens on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number as sent; like the Java server, this one keeps any integer.
    pub number: i32,
    /// Whether it is in use.
    pub enabled: bool,
}

impl Port {
    /// The plain port of an instance without one: 7001, in use.
    pub const DEFAULT: Self = Self { number: 7001, enabled: true };
    /// The secure port of an instance without one: 7002, not in use.
    pub const DEFAULT_SECURE: Self = Self { number: 7002, enabled: false };
}

/// One instance. Immutable where it is shared: a change makes a new one.
///
/// A text that a decoder did not find is empty where the protocol demands one ([`InstanceInfo::validate`] refuses it then) and
/// `None` where it does not. Texts of up to 23 bytes are stored in the instance itself: half of a usual registration's texts,
/// each of which would be an allocation of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceInfo {
    /// The id the client chose; without it the instance goes by its data center's id or its host name.
    pub instance_id: Option<SmolStr>,
    /// The host's name.
    pub host_name: SmolStr,
    /// The application it belongs to.
    pub app: AppName,
    /// The host's address.
    pub ip_addr: SmolStr,
    /// Netflix's `sid`; `None` for its default `na`.
    pub sid: Option<SmolStr>,
    /// Its status, with an override applied.
    pub status: InstanceStatus,
    /// The override; `UNKNOWN` if there is none.
    pub overridden_status: InstanceStatus,
    /// The plain port.
    pub port: Port,
    /// The TLS port.
    pub secure_port: Port,
    /// Always 1 in practice.
    pub country_id: i32,
    /// Where it runs; `None` only before [`InstanceInfo::validate`].
    pub data_center_info: Option<DataCenterInfo>,
    /// The lease that the client wants.
    pub lease: LeaseDurations,
    /// Free text by name.
    pub metadata: Metadata,
    /// The group of applications, upper case when it came as JSON.
    pub app_group_name: Option<SmolStr>,
    /// Its home page.
    pub home_page_url: Option<SmolStr>,
    /// Its status page.
    pub status_page_url: Option<SmolStr>,
    /// Its health check.
    pub health_check_url: Option<SmolStr>,
    /// Its health check over TLS.
    pub secure_health_check_url: Option<SmolStr>,
    /// The virtual addresses clients look it up by, comma separated.
    pub vip_address: Option<SmolStr>,
    /// The same for TLS.
    pub secure_vip_address: Option<SmolStr>,
    /// Whether this is the answering server itself.
    pub is_coordinating_discovery_server: bool,
    /// When the registry last changed it.
    pub last_updated: Timestamp,
    /// When its client last changed it: the version of its data, by which conflicts are decided.
    pub last_dirty: Timestamp,
    /// What happened to it last.
    pub action_type: Option<ActionType>,
    /// Its AWS auto-scaling group.
    pub asg_name: Option<SmolStr>,
}

impl InstanceInfo {
    /// An instance with an address and the status UP, from which a decoder starts.
    pub fn new(app: AppName, host_name: &str, ip_addr: &str, now: Timestamp) -> Self {
        Self {
            instance_id: None,
            host_name: host_name.into(),
            app,
            ip_addr: ip_addr.into(),
            sid: None,
            status: InstanceStatus::Up,
            overridden_status: InstanceStatus::Unknown,
            port: Port::DEFAULT,
            secure_port: Port::DEFAULT_SECURE,
            country_id: 1,
            data_center_info: Some(DataCenterInfo::MyOwn),
            lease: LeaseDurations::DEFAULT,
            metadata: Metadata::default(),
            app_group_name: None,
            home_page_url: None,
            status_page_url: None,
            health_check_url: None,
            secure_health_check_url: None,
            vip_address: None,
            secure_vip_address: None,
            is_coordinating_discovery_server: false,
            last_updated: now,
            last_dirty: now,
            action_type: None,
            asg_name: None,
        }
    }

    /// Its address, if `ipAddr` is one.
    pub fn address(&self) -> Option<IpAddr> {
        parse_address(&self.ip_addr)
    }

    /// The zone the instance is in: its metadata's `zone`, else the availability zone that Amazon gave it.
    pub fn zone(&self) -> Option<&str> {
        let said = self.metadata.get("zone");
        let zone = said.or_else(|| match &self.data_center_info {
            Some(DataCenterInfo::Amazon(metadata)) => metadata.get("availability-zone"),
            Some(DataCenterInfo::MyOwn | DataCenterInfo::Netflix | DataCenterInfo::Unnamed) | None => None,
        });
        zone.filter(|zone| !zone.is_empty())
    }

    /// The version of the application that the instance runs: its metadata's `version`.
    pub fn version(&self) -> Option<&str> {
        self.metadata.get("version").filter(|version| !version.is_empty())
    }

    /// Its id: the one it named, else its data center's, else its host name (Java's `getId`).
    pub fn id(&self) -> &str {
        let named = self.instance_id.as_deref().filter(|id| !id.is_empty());
        named.or_else(|| self.data_center_info.as_ref().and_then(DataCenterInfo::unique_id)).unwrap_or(&self.host_name)
    }

    /// The key of its registration.
    pub fn key(&self) -> InstanceKey {
        InstanceKey::new(&self.app, self.id())
    }

    /// Checks the required parts of a registration, in the Java server's order (`ApplicationResource.addInstance`), and gives an
    /// Amazon instance without an id the one of its data center.
    ///
    /// # Errors
    /// The first of the checks that fails, or a name that no path could carry.
    pub fn validate(&mut self, expected_app: &str) -> Result<(), RegistrationError> {
        let mandatory = [
            (self.id().is_empty(), RegistrationError::MissingInstanceId),
            (self.host_name.is_empty(), RegistrationError::MissingHostname),
            (self.ip_addr.is_empty(), RegistrationError::MissingIpAddress),
            (self.app.as_str().is_empty(), RegistrationError::MissingAppName),
        ];
        if let Some((_, error)) = mandatory.into_iter().find(|(missing, _)| *missing) {
            return Err(error);
        }
        if self.app.as_str() != expected_app {
            let (expected, actual) = (AppName::new(expected_app), self.app.clone());
            return Err(RegistrationError::MismatchedAppName { expected, actual });
        }
        if self.app.as_str().contains('/') {
            return Err(RegistrationError::SlashInAppName);
        }
        self.check_size()?;
        match &self.data_center_info {
            None => Err(RegistrationError::MissingDataCenterInfo),
            Some(DataCenterInfo::Unnamed) => Err(RegistrationError::MissingDataCenterInfoName),
            Some(DataCenterInfo::Amazon(metadata)) if metadata.get(DataCenterInfo::AMAZON_INSTANCE_ID).is_none() => {
                let named = metadata.with([(DataCenterInfo::AMAZON_INSTANCE_ID, self.id())]);
                self.data_center_info = Some(DataCenterInfo::Amazon(named));
                Ok(())
            }
            Some(DataCenterInfo::Amazon(_) | DataCenterInfo::MyOwn | DataCenterInfo::Netflix) => Ok(()),
        }
    }
}

impl InstanceInfo {
    /// Checks that it is within the limits.
    ///
    /// # Errors The limit that it exceeds.
    pub fn check_size(&self) -> Result<(), TooLarge> {
        let amazon = self.data_center_metadata().map_or(0, Metadata::len);
        let metadata = self.metadata.len() + amazon;
        if metadata > MOST_METADATA {
            return Err(TooLarge::Metadata(metadata));
        }
        let names = [self.app.as_str(), self.id(), &self.host_name];
        if let Some(name) = names.into_iter().find(|name| name.len() > MOST_NAME_BYTES) {
            return Err(TooLarge::Name(name.len()));
        }
        let texts = self.texts().map(str::len).sum();
        if texts > MOST_INSTANCE_BYTES {
            return Err(TooLarge::Texts(texts));
        }
        let lists = [self.vip_address.as_deref(), self.secure_vip_address.as_deref()];
        let counts = lists.map(|addresses| virtual_addresses(addresses).count());
        match counts.into_iter().find(|count| *count > MOST_VIRTUAL_ADDRESSES) {
            Some(count) => Err(TooLarge::VirtualAddresses(count)),
            None => Ok(()),
        }
    }

    /// The approximate memory in bytes that it takes while it is registered, including its lease and its places in indexes.
    pub fn weight(&self) -> usize {
        let texts: usize = self.texts().map(str::len).filter(|len| *len > INLINE_BYTES).sum();
        let entries = self.metadata.len() + self.data_center_metadata().map_or(0, Metadata::len);
        let lists = [self.vip_address.as_deref(), self.secure_vip_address.as_deref()];
        let addresses: usize = lists.map(|addresses| virtual_addresses(addresses).count()).into_iter().sum();
        INSTANCE_BYTES + texts + entries * METADATA_ENTRY_BYTES + addresses * VIRTUAL_ADDRESS_BYTES
    }

    fn data_center_metadata(&self) -> Option<&Metadata> {
        match &self.data_center_info {
            Some(DataCenterInfo::Amazon(metadata)) => Some(metadata),
            Some(DataCenterInfo::MyOwn | DataCenterInfo::Netflix | DataCenterInfo::Unnamed) | None => None,
        }
    }

    /// Every text that a client chose.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let optional = [
            &self.instance_id,
            &self.sid,
            &self.app_group_name,
            &self.home_page_url,
            &self.status_page_url,
            &self.health_check_url,
            &self.secure_health_check_url,
            &self.vip_address,
            &self.secure_vip_address,
            &self.asg_name,
        ];
        let optional = optional.into_iter().flatten().map(SmolStr::as_str);
        let metadata = [Some(&self.metadata), self.data_center_metadata()].into_iter().flatten();
        let metadata = metadata.flat_map(|metadata| metadata.iter()).flat_map(|(name, value)| [name, value]);
        [self.app.as_str(), &self.host_name, &self.ip_addr].into_iter().chain(optional).chain(metadata)
    }
}

/// Reads an address as clients and Kubernetes write it; `None` if it is none.
///
/// Java adds the network interface to an address that it found there (`fd00:0:0:0:0:0:0:1%eth0`), and an address of version 4 may be
/// written as one of version 6.
pub fn parse_address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches(['[', ']']);
    let address = text.split_once('%').map_or(text, |(address, _interface)| address);
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The single addresses of a `vipAddress`; blanks are not trimmed, as in the Java server.
pub fn virtual_addresses(addresses: Option<&str>) -> impl Iterator<Item = &str> {
    addresses.into_iter().flat_map(|all| all.split(',')).filter(|address| !address.is_empty())
}

/// Why a registration is refused; the text is the body of the 400 that the Java server answers.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RegistrationError {
    /// No id of its own, none of its data center, and no host name.
    #[error("Missing instanceId")]
    MissingInstanceId,
    /// No host name.
    #[error("Missing hostname")]
    MissingHostname,
    /// No address.
    #[error("Missing ip address")]
    MissingIpAddress,
    /// No application.
    #[error("Missing appName")]
    MissingAppName,
    /// The body names another application than the path.
    #[error("Mismatched appName, expecting {expected} but was {actual}")]
    MismatchedAppName {
        /// The path's.
        expected: AppName,
        /// The body's.
        actual: AppName,
    },
    /// No path can have this name, in the Java server neither.
    #[error("appName must not contain a slash")]
    SlashInAppName,
    /// It is larger than a limit; the Java server has none.
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    /// No data center.
    #[error("Missing dataCenterInfo")]
    MissingDataCenterInfo,
    /// A data center without its name.
    #[error("Missing dataCenterInfo Name")]
    MissingDataCenterInfoName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_however_it_is_written() {
        let read = |text| parse_address(text).map(|address| address.to_string());
        for (text, address) in [
            ("10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("fd00:0:0:0:0:0:0:1%eth0", "fd00::1"),
            ("[fd00::1]", "fd00::1"),
        ] {
            assert_eq!(read(text).as_deref(), Some(address));
        }
        assert_eq!(["", "host", "10.0.0", "%eth0"].map(read), [const { None }; 4]);
    }
}
