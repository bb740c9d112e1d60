//! The limits of this process ([`Limits`]), and how its memory is divided ([`Budget`]).
//!
//! Both are read once, at the start. A container has a limit of memory in its cgroup and a limit of open files; elsewhere the
//! machine's memory is the limit. Nothing here waits or measures: a share is a number of bytes, and its owner keeps within it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The memory that is assumed if neither a cgroup nor the machine tells it, as on macOS.
const UNKNOWN_MEMORY: usize = 2 * 1024 * 1024 * 1024;
/// Where Linux mounts the cgroups.
const CGROUPS: &str = "/sys/fs/cgroup";
/// cgroup v1 has no word for "no limit": it has the largest multiple of a page below 2^63.
const V1_UNLIMITED: usize = 1 << 60;
/// Some kernels refuse to raise the limit further than this though they call it unlimited (`OPEN_MAX` of macOS).
const MOST_FILES_OF_MACOS: u64 = 10_240;

/// Where a limit of memory was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemorySource {
    /// The process's cgroup, or one above it.
    Cgroup,
    /// All the memory of the machine.
    Machine,
    /// None was found.
    Assumed,
}

impl MemorySource {
    /// Its name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Machine => "machine",
            Self::Assumed => "assumed",
        }
    }
}

/// What this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: usize,
    /// Where the limit of memory was found.
    pub memory_source: MemorySource,
    /// Maximum open files, including sockets.
    pub open_files: usize,
}

impl Limits {
    /// Reads the limits, and raises the soft limit of open files to the hard one: systemd and container runtimes set the soft one to
    /// 1,024, for programs that use `select`.
    pub fn detect() -> Self {
        let read = |path: &Path| fs::read_to_string(path).ok();
        let (memory, memory_source) = memory(read);
        Self { memory, memory_source, open_files: raise_open_files() }
    }
}

impl Default for Limits {
    /// The limits of the chart, for tests and the simulation.
    fn default() -> Self {
        Self { memory: 128 * 1024 * 1024, memory_source: MemorySource::Assumed, open_files: 65_536 }
    }
}

/// Maximum share of bodies. They do not grow with the registry, so a machine with much memory need not give it to senders of half a
/// body.
const MAX_BODIES: usize = 128 * 1024 * 1024;

/// Minimum limit of an answer of a peer, however little memory there is: replicas divide records into parts of a MiB of text,
/// which becomes several when every character has to be escaped.
const LEAST_ANSWER_OF_PEER: usize = 8 * 1024 * 1024;
/// However much memory there is.
const MOST_ANSWER_OF_PEER: usize = 16 * 1024 * 1024;

/// [`Ord::min`], which is not `const`.
const fn at_most(bytes: usize, most: usize) -> usize {
    if bytes < most { bytes } else { most }
}

/// Bytes of memory for each purpose. Together the shares are less than the whole: an allocator and the system need some as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The whole memory of the process.
    pub total: usize,
    /// The process itself, the registry, and its cached answers.
    pub registry: usize,
    /// Connections: idle ones, and the buffers of busy ones.
    pub connections: usize,
    /// Bodies of requests as they arrive, and inflated.
    pub request_bodies: usize,
    /// Values that are decoded from bodies.
    pub decoded_bodies: usize,
    /// Answers that are being made, or that slow readers have not read yet.
    pub answers: usize,
    /// Pages for people, and answers of `/api`.
    pub pages: usize,
    /// Event streams.
    pub streams: usize,
    /// What peers answer while clients are served.
    pub peers_answers: usize,
}

impl Budget {
    /// The budget of a process that may use what [`Limits::detect`] finds.
    pub fn detect() -> Self {
        Self::of(Limits::detect().memory)
    }

    /// Divides `total` bytes. At 128 MiB, which is the chart's limit, 10,000 instances with their answers take 51 MiB at most, and
    /// 32 MiB are for connections.
    pub const fn of(total: usize) -> Self {
        // Per mille, divided first: a machine's memory times a thousand may be more than fits.
        let unit = total / 1000;
        Self {
            total,
            registry: unit * 400,
            connections: unit * 250,
            request_bodies: at_most(unit * 70, MAX_BODIES),
            decoded_bodies: at_most(unit * 70, MAX_BODIES),
            answers: unit * 70,
            pages: unit * 40,
            streams: unit * 20,
            peers_answers: unit * 30,
        }
    }

    /// The largest copy of a registry that is read as one answer, as a Java server gives it at the start. Nobody is served meanwhile: what
    /// is for requests, answers and pages holds it, and the buffer that it grows from. What is decoded from it becomes the registry.
    pub const fn copy(&self) -> usize {
        let Self { request_bodies, decoded_bodies, answers, pages, streams, peers_answers, .. } = *self;
        (request_bodies + decoded_bodies + answers + pages + streams + peers_answers) / 2
    }

    /// The largest of all other answers of peers, which arrive while clients are served.
    pub const fn answer_of_peer(&self) -> usize {
        let share = at_most(self.peers_answers, MOST_ANSWER_OF_PEER);
        if share < LEAST_ANSWER_OF_PEER { LEAST_ANSWER_OF_PEER } else { share }
    }
}

impl Default for Budget {
    /// The budget of the chart's limit, for tests and the simulation.
    fn default() -> Self {
        Self::of(Limits::default().memory)
    }
}

/// The limit of memory, from the files that `read` reads.
fn memory(read: impl Fn(&Path) -> Option<String>) -> (usize, MemorySource) {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total_memory(&text));
    let of_cgroup = cgroup_memory(&read);
    match (of_cgroup, machine) {
        // A limit above the machine's memory has no effect.
        (Some(limit), Some(machine)) if limit >= machine => (machine, MemorySource::Machine),
        (Some(limit), _) => (limit, MemorySource::Cgroup),
        (None, Some(machine)) => (machine, MemorySource::Machine),
        (None, None) => (UNKNOWN_MEMORY, MemorySource::Assumed),
    }
}

/// `MemTotal` of `/proc/meminfo`.
fn total_memory(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes.saturating_mul(1024))
}

/// The smallest limit of the process's cgroup and those above it.
fn cgroup_memory(read: &impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let own = read(Path::new("/proc/self/cgroup"))?;
    let limits = own.lines().filter_map(|line| {
        let [_, controllers, path] = line.splitn(3, ':').collect::<Vec<_>>().try_into().ok()?;
        let (root, files): (_, &[&str]) = if controllers.is_empty() {
            (PathBuf::from(CGROUPS), &["memory.max", "memory.high"])
        } else if controllers.split(',').any(|one| one == "memory") {
            (Path::new(CGROUPS).join("memory"), &["memory.limit_in_bytes"])
        } else {
            return None;
        };
        // If a container has no namespace for cgroups, the path is one of the host, and its own cgroup is mounted as the root.
        let above = Path::new(path.trim_start_matches('/')).ancestors().map(|path| root.join(path));
        let found = above.flat_map(|directory| files.iter().map(move |file| directory.join(file)));
        found.filter_map(|file| limit(&read(&file)?)).min()
    });
    limits.min()
}

/// The limit in a file of a cgroup; `None` if there is none.
fn limit(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|bytes| *bytes > 0 && *bytes < V1_UNLIMITED)
}

/// Raises the soft limit of open files as far as possible, and returns it.
fn raise_open_files() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = [maximum, maximum.map_or(Some(MOST_FILES_OF_MACOS), |most| Some(most.min(MOST_FILES_OF_MACOS)))];
    for wanted in wanted {
        let is_higher = current.is_some_and(|current| wanted.is_none_or(|wanted| wanted > current));
        if is_higher && setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum }).is_ok() {
            break;
        }
    }
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const MIB: usize = 1024 * 1024;
    const MEMINFO: &str = "MemTotal:       16384 kB\nMemFree:         1000 kB\n";

    fn check(files: &[(&str, &str)], expected: (usize, MemorySource)) {
        let files: HashMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
        assert_eq!(memory(|path| files.get(path).map(|text| (*text).to_owned())), expected, "{files:?}");
    }

    #[test]
    fn the_limit_of_memory_is_the_smallest_that_holds() {
        let (machine, own) = (("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", "0::/\n"));
        check(&[], (UNKNOWN_MEMORY, MemorySource::Assumed));
        check(&[machine], (16 * MIB, MemorySource::Machine));
        check(&[machine, own, ("/sys/fs/cgroup/memory.max", "max\n")], (16 * MIB, MemorySource::Machine));
        check(&[machine, own, ("/sys/fs/cgroup/memory.max", "8388608\n")], (8 * MIB, MemorySource::Cgroup));
        check(&[machine, own, ("/sys/fs/cgroup/memory.max", "33554432\n")], (16 * MIB, MemorySource::Machine));
        let throttled = [("/sys/fs/cgroup/memory.max", "8388608\n"), ("/sys/fs/cgroup/memory.high", "4194304\n")];
        check(&[&[machine, own], throttled.as_slice()].concat(), (4 * MIB, MemorySource::Cgroup));
    }

    #[test]
    fn a_limit_of_a_cgroup_above_holds_too() {
        let own = ("/proc/self/cgroup", "0::/kubepods/pod1/container\n");
        let of_pod = ("/sys/fs/cgroup/kubepods/pod1/memory.max", "4194304\n");
        let of_container = ("/sys/fs/cgroup/kubepods/pod1/container/memory.max", "8388608\n");
        check(&[own, of_pod, of_container], (4 * MIB, MemorySource::Cgroup));
        // The path is the host's, and the container sees its own cgroup as the root.
        check(&[own, ("/sys/fs/cgroup/memory.max", "8388608\n")], (8 * MIB, MemorySource::Cgroup));
    }

    #[test]
    fn cgroups_of_version_1_are_read_too() {
        let own = ("/proc/self/cgroup", "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n");
        check(
            &[own, ("/sys/fs/cgroup/memory/docker/a/memory.limit_in_bytes", "8388608\n")],
            (8 * MIB, MemorySource::Cgroup),
        );
        let unlimited = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        check(&[own, unlimited], (UNKNOWN_MEMORY, MemorySource::Assumed));
    }

    #[test]
    fn shares_leave_something_of_the_whole() {
        for total in [0, 1, 64 * MIB, 128 * MIB, usize::MAX] {
            let Budget {
                total,
                registry,
                connections,
                request_bodies,
                decoded_bodies,
                answers,
                pages,
                streams,
                peers_answers,
            } = Budget::of(total);
            let shares =
                [registry, connections, request_bodies, decoded_bodies, answers, pages, streams, peers_answers];
            let given = shares.into_iter().try_fold(0_usize, usize::checked_add).unwrap();
            assert!(given <= total - total / 20, "{given} of {total}");
        }
    }

    #[test]
    fn answers_of_peers_follow_from_memory() {
        let chart = Budget::of(128 * MIB);
        // 10,000 instances of a Java server are 11 MB of JSON.
        assert!((17 * MIB..20 * MIB).contains(&chart.copy()), "{}", chart.copy());
        for total in [0, 64 * MIB, 128 * MIB, 64 * 1024 * MIB] {
            let budget = Budget::of(total);
            let whole = 2 * budget.copy() + budget.registry;
            assert!(whole <= total - total / 4, "twice a copy, and what is decoded from it: {whole} of {total}");
        }
        let answers = [64, 128, 400, 65_536].map(|mib| Budget::of(mib * MIB).answer_of_peer() / MIB);
        assert_eq!(answers, [8, 8, 11, 16]);
    }

    #[test]
    fn open_files_are_raised_as_far_as_they_go() {
        let found = raise_open_files();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(
            current.map(|current| usize::try_from(current).unwrap()),
            Some(found).filter(|found| *found < usize::MAX)
        );
        assert!(cfg!(not(target_os = "linux")) || current == maximum, "{current:?} of {maximum:?}");
        assert_eq!(raise_open_files(), found);
    }
}
