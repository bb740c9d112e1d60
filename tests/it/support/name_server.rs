//! A name server that a test controls.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The type of a record with an IPv4 address.
pub(crate) const A: u16 = 1;
/// The type of a record with the port and the name of a service's member.
pub(crate) const SRV: u16 = 33;

/// How many bytes of a query or an answer come before the question.
const HEADER: usize = 12;
/// A response, authoritative, with recursion desired and available.
const NO_ERROR: u16 = 0x8580;
/// The same, of a name that does not exist.
const NO_SUCH_NAME: u16 = 0x8583;

/// The records of a name server, and its queries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Zone {
    /// The data of the records, by name and type.
    pub(crate) records: BTreeMap<(String, u16), Vec<Vec<u8>>>,
    /// The address of every name that has no other.
    pub(crate) wildcard: Option<Ipv4Addr>,
    /// The name of every question, in the order in which they came.
    pub(crate) asked: Vec<String>,
}

impl Zone {
    /// Sets the addresses of a name.
    pub(crate) fn addresses(&mut self, name: &str, addresses: impl IntoIterator<Item = Ipv4Addr>) {
        let records = addresses.into_iter().map(|address| address.octets().to_vec()).collect();
        self.records.insert((name.to_owned(), A), records);
    }

    /// Sets the address of a name to one loopback address.
    pub(crate) fn address(&mut self, name: &str, host: u8) {
        self.addresses(name, [Ipv4Addr::new(127, 0, 0, host)]);
    }

    /// Sets the members of a service.
    pub(crate) fn service(&mut self, name: &str, targets: &[&str], port: u16) {
        let records = targets.iter().map(|target| service_record(target, port)).collect();
        self.records.insert((name.to_owned(), SRV), records);
    }

    /// Answers one query in the wire format of RFC 1035.
    fn answer(&mut self, query: &[u8]) -> Vec<u8> {
        let (name, kind, end) = question(query);
        self.asked.push(name.clone());
        let mut records = self.records.get(&(name.clone(), kind)).cloned().unwrap_or_default();
        if let (true, A, Some(address)) = (records.is_empty(), kind, self.wildcard) {
            records.push(address.octets().to_vec());
        }
        let exists = self.wildcard.is_some() || self.records.keys().any(|(known, _)| *known == name);
        let mut answer = query[..end].to_vec();
        answer[2..4].copy_from_slice(&(if exists { NO_ERROR } else { NO_SUCH_NAME }).to_be_bytes());
        answer[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        answer[8..HEADER].fill(0);
        for record in records {
            answer.extend_from_slice(&[0xc0, 12]); // the name asked for
            answer.extend_from_slice(&kind.to_be_bytes());
            answer.extend_from_slice(&[0, 1, 0, 0, 0, 5]); // class IN, for five seconds
            answer.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
            answer.extend_from_slice(&record);
        }
        answer
    }
}

/// The name in lower case and the type that a query asks for, and where the question ends.
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    while query[at] != 0 {
        let len = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + len]).to_lowercase());
        at += len + 1;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5)
}

/// The data of an SRV record: priority 0, weight 50, port and target.
fn service_record(target: &str, port: u16) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 50];
    data.extend_from_slice(&port.to_be_bytes());
    for label in target.split('.') {
        data.push(u8::try_from(label.len()).unwrap());
        data.extend_from_slice(label.as_bytes());
    }
    data.push(0);
    data
}

/// A name server on a port of 127.0.0.1 that the system chooses, stopped when it is dropped.
#[derive(Debug)]
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    pub(crate) zone: Arc<Mutex<Zone>>,
    serving: JoinHandle<()>,
}

impl NameServer {
    pub(crate) async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let known = Arc::clone(&zone);
        let serving = tokio::task::spawn(async move {
            let mut query = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut query).await {
                let answer = known.lock().answer(&query[..len]);
                let _sent = socket.send_to(&answer, from).await;
            }
        });
        Self { address, zone, serving }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
