//! What the instances are like.

use std::collections::BTreeMap;

use crate::codec::Listed;
use crate::commands::migrate_check::finding::{Finding, count};
use crate::commands::migrate_check::survey::Survey;
use crate::limits::Budget;
use crate::model::{DataCenterInfo, Port};

/// The memory that the chart gives a replica, in MiB.
const CHART_MIB: usize = 128;
/// The ports that there are.
const PORTS: std::ops::RangeInclusive<i32> = 1..=65_535;

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let listed = &survey.listing.listed;
    let found = [
        refused(survey),
        shared_ids(listed),
        ids_by_case(listed),
        shared_addresses(listed),
        without_id(listed),
        odd_ports(listed),
        amazon(listed),
        secure_ports(listed),
        clients(listed),
        Some(memory(survey)),
        Some(copy(survey)),
    ];
    found.into_iter().flatten().collect()
}

/// `APP/id`
fn name(listed: &Listed) -> String {
    format!("{}/{}", listed.application, listed.info.id())
}

/// Those that a replica of ours would not copy: by the same checks.
fn refused(survey: &Survey) -> Option<Finding> {
    let decoded = survey.listing.refused.iter().map(|one| format!("{}/{}: {}", one.application, one.id, one.error));
    let invalid = survey.listing.listed.iter().filter_map(|listed| {
        let error = listed.info.clone().validate(listed.application.as_str()).err()?;
        Some(format!("{}: {error}", name(listed)))
    });
    let mut all: Vec<String> = decoded.chain(invalid).collect();
    let number = all.len() + survey.listing.refused_count - survey.listing.refused.len();
    if number == 0 {
        return None;
    }
    all.truncate(20);
    let mut finding = Finding::act("instance-refused", format!("{} would not be copied.", count(number, "instance")))
        .todo("Correct what these clients register. Until then they are missing until they register at the new server, which refuses them for the same reason.")
        .about(&all);
    finding.more = number - all.len();
    Some(finding)
}

/// Instances that have something in common with others, by it.
fn groups<K: Ord>(listed: &[Listed], key: impl Fn(&Listed) -> Option<K>) -> Vec<Vec<&Listed>> {
    let mut groups: BTreeMap<K, Vec<&Listed>> = BTreeMap::new();
    for one in listed {
        if let Some(key) = key(one) {
            groups.entry(key).or_default().push(one);
        }
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

fn joined(groups: &[Vec<&Listed>]) -> Vec<String> {
    let names = |group: &Vec<&Listed>| group.iter().take(5).map(|one| name(one)).collect::<Vec<_>>().join(" and ");
    groups.iter().map(names).collect()
}

fn shared_ids(listed: &[Listed]) -> Option<Finding> {
    let groups = groups(listed, |one| Some(one.info.id().to_owned()));
    (!groups.is_empty()).then(|| {
        let says = format!(
            "{} of several applications. The Java server keeps one status override for all of an id; here each application has its own.",
            if groups.len() == 1 { "1 id stands for instances".to_owned() } else { format!("{} ids stand for instances", groups.len()) }
        );
        Finding::differs("instance-id-shared", says)
            .todo("Set an override for each of them, if you set one. Nothing else changes.")
            .about(joined(&groups))
    })
}

fn ids_by_case(listed: &[Listed]) -> Option<Finding> {
    let key = |one: &Listed| Some((one.application.as_str().to_owned(), one.info.id().to_lowercase()));
    let groups = groups(listed, key);
    (!groups.is_empty()).then(|| {
        let says = "Some ids of an application differ only in capital and small letters. They are different instances, there and here.";
        Finding::differs("instance-id-case", says)
            .todo("Look whether it is one instance that registered twice, and cancel the dead one.")
            .about(joined(&groups))
    })
}

fn shared_addresses(listed: &[Listed]) -> Option<Finding> {
    let key = |one: &Listed| {
        let port = if one.info.port.enabled { one.info.port } else { one.info.secure_port };
        Some((one.application.as_str().to_owned(), one.info.host_name.clone(), one.info.ip_addr.clone(), port.number))
    };
    let groups = groups(listed, key);
    (!groups.is_empty()).then(|| {
        let says = "Some instances of an application have the same address and port. Often one of them is a former process that was never cancelled.";
        Finding::differs("address-shared", says)
            .todo("Cancel those that are dead, so that they are not copied: DELETE apps/APP/ID at the Java server.")
            .about(joined(&groups))
    })
}

fn without_id(listed: &[Listed]) -> Option<Finding> {
    let without: Vec<String> = listed.iter().filter(|one| one.info.instance_id.is_none()).map(name).collect();
    (!without.is_empty()).then(|| {
        let says = format!(
            "{} no instanceId. The id is the host's name or that of the data center, there and here.",
            has(without.len())
        );
        Finding::same("instance-id-missing", says).about(without)
    })
}

fn odd_ports(listed: &[Listed]) -> Option<Finding> {
    let is_odd = |port: Port| port.enabled && !PORTS.contains(&port.number);
    let odd = listed.iter().filter(|one| is_odd(one.info.port) || is_odd(one.info.secure_port));
    let odd: Vec<String> = odd.map(name).collect();
    (!odd.is_empty()).then(|| {
        let says = format!("{} a port that does not exist. The Java server reads a text that is no number as port 0; so does this one.", has(odd.len()));
        Finding::differs("port-odd", says)
            .todo("Nobody can call them. Correct the port that they register; the move changes nothing.")
            .about(odd)
    })
}

fn amazon(listed: &[Listed]) -> Option<Finding> {
    let is_amazon = |one: &&Listed| matches!(one.info.data_center_info, Some(DataCenterInfo::Amazon(_)));
    let of_amazon: Vec<String> = listed.iter().filter(is_amazon).map(name).collect();
    (!of_amazon.is_empty()).then(|| {
        let says = format!(
            "{} data of Amazon. It is kept and served as it is. Auto-scaling groups are not asked, and no elastic address is bound.",
            has(of_amazon.len())
        );
        Finding::differs("amazon", says)
            .todo("Look whether the Java server uses auto-scaling groups (eureka.server.use-aws-asg-api). If so, disabled groups are served here.")
            .about(of_amazon)
    })
}

fn secure_ports(listed: &[Listed]) -> Option<Finding> {
    let number = listed.iter().filter(|one| one.info.secure_port.enabled).count();
    (number > 0).then(|| {
        Finding::same("secure-ports", format!("{} called by HTTPS (securePort). That is served as it is.", are(number)))
    })
}

/// What clients there are, as far as their data tells: Spring Cloud's write `management.port`, and so do some others like them.
fn clients(listed: &[Listed]) -> Option<Finding> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for one in listed {
        let kind = match &one.info.data_center_info {
            Some(DataCenterInfo::Amazon(_)) => "with data of Amazon",
            Some(DataCenterInfo::Netflix) => "of Netflix's data center",
            _ if one.info.metadata.get("management.port").is_some() => "like those of Spring Cloud",
            _ => "of another kind",
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.into_iter().map(|(kind, number)| format!("{number} {kind}")).collect();
    let says = format!("Clients, as far as their metadata tells: {}.", kinds.join(", "));
    (!listed.is_empty()).then(|| Finding::same("clients", says))
}

/// Whether a replica with the chart's memory has room for them.
fn memory(survey: &Survey) -> Finding {
    let needed: usize = survey.listing.listed.iter().map(|one| one.info.weight()).sum();
    let room = |mib: usize| Budget::of(mib << 20).registry / 2;
    let number = count(survey.listing.listed.len(), "instance");
    let says = |mib| {
        format!(
            "{number} need {} kB of the {} kB that a replica with {mib} MiB has for them.",
            needed / 1000,
            room(mib) / 1000
        )
    };
    if needed <= room(CHART_MIB) {
        return Finding::same("memory", says(CHART_MIB));
    }
    let enough = (1..).map(|doubled| CHART_MIB << doubled).find(|mib| needed <= room(*mib)).unwrap_or(usize::MAX);
    Finding::act("memory", says(CHART_MIB))
        .todo(format!("Give each replica {enough} MiB of memory (resources.limits.memory in the chart)."))
}

/// Whether the copy that a replica reads at its start fits into its memory.
fn copy(survey: &Survey) -> Finding {
    let fits = |mib: usize| survey.listing_bytes <= Budget::of(mib << 20).copy();
    let says = format!("The whole list has {} kB.", survey.listing_bytes / 1000);
    if fits(CHART_MIB) {
        return Finding::same("copy-size", format!("{says} A replica with {CHART_MIB} MiB copies it at its start."));
    }
    let enough = (1..).map(|doubled| CHART_MIB << doubled).find(|mib| fits(*mib)).unwrap_or(usize::MAX);
    Finding::act("copy-size", format!("{says} A replica with {CHART_MIB} MiB does not copy it from a Java server."))
        .todo(format!("Give each replica {enough} MiB of memory, at least until the last Java server is gone."))
}

pub(super) fn has(number: usize) -> String {
    if number == 1 { "1 instance has".to_owned() } else { format!("{number} instances have") }
}

pub(super) fn are(number: usize) -> String {
    if number == 1 { "1 instance is".to_owned() } else { format!("{number} instances are") }
}
