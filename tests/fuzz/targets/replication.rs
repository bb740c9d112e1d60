//! The messages of peers: batches, digests and the answers to them. The first byte chooses.

#![no_main]

use eureka_registry::codec::exchange::{self, ReadersAnswer, ReadersRequest, RecordsRequest};
use eureka_registry::codec::{self, Media};
use eureka_registry_fuzz::{NOW, Subject, assert_well_formed};
use libfuzzer_sys::fuzz_target;

const JSON: (&str, &[u8]) = ("content-type", b"application/json");

fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = input.split_first() else { return };
    match kind {
        b'd' => {
            if let Ok(digests) = exchange::decode_digests(body) {
                let mut out = Vec::new();
                exchange::encode_digests(&digests, &mut out);
                assert_eq!(exchange::decode_digests(&out).unwrap(), digests);
            }
            Subject::default().send("POST", "/eureka/peerreplication/digests", &[JSON], body);
        }
        b'n' => {
            let subject = Subject::default();
            let answer = subject.send("POST", "/eureka/peerreplication/records", &[JSON], body).unwrap();
            if let Ok(request) = RecordsRequest::decode(body) {
                assert_eq!(RecordsRequest::decode(&request.encode()).unwrap(), request);
            }
            assert!(answer.body.len() < 4096 + body.len(), "it asks for what there is once, however often it names it");
            if answer.status == 200 {
                exchange::decode_records(&answer.body, NOW).unwrap();
            }
        }
        b'e' => {
            if let Ok(records) = exchange::decode_records(body, NOW) {
                let subject = Subject::default();
                subject.registry.merge(records, NOW);
                subject.registry.check();
                subject.assert_readable();
            }
        }
        b'h' => {
            Subject::default().send("POST", "/eureka/peerreplication/heard", &[JSON], body);
            if let Ok(answer) = exchange::decode_heard(body) {
                let mut out = Vec::new();
                exchange::encode_heard(&answer, &mut out);
                assert_eq!(exchange::decode_heard(&out).unwrap(), answer);
                let subject = Subject::default();
                let keys: Vec<_> = subject.registry.snapshot().iter().map(|one| one.lease.key().clone()).collect();
                subject.registry.take_heard(&keys, &answer, NOW);
                subject.registry.check();
            }
        }
        b'q' => {
            let answer = Subject::default().send("POST", "/eureka/peerreplication/readers", &[JSON], body).unwrap();
            if let Ok(request) = ReadersRequest::decode(body) {
                assert_eq!(ReadersRequest::decode(&request.encode()).unwrap(), request);
            }
            if answer.status == 200 {
                ReadersAnswer::decode(&answer.body).unwrap();
            }
            if let Ok(answer) = ReadersAnswer::decode(body) {
                let mut out = Vec::new();
                answer.encode(&mut out);
                assert_eq!(ReadersAnswer::decode(&out).unwrap(), answer);
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
            subject.registry.check();
            subject.assert_readable();
        }
    }
});
