//! Compressed bodies, as they arrive, and as they are assembled from parts.

#![no_main]

use std::io::Read;

use eureka_registry::codec::{self, DeflatedPiece, GzipAssembly};
use eureka_registry_fuzz::{LIMIT, Subject};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok(inflated) = codec::gunzip(input, LIMIT) {
        assert!(inflated.len() <= LIMIT);
        let mut reference = Vec::new();
        flate2::read::GzDecoder::new(input).take(LIMIT as u64 + 1).read_to_end(&mut reference).unwrap();
        assert_eq!(inflated, reference);
        assert_eq!(codec::gunzip(&codec::gzip(&inflated), LIMIT).unwrap(), inflated);
    }
    let subject = Subject::default();
    for content_type in [&b"application/json"[..], b"application/xml"] {
        let headers = [("content-type", content_type), ("content-encoding", &b"gzip"[..])];
        subject.send("POST", "/eureka/apps/A", &headers, input).unwrap();
    }
    subject.assert_readable();

    // The first byte says how long the pieces are, and which of them are compressed.
    let Some((how, text)) = input.split_first() else { return };
    let mut assembly = GzipAssembly::default();
    for (number, piece) in text.chunks(usize::from(*how).max(1)).enumerate() {
        if (number + usize::from(*how)) % 3 == 0 {
            assembly.push_stored(piece);
        } else {
            assembly.push(&DeflatedPiece::compress(piece));
        }
    }
    assert_eq!(codec::gunzip(&assembly.finish(), text.len()).unwrap(), text);
});
