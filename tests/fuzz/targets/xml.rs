//! A registration in XML.

#![no_main]

use eureka_registry::codec::{self, Media};
use eureka_registry_fuzz::{NOW, assert_comes_back};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(info) = codec::decode_instance(Media::Xml, body, NOW) {
        assert_comes_back(&info);
    }
});
