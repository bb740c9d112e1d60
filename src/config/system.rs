//! What Java and Spring know without being told, and placeholders ask for: `${user.home}`, `${random.uuid}`,
//! `${spring.cloud.client.ip-address}`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;

use rand::rngs::{SmallRng, SysRng};
use rand::{Rng, RngExt, SeedableRng};

/// The values of a process.
#[derive(Debug)]
pub(super) struct System {
    known: BTreeMap<&'static str, String>,
}

impl System {
    pub(super) fn new(environment: &BTreeMap<String, String>, directory: &Path) -> Self {
        let variable = |name: &str| environment.get(name).cloned().unwrap_or_default();
        let host = host_name(environment);
        let current = fs::canonicalize(directory).unwrap_or_else(|_gone| directory.to_owned());
        let known = [
            ("user.home", variable("HOME")),
            ("user.name", variable("USER")),
            ("user.dir", current.display().to_string()),
            ("java.io.tmpdir", "/tmp".to_owned()),
            ("file.separator", "/".to_owned()),
            ("path.separator", ":".to_owned()),
            ("line.separator", "\n".to_owned()),
            ("os.name", "Linux".to_owned()),
            ("PID", std::process::id().to_string()),
            ("spring.cloud.client.hostname", host.clone()),
            ("spring.cloud.client.ip-address", address()),
            // As Spring Cloud called them before 2.0.
            ("spring.cloud.client.ipAddress", address()),
            ("spring.cloud.client.hostName", host),
        ];
        Self { known: known.into_iter().filter(|(_, value)| !value.is_empty()).collect() }
    }

    /// The value of a name; a new one each time for `random.*`.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match name.strip_prefix("random.") {
            Some(kind) => random(kind, &mut SmallRng::try_from_rng(&mut SysRng).ok()?),
            None => self.known.get(name).cloned(),
        }
    }
}

fn host_name(environment: &BTreeMap<String, String>) -> String {
    let variable = environment.get("HOSTNAME").cloned().filter(|name| !name.is_empty());
    let of_system = || fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = variable.or_else(|| of_system().ok()).map(|name| name.trim().to_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

/// The address by which this machine reaches others, or the loopback's. Nothing is sent: only the route is looked up.
fn address() -> String {
    let routed = || -> std::io::Result<SocketAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // TEST-NET-1, which is nobody's.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    routed().map_or_else(|_no_route| Ipv4Addr::LOCALHOST.to_string(), |address| address.ip().to_string())
}

/// Spring's `RandomValuePropertySource`: `value`, `uuid`, `int`, `long`, and the last two with a bound (`int(10)`) or a range, which
/// does not include its end (`int[1024,65536]`).
fn random(kind: &str, rng: &mut impl Rng) -> Option<String> {
    match kind {
        "value" => return Some(format!("{:032x}", rng.random::<u128>())),
        "uuid" => return Some(uuid(rng.random())),
        "int" => return Some(rng.random::<i32>().to_string()),
        "long" => return Some(rng.random::<i64>().to_string()),
        _ => {}
    }
    let range = kind.strip_prefix("int").or_else(|| kind.strip_prefix("long"))?;
    // Any two characters may enclose the range.
    let (open, rest) = range.split_at_checked(range.chars().next()?.len_utf8())?;
    let inside = rest.strip_suffix(|c: char| !c.is_ascii_digit() && open != ",")?;
    let (start, end) = match inside.split_once(',') {
        Some((start, end)) => (start.trim().parse().ok()?, end.trim().parse().ok()?),
        None => (0_i64, inside.trim().parse().ok()?),
    };
    (start < end).then(|| rng.random_range(start..end).to_string())
}

fn uuid(bits: u128) -> String {
    let text = format!("{:032x}", bits & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62));
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_are_springs() {
        let mut rng = SmallRng::seed_from_u64(7);
        for _ in 0..100 {
            let within =
                |text: Option<String>, from: i64, to: i64| (from..to).contains(&text.unwrap().parse().unwrap());
            assert!(within(random("int[10,12]", &mut rng), 10, 12));
            assert!(within(random("long(3)", &mut rng), 0, 3));
            assert!(within(random("int", &mut rng), i32::MIN.into(), i64::from(i32::MAX) + 1));
        }
        assert_eq!(random("value", &mut rng).unwrap().len(), 32);
        let uuid = random("uuid", &mut rng).unwrap();
        assert_eq!((uuid.len(), &uuid[14..15], uuid.matches('-').count()), (36, "4", 4));
        for wrong in ["int[5,1]", "int[]", "int(", "int\u{e9}1\u{e9}x", "nothing", "", "int(0)"] {
            assert_eq!(random(wrong, &mut rng), None, "{wrong}");
        }
    }

    #[test]
    fn what_java_knows_is_known() {
        let environment = [("HOME", "/home/me"), ("HOSTNAME", "registry-0")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let system = System::new(&environment, Path::new("/"));
        assert_eq!(system.get("user.home").as_deref(), Some("/home/me"));
        assert_eq!(system.get("user.dir").as_deref(), Some("/"));
        assert_eq!(system.get("spring.cloud.client.hostname").as_deref(), Some("registry-0"));
        assert!(system.get("spring.cloud.client.ip-address").unwrap().parse::<Ipv4Addr>().is_ok());
        assert_eq!((system.get("user.name"), system.get("other")), (None, None));
    }
}
