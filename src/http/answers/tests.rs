use std::sync::atomic::AtomicBool;

use futures_util::FutureExt;
use http_body_util::BodyExt;

use super::*;
use crate::codec::{Detail, Form, Media};
use crate::model::{AppName, InstanceInfo};
use crate::registry::{InstanceRegistry, Options, Reading as Read, Scope, Source};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn bytes(len: usize) -> Bytes {
    vec![b'a'; len].into()
}

/// The owner of the connection of an answer: it drops the answer when it has to.
fn connection(mut response: Response) -> (Arc<AtomicBool>, Arc<Mutex<Option<Body>>>) {
    let (closed, body) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Option<Body>>>::default());
    let revocable = response.extensions_mut().remove::<Revocable>().expect("it is large");
    *body.lock() = Some(response.into_body());
    let (say, kept) = (Arc::clone(&closed), Arc::clone(&body));
    revocable.closes_by(move || {
        say.store(true, Relaxed);
        drop(kept.lock().take());
    });
    (closed, body)
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_nothing_gives_way_to_a_waiting_one() {
    let answers = Answers::new(4 * FREE);
    assert!(answers.hold(bytes(FREE)).await.unwrap().extensions().get::<Revocable>().is_none(), "small ones are free");
    let (closed, _body) = connection(answers.hold(bytes(2 * FREE)).await.unwrap());
    tokio::time::sleep(STALLED * 3).await;
    assert!(!closed.load(Relaxed), "nobody waits");
    let second = answers.hold(bytes(2 * FREE)).await.unwrap();
    assert!(closed.load(Relaxed));
    assert_eq!(answers.gave_way(), 1);
    assert_eq!(second.into_body().collect().await.unwrap().to_bytes().len(), 2 * FREE, "it is whole");
    assert!(answers.hold(bytes(2 * FREE)).now_or_never().is_some(), "what was taken holds nothing");
}

#[tokio::test(start_paused = true)]
async fn an_answer_holds_memory_until_it_is_written() {
    let answers = Answers::new(4 * FREE);
    let mut body = answers.hold(bytes(2 * FREE)).await.unwrap().into_body();
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    drop(body);
    assert!(answers.respond(|| Ok(bytes(2 * FREE))).now_or_never().is_none(), "its bytes wait to be written");
    drop(frame);
    assert!(answers.respond(|| Ok(bytes(2 * FREE))).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_a_little_gives_way_after_a_while() {
    let answers = Answers::new(8 * FRAME);
    let (closed, body) = connection(answers.hold(bytes(4 * FRAME)).await.unwrap());
    let waits = answers.hold(bytes(FRAME));
    tokio::pin!(waits);
    for _ in 0..3 {
        let next = body.lock().as_mut().and_then(|body| body.frame().now_or_never());
        drop(next);
        assert!(tokio::time::timeout(STALLED / 2, &mut waits).await.is_err(), "it still takes something");
    }
    waits.await.unwrap();
    assert!(closed.load(Relaxed));
}

fn full(registry: &InstanceRegistry) -> Answer {
    let form = Form { media: Media::Json, detail: Detail::Full };
    match registry.read(Scope::All, form, false, NOW).unwrap() {
        Read::Ready(answer) => answer,
        Read::Pending(pending) => registry.build(&pending),
    }
}

#[tokio::test(start_paused = true)]
async fn former_versions_are_kept_for_their_readers_within_a_bound() {
    let registry = InstanceRegistry::new(Options::default(), 1, NOW);
    registry.open_for_traffic(0, NOW);
    let register = |id: usize| {
        let mut info = InstanceInfo::new(AppName::new("A"), "h", "10.0.0.1", NOW);
        info.instance_id = Some(id.to_string().into());
        registry.register(info, Source::Client, NOW);
    };
    (0..50).for_each(register);
    let first = full(&registry);
    let len = usize::try_from(first.content_length()).unwrap();
    let answers = Answers::new(3 * len);
    let (closed, _body) = connection(answers.share(&first, 0));
    let (_, _same) = connection(answers.share(&first, 0));
    assert!(answers.has_room(0, 0), "what is current does not count");
    assert!(answers.has_room(0, 2 * len), "a version outdates no more than there is");
    answers.superseded(0, len);
    register(50);
    let (_, _other) = connection(answers.share(&full(&registry), 1));
    assert!(answers.has_room(1, len / 2) && !answers.has_room(1, len));
    let waits_since = Instant::now();
    answers.make_room_for_a_version(1, waits_since).await;
    assert!(!closed.load(Relaxed), "it may still take something");
    tokio::time::sleep(STALLED).await;
    while !answers.has_room(1, len) {
        answers.make_room_for_a_version(1, waits_since).await;
    }
    assert!(closed.load(Relaxed), "it takes nothing, and there are too many");
    assert_eq!(answers.gave_way(), 2, "both readers of the first version, and not that of the other");
}
