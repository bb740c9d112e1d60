//! What peers send each other: batches, digests, and what they answer. The first byte says which.

#![no_main]

use eureka_registry::codec::{self, Media, repair};
use eureka_registry_fuzz::{NOW, Subject, assert_well_formed};
use libfuzzer_sys::fuzz_target;

const JSON: (&str, &[u8]) = ("content-type", b"application/json");

fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    match kind {
        b'd' => {
            if let Ok(digests) = repair::decode_digests(body) {
                let mut out = Vec::new();
                repair::encode_digests(&digests, &mut out);
                assert_eq!(repair::decode_digests(&out).unwrap(), digests);
            }
            Subject::default().send("POST", "/eureka/peerreplication/digest", &[JSON], body);
        }
        b'n' => {
            let subject = Subject::default();
            let answer = subject.send("POST", "/eureka/peerreplication/exchange", &[JSON], body).unwrap();
            assert!(answer.body.len() < 4096 + body.len(), "it asks for what there is once, however often it names it");
            if answer.status == 200 {
                repair::decode_exchange(&answer.body, NOW).unwrap();
            }
        }
        b'e' => {
            if let Ok(exchange) = repair::decode_exchange(body, NOW) {
                let subject = Subject::default();
                subject.registry.mend(exchange, NOW);
                subject.assert_readable();
            }
        }
        b'r' => {
            if let Ok(responses) = codec::decode_replication_response(body, NOW) {
                for media in [Media::Json, Media::Xml] {
                    let mut out = Vec::new();
                    codec::replication_response(media, &responses, &mut out);
                    assert_well_formed(media.content_type(), &out);
                    if media == Media::Json {
                        assert_eq!(codec::decode_replication_response(&out, NOW).unwrap(), responses);
                    }
                }
            }
        }
        _ => {
            let subject = Subject::default();
            for _twice in 0..2 {
                let answer = subject.send("POST", "/eureka/peerreplication/batch/", &[JSON], body).unwrap();
                if answer.status != 200 {
                    return;
                }
            }
            subject.assert_readable();
        }
    }
});
