//! A registration in JSON, and a peer's answers in it.

#![no_main]

use eureka_registry::codec::{self, Media};
use eureka_registry_fuzz::{NOW, assert_comes_back};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(info) = codec::decode_instance(Media::Json, body, NOW) {
        assert_comes_back(&info);
    }
    if let Ok((applications, _errors)) = codec::decode_applications(body, NOW) {
        applications.applications.iter().flat_map(|app| &app.instances).for_each(assert_comes_back);
    }
});
