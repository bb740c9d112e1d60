//! What readers can request: all instances, the recent changes, one application, a virtual address.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire};

use bytes::Bytes;

use super::InstanceRegistry;
use super::content::Content;
use super::pages::Entry;
use super::response_cache::{Answer, Cached, Pending, ReadError, Reading, Scope};
use crate::codec::{self, Form, Nesting};
use crate::model::{AppsHashCode, InstanceKey};
use crate::time::Timestamp;

impl InstanceRegistry {
    /// Reads all instances or the recently changed ones. No answer is older than the last change, unless
    /// `use-read-only-response-cache` says that it may be.
    ///
    /// # Errors
    /// Where the Java server answers 403.
    pub fn read(&self, scope: Scope, form: Form, gzip: bool, now: Timestamp) -> Result<Reading, ReadError> {
        Ok(match self.ready(scope, form, gzip, now)? {
            Some(answer) => Reading::Ready(answer),
            None => Reading::Pending(self.take(scope, form, gzip, now)),
        })
    }

    /// Like [`read`](Self::read), for callers that may have to wait before the answer can be built: a pending answer would hold
    /// the pages of its moment and their text meanwhile.
    ///
    /// # Errors
    /// Where the Java server answers 403.
    pub fn ready(&self, scope: Scope, form: Form, gzip: bool, now: Timestamp) -> Result<Option<Answer>, ReadError> {
        if scope == Scope::Delta && self.options.disable_delta {
            return Err(ReadError::DeltaDisabled);
        }
        if !self.access_allowed(now) {
            return Err(ReadError::NotYetAllowed);
        }
        let cached = self.cache.slot(scope, form, gzip).load();
        let is_true = |cached: &&Arc<Cached>| cached.version == self.cache.version() || self.may_be_old(cached, now);
        Ok(cached.as_ref().filter(is_true).map(|cached| cached.answer.clone()))
    }

    /// Encodes a pending answer, and keeps it for the next readers.
    pub fn build(&self, pending: &Pending) -> Answer {
        if !self.options.use_read_only_response_cache {
            self.cache.forget_outdated();
        }
        let versions_delta = match pending.scope {
            Scope::All => 1,
            Scope::Delta => self.cache.deltas.fetch_add(1, AcqRel) + 1,
        };
        let answer = pending.build(&versions_delta.to_string());
        let cached = Cached { answer: answer.clone(), version: pending.version, taken: pending.taken };
        self.cache.slot(pending.scope, pending.form, pending.gzip).store(Some(Arc::new(cached)));
        answer
    }

    /// The last encoded answer, if it shows this version or a later one: a reader that has waited since that version can use it.
    pub fn encoded_since(&self, scope: Scope, form: Form, gzip: bool, version: u64) -> Option<Answer> {
        let cached = self.cache.slot(scope, form, gzip).load();
        cached.as_ref().filter(|cached| cached.version >= version).map(|cached| cached.answer.clone())
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
            && encoded.version == answers.version.load(Acquire)
        {
            return Ok(Some(encoded.body.clone()));
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
        self.applications.keep(slot, version, &body);
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
