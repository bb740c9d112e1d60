//! Microbenches, run by hand: `cargo bench`, or `cargo bench -- renew`. They show what a change does to one step;
//! numbers for whole requests come from `compat/bench`, never from here.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use eureka_registry::codec::{self, DeflatedPiece, Detail, Form, GzipAssembly, Media, Nesting};
use eureka_registry::model::{Action, InstanceInfo};
use eureka_registry::registry::{Answer, InstanceRegistry, Options, Reading, Scope, Source};
use eureka_registry::replication::{Batcher, Next, Outcome, ReplicationTask};
use eureka_registry::time::Timestamp;
use rand::SeedableRng;
use rand::rngs::SmallRng;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const APPLICATIONS: usize = 1000;
const INSTANCES: usize = 10_000;
const JSON: Form = Form { media: Media::Json, detail: Detail::Full };
const XML: Form = Form { media: Media::Xml, detail: Detail::Full };

/// What a Spring client posts.
fn body(number: usize) -> String {
    let (app, at) = (format!("ORDER-SERVICE-{:05}", number % APPLICATIONS), number / APPLICATIONS);
    let vip = app.to_lowercase();
    let host = format!("{vip}-{at:05}.orders");
    format!(
        r#"{{"instance":{{"instanceId":"{host}:{vip}:8080","app":"{app}","appGroupName":null,"ipAddr":"10.0.{}.{}","#,
        number >> 8 & 255,
        number & 255
    ) + &format!(
        r#""sid":"na","homePageUrl":"http://{host}:8080/","statusPageUrl":"http://{host}:8080/actuator/info","#
    ) + &format!(r#""healthCheckUrl":"http://{host}:8080/actuator/health","secureHealthCheckUrl":null,"#)
        + &format!(r#""vipAddress":"{vip}","secureVipAddress":"{vip}","countryId":1,"#)
        + r#""dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"#
        + &format!(r#""hostName":"{host}","status":"UP","overriddenStatus":"UNKNOWN","#)
        + r#""leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":0,"#
        + r#""lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0},"#
        + r#""isCoordinatingDiscoveryServer":false,"lastUpdatedTimestamp":1700000000000,"#
        + r#""lastDirtyTimestamp":1700000000000,"actionType":null,"asgName":null,"port":{"$":8080,"@enabled":"true"},"#
        + r#""securePort":{"$":443,"@enabled":"false"},"metadata":{"management.port":"8080","zone":"zone-1"}}}"#
}

fn decoded(number: usize) -> InstanceInfo {
    codec::decode_instance(Media::Json, body(number).as_bytes(), NOW).expect("the body is in order")
}

fn filled() -> InstanceRegistry {
    let registry = InstanceRegistry::new(Options::default(), 1, NOW);
    registry.open_for_traffic(1, NOW);
    for number in 0..INSTANCES {
        registry.register(decoded(number), Source::Client, NOW);
    }
    registry
}

fn read(registry: &InstanceRegistry, scope: Scope, form: Form, gzip: bool) -> Answer {
    match registry.read(scope, form, gzip, NOW).expect("the registry may be read") {
        Reading::Ready(answer) => answer,
        Reading::Pending(pending) => registry.build(&pending),
    }
}

fn registry(criterion: &mut Criterion) {
    let registry = filled();
    let keys: Vec<String> = (0..INSTANCES).map(|number| decoded(number).key().as_str().to_owned()).collect();
    let mut group = criterion.benchmark_group("registry");
    let mut turn = 0;
    let mut next = move || {
        turn = (turn + 7919) % INSTANCES;
        turn
    };
    group.bench_function("renew", |bencher| bencher.iter(|| registry.renew(black_box(&keys[next()]), NOW)));
    let changed: Vec<InstanceInfo> = (0..INSTANCES).map(decoded).collect();
    group.bench_function("register", |bencher| {
        bencher.iter_batched(
            || changed[next()].clone(),
            |info| registry.register(info, Source::Client, NOW),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("one application, unchanged", |bencher| {
        bencher.iter(|| registry.application(black_box("ORDER-SERVICE-00017"), JSON, NOW));
    });
    for (name, scope, form, gzip) in [
        ("full, JSON, gzip", Scope::All, JSON, true),
        ("full, JSON", Scope::All, JSON, false),
        ("full, XML, gzip", Scope::All, XML, true),
        ("delta of all, JSON, gzip", Scope::Delta, JSON, true),
    ] {
        read(&registry, scope, form, gzip);
        group.bench_function(format!("{name}, unchanged"), |bencher| {
            bencher.iter(|| read(&registry, scope, form, gzip));
        });
        group.bench_function(format!("{name}, one change"), |bencher| {
            bencher.iter_batched(
                || registry.register(changed[next()].clone(), Source::Client, NOW),
                |_registered| read(&registry, scope, form, gzip),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

fn codecs(criterion: &mut Criterion) {
    let registry = filled();
    let one = registry.instance(decoded(17).key().as_str(), NOW).expect("it is registered");
    let json = body(17);
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    group.bench_function("decode, JSON", |bencher| {
        bencher.iter(|| codec::decode_instance(Media::Json, black_box(json.as_bytes()), NOW));
    });
    let mut xml = Vec::new();
    codec::instance_document(Media::Xml, one.info(), &one.lease_info(), &mut xml);
    group.bench_function("decode, XML", |bencher| {
        bencher.iter(|| codec::decode_instance(Media::Xml, black_box(&xml), NOW));
    });
    for (name, form) in [("JSON", JSON), ("XML", XML)] {
        let mut out = Vec::with_capacity(4096);
        group.bench_function(format!("encode, {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                codec::instance_entry(form, Nesting::InApplications, one.info(), &one.lease_info(), &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

fn gzip(criterion: &mut Criterion) {
    let registry = filled();
    let mut pages: Vec<Vec<u8>> = Vec::new();
    for of_page in registry.snapshot().chunks(100) {
        let mut text = Vec::new();
        for one in of_page {
            codec::instance_entry(JSON, Nesting::InApplications, one.info(), &one.lease_info(), &mut text);
        }
        pages.push(text);
    }
    let mut group = criterion.benchmark_group("gzip");
    group.throughput(Throughput::Bytes(pages[0].len() as u64));
    group.bench_function("deflate a page of 100", |bencher| {
        bencher.iter(|| DeflatedPiece::compress(black_box(&pages[0])));
    });
    let pieces: Vec<DeflatedPiece> = pages.iter().map(|text| DeflatedPiece::compress(text)).collect();
    let total: usize = pieces.iter().map(DeflatedPiece::compressed_len).sum();
    group.throughput(Throughput::Bytes(total as u64));
    group.bench_function("put 100 pages together", |bencher| {
        bencher.iter(|| {
            let mut assembly = GzipAssembly::with_capacity(total);
            for piece in &pieces {
                assembly.push(piece);
                assembly.push_stored(b",");
            }
            assembly.finish()
        });
    });
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let registry = filled();
    let expires = NOW + std::time::Duration::from_secs(30);
    let task = |number: usize, action: Action| {
        let key = decoded(number).key();
        let lease = registry.instance(key.as_str(), NOW).map(|one| one.lease);
        ReplicationTask { action, key, lease, by: None, expires }
    };
    let mut group = criterion.benchmark_group("queue");
    for (name, action) in [("registrations", Action::Register), ("heartbeats", Action::Heartbeat)] {
        let tasks: Vec<ReplicationTask> = (0..1000).map(|number| task(number, action)).collect();
        group.throughput(Throughput::Elements(1000));
        group.bench_function(format!("1,000 {name}, in and out"), |bencher| {
            bencher.iter_batched(|| tasks.clone(), |tasks| in_and_out(tasks, NOW), BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// Offers all of it, and takes it out again batch by batch.
fn in_and_out(tasks: Vec<ReplicationTask>, mut now: Timestamp) -> usize {
    let mut queue = Batcher::new(10_000);
    let mut rng = SmallRng::seed_from_u64(1);
    let mut sent = 0;
    for task in tasks {
        queue.offer(task, now);
    }
    loop {
        match queue.next(now) {
            Next::Batch(batch) => sent += batch.len(),
            Next::WaitUntil(later) => {
                now = later;
                continue;
            }
            Next::Idle => return sent,
        }
        queue.outcome(Outcome::Delivered, &mut rng, now);
    }
}

criterion_group!(benches, registry, codecs, gzip, queue);
criterion_main!(benches);
