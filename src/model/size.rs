//! The maximum size of an instance: ten times what clients send, and small enough for a registry of ten thousand.

use thiserror::Error;

/// Maximum virtual addresses in each of an instance's two lists. Each is an entry of an index.
pub const MOST_VIRTUAL_ADDRESSES: usize = 100;
/// Maximum entries of an instance's metadata, those of its data center included.
pub const MOST_METADATA: usize = 1000;
/// Maximum bytes of an application's name, an instance's id, and a host's name. Log lines and the journal name them.
pub const MOST_NAME_BYTES: usize = 1000;
/// Maximum bytes of all texts of an instance.
pub const MOST_INSTANCE_BYTES: usize = 64 * 1024;

/// The memory of an instance without its texts, in bytes: its record, its lease, and its places in pages and indexes. Measured
/// with ten thousand instances.
pub(super) const INSTANCE_BYTES: usize = 1300;
/// The memory of a metadata entry, without texts that do not fit in it.
pub(super) const METADATA_ENTRY_BYTES: usize = 48;
/// The memory of an entry in the index of virtual addresses.
pub(super) const VIRTUAL_ADDRESS_BYTES: usize = 200;
/// Texts up to this length are stored in the record itself.
pub(super) const INLINE_BYTES: usize = 23;

/// The limit that an instance exceeds. The text has its number, and the maximum.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TooLarge {
    /// It has too many virtual addresses.
    #[error("the instance has {0} virtual addresses; at most {MOST_VIRTUAL_ADDRESSES} are accepted")]
    VirtualAddresses(usize),
    /// It has too many entries of metadata.
    #[error("the instance has {0} metadata entries; at most {MOST_METADATA} are accepted")]
    Metadata(usize),
    /// A name is too long.
    #[error("a name of the instance has {0} bytes; at most {MOST_NAME_BYTES} are accepted")]
    Name(usize),
    /// Its texts together are too long.
    #[error("the texts of the instance have {0} bytes; at most {MOST_INSTANCE_BYTES} are accepted")]
    Texts(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AppName, DataCenterInfo, InstanceInfo, Metadata};
    use crate::time::Timestamp;

    fn with(change: impl FnOnce(&mut InstanceInfo)) -> InstanceInfo {
        let mut info = InstanceInfo::new(AppName::new("A"), "h", "10.0.0.1", Timestamp(1));
        change(&mut info);
        info
    }

    fn addresses(count: usize) -> String {
        (0..count).map(|number| format!("{number},")).collect()
    }

    fn metadata(count: usize) -> Metadata {
        (0..count).map(|number| (number.to_string(), "")).collect()
    }

    #[test]
    fn an_instance_is_refused_from_the_first_piece_that_is_too_many() {
        let at_most = [
            with(|info| info.vip_address = Some(addresses(MOST_VIRTUAL_ADDRESSES).into())),
            with(|info| info.secure_vip_address = Some(addresses(MOST_VIRTUAL_ADDRESSES).into())),
            with(|info| info.metadata = metadata(MOST_METADATA)),
            with(|info| info.host_name = "h".repeat(MOST_NAME_BYTES).into()),
            with(|info| info.sid = Some("s".repeat(MOST_INSTANCE_BYTES - 10).into())),
        ];
        for info in at_most {
            assert_eq!(info.check_size(), Ok(()));
        }
        let more = MOST_VIRTUAL_ADDRESSES + 1;
        let too_large = [
            (with(|info| info.vip_address = Some(addresses(more).into())), TooLarge::VirtualAddresses(more)),
            (with(|info| info.secure_vip_address = Some(addresses(more).into())), TooLarge::VirtualAddresses(more)),
            (with(|info| info.metadata = metadata(MOST_METADATA + 1)), TooLarge::Metadata(MOST_METADATA + 1)),
            (
                with(|info| {
                    info.metadata = metadata(MOST_METADATA);
                    info.data_center_info = Some(DataCenterInfo::Amazon(metadata(1)));
                }),
                TooLarge::Metadata(MOST_METADATA + 1),
            ),
            (
                with(|info| info.instance_id = Some("i".repeat(MOST_NAME_BYTES + 1).into())),
                TooLarge::Name(MOST_NAME_BYTES + 1),
            ),
            (
                with(|info| info.sid = Some("s".repeat(MOST_INSTANCE_BYTES - 9).into())),
                TooLarge::Texts(MOST_INSTANCE_BYTES + 1),
            ),
        ];
        for (info, error) in too_large {
            assert_eq!(info.check_size(), Err(error));
            assert!(error.to_string().contains("at most"), "{error}");
        }
    }

    #[test]
    fn every_text_adds_to_the_weight_of_an_instance() {
        let weight = |change: fn(&mut InstanceInfo)| with(change).weight();
        let plain = weight(|_| {});
        assert!(weight(|info| info.sid = Some("s".repeat(100).into())) >= plain + 100);
        assert!(weight(|info| info.metadata = metadata(10)) >= plain + 480);
        assert!(weight(|info| info.vip_address = Some(addresses(10).into())) >= plain + 2000);
    }
}
