//! gzip, whole and in pieces.
//!
//! A gzip member is one deflate stream with a checksum behind it. A deflate stream may be put together from blocks that
//! were compressed apart from each other, if each part ends on a byte (a flush does that) and refers to nothing before
//! it. So an answer is compressed in pieces, each once, and put together with its glue stored as it is. It stays one
//! member: several in a row are legal, but Java's and other readers stop after the first.

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::CodecError;
use super::crc32::{Shift, crc32};

/// A page of instances is compressed once per change and sent hundreds of times, so bytes count for more than the
/// time to make them: a sixth fewer than at level 3. Higher levels cost three times as much for a few percent.
const LEVEL: Compression = Compression::new(5);

/// `bytes` as a gzip member.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8 + 64), LEVEL);
    #[expect(clippy::expect_used, reason = "only a writer fails, and a vector does not")]
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to a vector does not fail")
}

/// The inflated length that a gzip member announces, modulo 2^32. It is not reliable before the member is inflated.
///
/// # Errors If it is not gzip.
pub fn inflated_len(bytes: &[u8]) -> Result<usize, CodecError> {
    let end = bytes.last_chunk().ok_or_else(|| CodecError::Gzip("it ends too early".to_owned()))?;
    Ok(usize::try_from(u32::from_le_bytes(*end)).unwrap_or(usize::MAX))
}

/// Inflates a gzip member to at most `limit` bytes.
///
/// # Errors If it is not gzip, or longer.
pub fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    // Deflate expands at most a thousandfold.
    let most = bytes.len().saturating_mul(1032).min(limit);
    let mut out = Vec::with_capacity(inflated_len(bytes)?.min(most));
    let mut inflating = GzDecoder::new(bytes);
    let broken = |error: io::Error| CodecError::Gzip(error.to_string());
    inflating.by_ref().take(limit as u64).read_to_end(&mut out).map_err(broken)?;
    if inflating.read(&mut [0]).map_err(broken)? > 0 {
        return Err(CodecError::Gzip(format!("it holds more than {limit} bytes")));
    }
    Ok(out)
}

/// A part of an answer, compressed so that it can be anywhere within a gzip member.
#[derive(Debug)]
pub struct DeflatedPiece {
    blocks: Bytes,
    crc: u32,
    len: usize,
    shift: Shift,
}

impl DeflatedPiece {
    /// Compresses `text`.
    pub fn compress(text: &[u8]) -> Self {
        let mut deflate = Compress::new(LEVEL, false);
        let mut blocks = Vec::with_capacity(text.len() / 8 + 64);
        loop {
            let consumed = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX);
            #[expect(clippy::expect_used, reason = "deflating fails only for streams that were given parameters")]
            let status = deflate
                .compress_vec(&text[consumed..], &mut blocks, FlushCompress::Sync)
                .expect("deflating into a vector does not fail");
            let done = deflate.total_in() == text.len() as u64 && blocks.len() < blocks.capacity();
            if done || status == Status::StreamEnd {
                break;
            }
            blocks.reserve(blocks.capacity().max(64));
        }
        blocks.shrink_to_fit();
        Self { blocks: blocks.into(), crc: crc32(text), len: text.len(), shift: Shift::of(text.len()) }
    }
}

/// A gzip member that is being assembled.
#[derive(Debug)]
pub struct GzipAssembly {
    out: Vec<u8>,
    crc: u32,
    len: usize,
}

impl Default for GzipAssembly {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl GzipAssembly {
    /// An empty member, with capacity for this many compressed bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity + 64);
        // Magic, deflate, no flags, no time, no extra flags, unknown system.
        out.extend_from_slice(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        Self { out, crc: 0, len: 0 }
    }

    /// Appends a short text without compressing it.
    pub fn push_stored(&mut self, text: &[u8]) {
        for block in text.chunks(usize::from(u16::MAX)) {
            let len = u16::try_from(block.len()).unwrap_or(u16::MAX);
            self.out.push(0); // not the last block, stored
            self.out.extend_from_slice(&len.to_le_bytes());
            self.out.extend_from_slice(&(!len).to_le_bytes());
            self.out.extend_from_slice(block);
        }
        self.crc = Shift::of(text.len()).append(self.crc, crc32(text));
        self.len += text.len();
    }

    /// Appends a compressed part.
    pub fn push(&mut self, piece: &DeflatedPiece) {
        self.out.extend_from_slice(&piece.blocks);
        self.crc = piece.shift.append(self.crc, piece.crc);
        self.len += piece.len;
    }

    /// Ends the member.
    pub fn finish(mut self) -> Bytes {
        self.out.extend_from_slice(&[3, 0]); // the last block, empty
        self.out.extend_from_slice(&self.crc.to_le_bytes());
        #[expect(clippy::cast_possible_truncation, reason = "gzip says the length modulo 2^32")]
        let len = self.len as u32;
        self.out.extend_from_slice(&len.to_le_bytes());
        self.out.into()
    }
}

impl DeflatedPiece {
    /// The number of compressed bytes.
    pub fn compressed_len(&self) -> usize {
        self.blocks.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_member_of_pieces_holds_what_was_put_in(parts in proptest::collection::vec((any::<bool>(), ".{0,400}"), 0..20)) {
            let mut assembly = GzipAssembly::default();
            let mut expected = Vec::new();
            for (stored, text) in &parts {
                expected.extend_from_slice(text.as_bytes());
                if *stored {
                    assembly.push_stored(text.as_bytes());
                } else {
                    assembly.push(&DeflatedPiece::compress(text.as_bytes()));
                }
            }
            prop_assert_eq!(gunzip(&assembly.finish(), 1 << 20).unwrap(), expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _decoded = gunzip(&bytes, 1000);
        }
    }

    #[test]
    fn large_pieces_and_large_glue_are_whole() {
        let text: Vec<u8> = (0..400_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let mut assembly = GzipAssembly::default();
        assembly.push(&DeflatedPiece::compress(&text));
        assembly.push_stored(&text);
        assert_eq!(gunzip(&assembly.finish(), 4_000_000).unwrap(), [text.clone(), text].concat());
    }

    #[test]
    fn more_than_the_limit_is_refused() {
        let member = gzip(&vec![b'a'; 1000]);
        assert_eq!(gunzip(&member, 1000).unwrap().len(), 1000);
        assert!(gunzip(&member, 999).is_err());
        assert!(gunzip(b"no gzip", 999).is_err());
    }
}
