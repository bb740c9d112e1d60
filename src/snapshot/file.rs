//! What stands in the file of a snapshot: gzip, which brings the checksum, of lines of JSON. The first line is the [`Header`]; each
//! other one is a part of what the registry knew, as an answer to a peer. So it can be looked at with `zcat`.

use std::fmt;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::codec::exchange::{self, Records};
use crate::registry::Knowledge;
use crate::time::Timestamp;

/// What the first line says that it is.
const FORMAT: &str = "eureka-registry snapshot";
/// The version that is written, and the newest that is read. A later one may have more fields; a number is added for a change that
/// this release would misunderstand.
const VERSION: u32 = 1;
/// Maximum bytes of a line. A part has a mebibyte and one instance, whose texts may have to be escaped.
const MOST_LINE_BYTES: u64 = 8 * 1024 * 1024;
/// It is written again and again, so time counts for more than bytes.
const LEVEL: Compression = Compression::fast();

/// What a snapshot says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    format: String,
    version: u32,
    /// The name of the cluster, if it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// When it was written, by the replica's clock, in milliseconds since the epoch.
    pub written: i64,
    /// What the stamp clock read then, in milliseconds.
    pub clock: u64,
    /// The service URLs of the peers that were known, without users and passwords.
    #[serde(default)]
    pub peers: Vec<String>,
    /// How many instances were registered.
    pub instances: usize,
    /// How many cancellations were remembered.
    pub cancelled: usize,
}

impl Header {
    pub(super) fn new(knowledge: &Knowledge, cluster: Option<String>, peers: Vec<String>, written: Timestamp) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            cluster,
            written: written.0,
            clock: knowledge.clock,
            peers,
            instances: knowledge.instances(),
            cancelled: knowledge.cancelled(),
        }
    }
}

/// Why a snapshot is not used.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is not whole, or was changed.
    Torn(String),
    /// It is something else.
    Foreign,
    /// A later release wrote it.
    Newer(u32),
    /// It is of the cluster of this name.
    OtherCluster(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn(why) => write!(f, "it is damaged: {why}"),
            Self::Foreign => f.write_str("it is not a snapshot of eureka-registry"),
            Self::Newer(version) => write!(f, "its version is {version}, and this release reads up to {VERSION}"),
            Self::OtherCluster(name) => write!(f, "it is of the cluster {name}"),
        }
    }
}

/// Why a snapshot cannot be read: it is not to be used, or the disk fails.
#[derive(Debug)]
pub(super) enum Unread {
    Refused(Refused),
    Failed(io::Error),
}

impl From<CodecError> for Unread {
    fn from(error: CodecError) -> Self {
        Self::Refused(Refused::Torn(error.to_string()))
    }
}

impl From<io::Error> for Unread {
    /// An error of the decoder is one of the content; it has no number of the system.
    fn from(error: io::Error) -> Self {
        if error.raw_os_error().is_some() {
            Self::Failed(error)
        } else {
            Self::Refused(Refused::Torn(error.to_string()))
        }
    }
}

/// Writes a snapshot.
pub(super) fn write(header: &Header, knowledge: &Knowledge, to: impl Write) -> io::Result<()> {
    let mut out = GzEncoder::new(BufWriter::new(to), LEVEL);
    serde_json::to_writer(&mut out, header)?;
    out.write_all(b"\n")?;
    knowledge.parts(|part| {
        out.write_all(part)?;
        out.write_all(b"\n")
    })?;
    out.finish()?.flush()
}

/// Reads a snapshot, a line at a time.
pub(super) struct Reader<R> {
    lines: BufReader<GzDecoder<R>>,
    line: Vec<u8>,
    /// What it says about itself.
    pub(super) header: Header,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub(super) fn open(from: R) -> Result<Self, Unread> {
        #[derive(Deserialize)]
        struct Kind {
            format: String,
            version: u32,
        }
        let (mut lines, mut line) = (BufReader::new(GzDecoder::new(from)), Vec::new());
        next_line(&mut lines, &mut line)?;
        let foreign = |_| Unread::Refused(Refused::Foreign);
        let Kind { format, version } = serde_json::from_slice(&line).map_err(foreign)?;
        if format != FORMAT {
            return Err(Unread::Refused(Refused::Foreign));
        }
        if version > VERSION {
            return Err(Unread::Refused(Refused::Newer(version)));
        }
        let torn = |error: serde_json::Error| Unread::Refused(Refused::Torn(error.to_string()));
        let header = serde_json::from_slice(&line).map_err(torn)?;
        Ok(Self { lines, line, header })
    }

    /// The next part; `None` at the end, which is right only if the checksum was.
    pub(super) fn next(&mut self, now: Timestamp) -> Result<Option<Records>, Unread> {
        if !next_line(&mut self.lines, &mut self.line)? {
            return Ok(None);
        }
        Ok(Some(exchange::decode_records(&self.line, now)?))
    }

    /// Reads what is left and throws it away: whether the file is whole. Nothing of a file that is not is used.
    pub(super) fn check(mut self) -> Result<Header, Unread> {
        while next_line(&mut self.lines, &mut self.line)? {}
        Ok(self.header)
    }
}

/// Reads a line; `false` at the end.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Unread> {
    line.clear();
    let read = from.take(MOST_LINE_BYTES).read_until(b'\n', line)?;
    if read > 0 && line.last() != Some(&b'\n') {
        return Err(Unread::Refused(Refused::Torn("a line is too long or does not end".to_owned())));
    }
    Ok(read > 0)
}
