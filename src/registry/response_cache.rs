//! The answers to readers, encoded once per change and form.
//!
//! [`InstanceRegistry::read`](super::InstanceRegistry::read) returns an answer that is still current, or a [`Pending`] one that
//! has to be built. The caller decides on which thread, since building a large one takes milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Acquire};

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use crate::codec::{self, Form, GzipAssembly};
use crate::model::AppsHashCode;
use crate::time::Timestamp;

use super::pages::{Entry, Page, glue};

/// The approximate length of an instance in an answer.
const TEXT_BYTES: usize = 1_200;

/// The part of the registry that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything: `GET /apps`.
    All,
    /// The recent changes: `GET /apps/delta`.
    Delta,
}

/// Why the registry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It waits for clients after a start without a copy, or has lost its memory.
    NotYetAllowed,
    /// Deltas are switched off.
    DeltaDisabled,
}

/// A body to send: its pieces in order. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Answer {
    pieces: Arc<[Bytes]>,
    len: u64,
}

impl Answer {
    fn new(pieces: Vec<Bytes>) -> Self {
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces: pieces.into(), len }
    }

    /// The pieces.
    pub fn pieces(&self) -> &Arc<[Bytes]> {
        &self.pieces
    }

    /// Their length together.
    pub fn content_length(&self) -> u64 {
        self.len
    }
}

/// The result of a read: an answer, or one to be built.
#[derive(Debug)]
pub enum Reading {
    /// A current answer.
    Ready(Answer),
    /// One that has to be built.
    Pending(Pending),
}

/// The registry at one moment, to be encoded.
#[derive(Debug)]
pub struct Pending {
    pub(super) pages: Vec<Arc<Page>>,
    pub(super) hash_code: AppsHashCode,
    pub(super) version: u64,
    pub(super) scope: Scope,
    pub(super) form: Form,
    pub(super) gzip: bool,
    pub(super) taken: Timestamp,
}

impl Pending {
    /// The number of pages that have to be encoded or compressed: the cost of building it.
    pub fn pages_to_encode(&self) -> usize {
        self.pages.iter().filter(|page| page.lacks(self.form, self.gzip)).count()
    }

    /// The maximum number of bytes of former versions that this one does not share: only readers of former versions keep them.
    pub fn outdates(&self) -> usize {
        if self.gzip {
            // It is put together anew.
            return usize::MAX;
        }
        let lacking = self.pages.iter().filter(|page| page.lacks(self.form, false));
        // A page may be new, in the place of others.
        lacking.map(|page| page.last_len(self.form).max(page.entries().len() * TEXT_BYTES)).sum()
    }

    pub(super) fn build(&self, versions_delta: &str) -> Answer {
        let hash_code = self.hash_code.to_string();
        let entries = || self.pages.iter().map(|page| page.entries());
        let first = entries().next().and_then(<[Entry]>::first);
        let mut before: Option<&Entry> = None;
        // One for all pages: see `PIECE` there.
        let mut scratch = Vec::new();
        let mut sink = if self.gzip { Sink::gzip(&self.pages, self.form, &mut scratch) } else { Sink::plain() };
        let mut text = Vec::new();
        codec::applications_open(self.form, versions_delta, &hash_code, &mut text);
        if let Some(first) = first {
            codec::application_open(self.form, first.info().app.as_str(), &mut text);
        }
        for page in &self.pages {
            if let (Some(before), Some(next)) = (before, page.entries().first()) {
                glue(self.form, before, next, &mut text);
            }
            sink.text(&mut text);
            sink.page(page, self.form, &mut scratch);
            before = page.entries().last();
        }
        if before.is_some() {
            codec::application_close(self.form, &mut text);
        }
        codec::applications_close(self.form, versions_delta, &hash_code, &mut text);
        sink.text(&mut text);
        sink.finish()
    }
}

/// Collects the pieces of an answer.
enum Sink {
    Plain(Vec<Bytes>),
    Gzip(GzipAssembly),
}

impl Sink {
    fn plain() -> Self {
        Self::Plain(Vec::new())
    }

    fn gzip(pages: &[Arc<Page>], form: Form, scratch: &mut Vec<u8>) -> Self {
        let compressed = pages.iter().map(|page| page.deflated(form, scratch).compressed_len() + 64);
        Self::Gzip(GzipAssembly::with_capacity(compressed.sum()))
    }

    /// Ends the piece that was collected in `text`.
    fn text(&mut self, text: &mut Vec<u8>) {
        match self {
            Self::Plain(pieces) => pieces.push(std::mem::take(text).into()),
            Self::Gzip(assembly) => {
                assembly.push_stored(text);
                text.clear();
            }
        }
    }

    fn page(&mut self, page: &Page, form: Form, scratch: &mut Vec<u8>) {
        match self {
            Self::Plain(pieces) => pieces.extend_from_slice(page.plain(form, scratch)),
            Self::Gzip(assembly) => assembly.push(page.deflated(form, scratch)),
        }
    }

    fn finish(self) -> Answer {
        match self {
            Self::Plain(pieces) => Answer::new(pieces),
            Self::Gzip(assembly) => Answer::new(vec![assembly.finish()]),
        }
    }
}

/// An answer, the version that it shows, and the time of that version.
#[derive(Debug)]
pub(super) struct Cached {
    pub(super) answer: Answer,
    pub(super) version: u64,
    pub(super) taken: Timestamp,
}

/// The last answers.
#[derive(Debug, Default)]
pub(super) struct ResponseCache {
    version: AtomicU64,
    /// By scope, form, and whether compressed.
    answers: [[[ArcSwapOption<Cached>; 2]; Form::COUNT]; 2],
    /// The delta's `versions__delta`: counts the deltas encoded, as the Java server counts them.
    pub(super) deltas: AtomicU64,
}

impl ResponseCache {
    /// The current version of the content.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// Called under the registry's lock, before the change is acknowledged.
    pub(super) fn content_changed(&self, version: u64) {
        self.version.store(version, std::sync::atomic::Ordering::Release);
    }

    /// Forgets uncompressed answers of former versions. Their present readers keep them; nobody else needs them.
    pub(super) fn forget_outdated(&self) {
        let version = self.version();
        for [slot, _compressed] in self.answers.iter().flatten() {
            if slot.load().as_ref().is_some_and(|cached| cached.version != version) {
                slot.store(None);
            }
        }
    }

    pub(super) fn slot(&self, scope: Scope, form: Form, gzip: bool) -> &ArcSwapOption<Cached> {
        let scope = match scope {
            Scope::All => 0,
            Scope::Delta => 1,
        };
        &self.answers[scope][form.index()][usize::from(gzip)]
    }
}
