//! What readers are answered, encoded once per change and form.
//!
//! [`InstanceRegistry::read`] gives an answer that is still true, or a [`Pending`] one that has to be built:
//! the caller decides where that happens, since building a large one takes milliseconds.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use crate::codec::{self, Form, GzipAssembly, Nesting};
use crate::model::{AppsHashCode, InstanceKey};
use crate::time::Timestamp;

use super::InstanceRegistry;
use super::content::Content;
use super::pages::{Entry, Page, glue};

/// What of the registry is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything: `GET /apps`.
    All,
    /// What changed lately: `GET /apps/delta`.
    Delta,
}

/// Why the registry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It waits for clients after an empty start.
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

/// A look at the registry: answered, or to be built.
#[derive(Debug)]
pub enum Reading {
    /// An answer that is true now.
    Ready(Answer),
    /// One that has to be built.
    Pending(Pending),
}

/// The registry at one moment, to be encoded.
#[derive(Debug)]
pub struct Pending {
    pages: Vec<Arc<Page>>,
    hash_code: AppsHashCode,
    version: u64,
    scope: Scope,
    form: Form,
    gzip: bool,
    taken: Timestamp,
}

impl Pending {
    /// How many pages have to be encoded or compressed for it: what it costs.
    pub fn pages_to_encode(&self) -> usize {
        self.pages.iter().filter(|page| page.lacks(self.form, self.gzip)).count()
    }

    fn build(&self, versions_delta: &str) -> Answer {
        let hash_code = self.hash_code.to_string();
        let entries = || self.pages.iter().map(|page| page.entries());
        let first = entries().next().and_then(<[Entry]>::first);
        let mut before: Option<&Entry> = None;
        let mut sink = if self.gzip { Sink::gzip(&self.pages, self.form) } else { Sink::plain() };
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
            sink.page(page, self.form);
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

/// Where the pieces of an answer go.
enum Sink {
    Plain(Vec<Bytes>),
    Gzip(GzipAssembly),
}

impl Sink {
    fn plain() -> Self {
        Self::Plain(Vec::new())
    }

    fn gzip(pages: &[Arc<Page>], form: Form) -> Self {
        let compressed: usize = pages.iter().map(|page| page.deflated(form).compressed_len() + 64).sum();
        Self::Gzip(GzipAssembly::with_capacity(compressed))
    }

    /// Takes what was gathered in `text`.
    fn text(&mut self, text: &mut Vec<u8>) {
        match self {
            Self::Plain(pieces) => pieces.push(std::mem::take(text).into()),
            Self::Gzip(assembly) => {
                assembly.push_stored(text);
                text.clear();
            }
        }
    }

    fn page(&mut self, page: &Page, form: Form) {
        match self {
            Self::Plain(pieces) => pieces.push(page.plain(form).clone()),
            Self::Gzip(assembly) => assembly.push(page.deflated(form)),
        }
    }

    fn finish(self) -> Answer {
        match self {
            Self::Plain(pieces) => Answer::new(pieces),
            Self::Gzip(assembly) => Answer::new(vec![assembly.finish()]),
        }
    }
}

#[derive(Debug)]
struct Cached {
    answer: Answer,
    version: u64,
    taken: Timestamp,
}

/// The answers given last.
#[derive(Debug, Default)]
pub(super) struct ResponseCache {
    version: AtomicU64,
    /// By scope, form, and whether compressed.
    answers: [[[ArcSwapOption<Cached>; 2]; Form::COUNT]; 2],
    /// The delta's `versions__delta`: counts the deltas encoded, as the Java server counts them.
    deltas: AtomicU64,
}

impl ResponseCache {
    /// The version of the content that readers are to see.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    /// Called under the registry's lock, before the change is acknowledged.
    pub(super) fn content_changed(&self, version: u64) {
        self.version.store(version, std::sync::atomic::Ordering::Release);
    }

    fn slot(&self, scope: Scope, form: Form, gzip: bool) -> &ArcSwapOption<Cached> {
        let scope = match scope {
            Scope::All => 0,
            Scope::Delta => 1,
        };
        &self.answers[scope][form.index()][usize::from(gzip)]
    }
}

impl InstanceRegistry {
    /// Reads all instances or the recently changed ones. No answer is older than the last change, unless
    /// `use-read-only-response-cache` says that it may be.
    ///
    /// # Errors
    /// Where the Java server answers 403.
    pub fn read(&self, scope: Scope, form: Form, gzip: bool, now: Timestamp) -> Result<Reading, ReadError> {
        if scope == Scope::Delta && self.options.disable_delta {
            return Err(ReadError::DeltaDisabled);
        }
        if !self.access_allowed(now) {
            return Err(ReadError::NotYetAllowed);
        }
        if let Some(cached) = &*self.cache.slot(scope, form, gzip).load()
            && (cached.version == self.cache.version() || self.may_be_old(cached, now))
        {
            return Ok(Reading::Ready(cached.answer.clone()));
        }
        Ok(Reading::Pending(self.take(scope, form, gzip, now)))
    }

    /// Encodes what is pending and keeps it for the readers that follow.
    pub fn build(&self, pending: &Pending) -> Answer {
        let versions_delta = match pending.scope {
            Scope::All => 1,
            Scope::Delta => self.cache.deltas.fetch_add(1, AcqRel) + 1,
        };
        let answer = pending.build(&versions_delta.to_string());
        let cached = Cached { answer: answer.clone(), version: pending.version, taken: pending.taken };
        self.cache.slot(pending.scope, pending.form, pending.gzip).store(Some(Arc::new(cached)));
        answer
    }

    fn may_be_old(&self, cached: &Cached, now: Timestamp) -> bool {
        let interval = self.options.response_cache_update_interval;
        self.options.use_read_only_response_cache && now.since(cached.taken) < interval
    }

    fn take(&self, scope: Scope, form: Form, gzip: bool, now: Timestamp) -> Pending {
        let content = self.content.lock();
        let pages = match scope {
            Scope::All => &content.all,
            Scope::Delta => &content.recently_changed,
        };
        Pending {
            pages: pages.snapshot(),
            hash_code: content.hash_code,
            version: content.version,
            scope,
            form,
            gzip,
            taken: now,
        }
    }

    /// One application, `None` if it has no instance: `GET /apps/{app}`.
    ///
    /// # Errors
    /// Where the Java server answers 403.
    pub fn application(&self, app: &str, form: Form, now: Timestamp) -> Result<Option<Bytes>, ReadError> {
        if !self.access_allowed(now) {
            return Err(ReadError::NotYetAllowed);
        }
        let Some(answers) = self.applications.get(app) else { return Ok(None) };
        let slot = &answers.encoded[form.index()];
        if let Some(encoded) = &*slot.load()
            && encoded.0 == answers.version.load(Acquire)
        {
            return Ok(Some(encoded.1.clone()));
        }
        let (version, entries) = {
            let content = self.content.lock();
            let entries: Vec<Entry> = content.all.application(app).cloned().collect();
            (answers.version.load(Acquire), entries)
        };
        if entries.is_empty() {
            return Ok(None);
        }
        let mut out = Vec::with_capacity(entries.len() * 1200);
        codec::application_document_open(form, app, &mut out);
        encode_list(form, Nesting::InApplication, &entries, &mut out);
        codec::application_document_close(form, &mut out);
        let body = Bytes::from(out);
        slot.store(Some(Arc::new((version, body.clone()))));
        Ok(Some(body))
    }

    /// The instances with a virtual address, by application: `GET /vips/{vip}`, and `/svips/{vip}` with `secure`.
    ///
    /// # Errors
    /// Where the Java server answers 403.
    pub fn vip(&self, address: &str, secure: bool, form: Form, now: Timestamp) -> Result<Bytes, ReadError> {
        if !self.access_allowed(now) {
            return Err(ReadError::NotYetAllowed);
        }
        let entries = self.instances_of_vip(address, secure);
        let hash_code: AppsHashCode = entries.iter().map(|entry| entry.info().status).collect();
        let hash_code = hash_code.to_string();
        // The Java server never sets the version of such an answer.
        const VERSIONS_DELTA: &str = "-1";
        let mut out = Vec::with_capacity(200 + entries.len() * 1200);
        codec::applications_open(form, VERSIONS_DELTA, &hash_code, &mut out);
        for (at, of_app) in entries.chunk_by(|a, b| a.info().app == b.info().app).enumerate() {
            if at > 0 {
                codec::between(form, &mut out);
            }
            codec::application_open(form, of_app[0].info().app.as_str(), &mut out);
            encode_list(form, Nesting::InApplications, of_app, &mut out);
            codec::application_close(form, &mut out);
        }
        codec::applications_close(form, VERSIONS_DELTA, &hash_code, &mut out);
        Ok(out.into())
    }

    fn instances_of_vip(&self, address: &str, secure: bool) -> Vec<Entry> {
        let content: &Content = &self.content.lock();
        let index = if secure { &content.secure_vips } else { &content.vips };
        let entry = |key: &InstanceKey| content.all.get(key).cloned();
        index.get(address).into_iter().filter_map(entry).collect()
    }
}

fn encode_list(form: Form, nesting: Nesting, entries: &[Entry], out: &mut Vec<u8>) {
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            codec::between(form, out);
        }
        entry.encode(form, nesting, out);
    }
}
