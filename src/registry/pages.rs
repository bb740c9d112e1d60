//! [`Pages`]: the registry's content in order, cut so that an answer can be built of pieces.
//!
//! An answer of ten thousand instances must not be encoded and compressed again because one of them changed. So the instances
//! stand in the order of their places, cut into pages of at most [`MOST`]. Each page keeps its encoded and compressed text for each
//! form, from the first request for that form until one of its instances changes. An answer is its pages with a little glue
//! between them: a comma where an application continues on the next page, its end and the next one's beginning where it does not.
//!
//! A reader copies pointers to the pages of one moment, under the registry's lock, and encodes missing pages afterwards, without
//! the lock. A writer that changes a page which is still being read copies it first. So an answer shows one moment, and no writer
//! waits for an encoder.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::codec::{self, DeflatedPiece, Form, Nesting};
use crate::model::{ActionType, InstanceInfo, InstanceKey, Record};

use super::Lease;

/// Maximum instances of a page. Larger pages compress better (an instance costs some 50 bytes beside a similar
/// one and 500 alone), smaller ones cost less to make again after a change.
const MOST: usize = 128;
/// The text of a page is kept in pieces of this size. The allocator keeps blocks of each size in stretches of their own, and those of
/// 64 KiB and more in stretches of 4 MiB, which stay while one block of them is in use: of texts whose sizes differ, each made and
/// freed at another time, it would keep several times as much as is in use.
const PIECE: usize = 16 * 1024;

/// One instance as it was at its last change.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// A copy of the lease's key, next to its neighbours': a search compares many keys, and following a pointer to each would be
    /// a cache miss.
    key: InstanceKey,
    pub(super) lease: Arc<Lease>,
    pub(super) record: Arc<Record>,
    /// The number of that change.
    pub(super) change: u64,
    /// Whether the instance left with it. As close as the key, for the same reason.
    gone: bool,
}

impl Entry {
    pub(super) fn new(lease: Arc<Lease>, record: Arc<Record>, change: u64) -> Self {
        let gone = record.info.action_type == Some(ActionType::Deleted);
        Self { key: lease.key().clone(), lease, record, change, gone }
    }

    pub(super) fn info(&self) -> &InstanceInfo {
        &self.record.info
    }

    pub(super) fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// Whether the instance left.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    fn place(&self) -> Place<'_> {
        Place { key: &self.key, gone: self.gone }
    }

    /// Appends the instance as an element of a list.
    pub(super) fn encode(&self, form: Form, nesting: Nesting, out: &mut Vec<u8>) {
        codec::instance_entry(form, nesting, self.info(), &self.lease.info(self.info()), out);
    }
}

/// Where an instance stands: by application, then those that are there before those that left, then by id.
///
/// A client of Netflix's that no longer knows an application skips what left it, and then takes over the whole application with the
/// first instance that joined it, with those that left. It takes them out again only if they come after (`DiscoveryClient.updateDelta`).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place<'a> {
    key: &'a InstanceKey,
    gone: bool,
}

impl<'a> Place<'a> {
    fn of_one_there(key: &'a InstanceKey) -> Self {
        Self { key, gone: false }
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.gone != other.gone && self.key.app() == other.key.app() {
            self.gone.cmp(&other.gone)
        } else {
            self.key.cmp(other.key)
        }
    }
}

/// Instances that stand together in an answer, and their encoded text.
#[derive(Debug, Default)]
pub(super) struct Page {
    entries: Vec<Entry>,
    plain: [OnceLock<Box<[Bytes]>>; Form::COUNT],
    deflated: [OnceLock<DeflatedPiece>; Form::COUNT],
    /// The length of the last encoded text for each form; it may be that of a former version.
    last_lens: [usize; Form::COUNT],
}

impl Clone for Page {
    /// Copies the entries only: the encoded text is about to change.
    fn clone(&self) -> Self {
        Self { entries: self.entries.clone(), last_lens: self.lens(), ..Self::default() }
    }
}

impl Page {
    /// The page as text, in pieces: its instances, and where one application ends and the next begins within it. It is written to
    /// `scratch` first, if it has to be written.
    pub(super) fn plain(&self, form: Form, scratch: &mut Vec<u8>) -> &[Bytes] {
        self.plain[form.index()].get_or_init(|| {
            self.encode(form, scratch);
            scratch.chunks(PIECE).map(Bytes::copy_from_slice).collect()
        })
    }

    /// The page compressed. Its text is not kept for that: clients that take gzip rarely ask for text, too.
    pub(super) fn deflated(&self, form: Form, scratch: &mut Vec<u8>) -> &DeflatedPiece {
        self.deflated[form.index()].get_or_init(|| {
            match self.plain[form.index()].get() {
                Some(pieces) => {
                    scratch.clear();
                    pieces.iter().for_each(|piece| scratch.extend_from_slice(piece));
                }
                None => self.encode(form, scratch),
            }
            DeflatedPiece::compress(scratch)
        })
    }

    /// Whether the page would have to be encoded for this form.
    pub(super) fn lacks(&self, form: Form, gzip: bool) -> bool {
        if gzip { self.deflated[form.index()].get().is_none() } else { self.plain[form.index()].get().is_none() }
    }

    /// The number of bytes of the last encoded text, which a version with this page no longer has.
    pub(super) fn last_len(&self, form: Form) -> usize {
        self.last_lens[form.index()]
    }

    fn lens(&self) -> [usize; Form::COUNT] {
        std::array::from_fn(|form| match self.plain[form].get() {
            Some(pieces) => pieces.iter().map(Bytes::len).sum(),
            None => self.last_lens[form],
        })
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn encode(&self, form: Form, out: &mut Vec<u8>) {
        out.clear();
        let mut previous: Option<&Entry> = None;
        for entry in &self.entries {
            if let Some(previous) = previous {
                glue(form, previous, entry, out);
            }
            entry.encode(form, Nesting::InApplications, out);
            previous = Some(entry);
        }
    }

    fn first(&self) -> Option<&Entry> {
        self.entries.first()
    }

    fn position(&self, place: Place<'_>) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.place().cmp(&place))
    }
}

/// Appends the text between two consecutive instances.
pub(super) fn glue(form: Form, before: &Entry, after: &Entry, out: &mut Vec<u8>) {
    if before.info().app == after.info().app {
        codec::between(form, out);
    } else {
        codec::application_close(form, out);
        codec::between(form, out);
        codec::application_open(form, after.info().app.as_str(), out);
    }
}

/// Instances in the order of their places. No page is empty.
#[derive(Debug, Default)]
pub(super) struct Pages {
    pages: Vec<Arc<Page>>,
    /// The first place of each page.
    firsts: Vec<(InstanceKey, bool)>,
    len: usize,
}

impl Pages {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The pages as they are now.
    pub(super) fn snapshot(&self) -> Vec<Arc<Page>> {
        self.pages.clone()
    }

    /// An instance that is there.
    pub(super) fn get(&self, key: &InstanceKey) -> Option<&Entry> {
        let place = Place::of_one_there(key);
        let page = self.pages.get(self.page_of(place))?;
        page.position(place).ok().map(|at| &page.entries[at])
    }

    /// Puts the entry in its place, and returns the one that it replaced.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let at = self.page_of(entry.place());
        if self.pages.is_empty() {
            self.pages.push(Arc::default());
            self.firsts.push(first_of(&entry));
        }
        let page = changed(&mut self.pages[at]);
        match page.position(entry.place()) {
            Ok(position) => Some(std::mem::replace(&mut page.entries[position], entry)),
            Err(position) => {
                if position == 0 {
                    self.firsts[at] = first_of(&entry);
                }
                page.entries.insert(position, entry);
                self.len += 1;
                if page.entries.len() > MOST {
                    // Registrations in the order of keys fill each page; others find room in both halves.
                    let appended = position + 1 == page.entries.len();
                    let rest = page.entries.split_off(if appended { position } else { page.entries.len() / 2 });
                    self.firsts.insert(at + 1, first_of(&rest[0]));
                    self.pages.insert(at + 1, Arc::new(Page { entries: rest, ..Page::default() }));
                }
                None
            }
        }
    }

    /// Removes an instance that is there.
    pub(super) fn remove(&mut self, key: &InstanceKey) -> Option<Entry> {
        self.remove_at(Place::of_one_there(key))
    }

    /// Removes an instance that left.
    pub(super) fn remove_gone(&mut self, key: &InstanceKey) -> Option<Entry> {
        self.remove_at(Place { key, gone: true })
    }

    fn remove_at(&mut self, place: Place<'_>) -> Option<Entry> {
        let at = self.page_of(place);
        let position = self.pages.get(at)?.position(place).ok()?;
        let page = changed(&mut self.pages[at]);
        let removed = page.entries.remove(position);
        if let Some(first) = page.first() {
            self.firsts[at] = first_of(first);
        }
        self.len -= 1;
        self.merge(at);
        Some(removed)
    }

    /// The instances of one application.
    pub(super) fn application<'a>(&'a self, app: &'a str) -> impl Iterator<Item = &'a Entry> {
        let page = self.pages.partition_point(|page| page.first().is_some_and(|first| first.info().app.as_str() < app));
        self.pages[page.saturating_sub(1)..]
            .iter()
            .flat_map(|page| page.entries())
            .skip_while(move |entry| entry.info().app.as_str() < app)
            .take_while(move |entry| entry.info().app.as_str() == app)
    }

    /// All instances.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.pages.iter().flat_map(|page| page.entries())
    }

    /// Checks what must be true between any two changes.
    ///
    /// # Panics If it is not true.
    pub(super) fn check(&self) {
        assert!(
            self.pages.iter().all(|page| !page.entries.is_empty() && page.entries.len() <= MOST),
            "no page is empty or too full"
        );
        let firsts: Vec<_> = self.pages.iter().map(|page| first_of(&page.entries[0])).collect();
        assert_eq!(firsts, self.firsts, "pages are found by their first places");
        assert!(self.iter().map(Entry::place).is_sorted_by(|before, after| before < after), "instances are in order");
        assert_eq!(self.iter().count(), self.len, "instances are counted");
    }

    /// The page that has `place`, or would have it.
    fn page_of(&self, place: Place<'_>) -> usize {
        let after = self.firsts.partition_point(|(key, gone)| Place { key, gone: *gone } <= place);
        after.saturating_sub(1)
    }

    /// Drops a page that became empty; joins one that became small with its neighbour.
    fn merge(&mut self, at: usize) {
        if self.pages[at].entries.is_empty() {
            self.pages.remove(at);
            self.firsts.remove(at);
            return;
        }
        let Some(next) = self.pages.get(at + 1) else { return };
        if self.pages[at].entries.len() + next.entries.len() <= MOST / 2 {
            let next = self.pages.remove(at + 1);
            self.firsts.remove(at + 1);
            changed(&mut self.pages[at]).entries.extend(next.entries.iter().cloned());
        }
    }
}

/// The registry's instances as they were at one moment.
#[derive(Debug)]
pub struct View(Vec<Arc<Page>>);

impl View {
    pub(super) fn new(pages: Vec<Arc<Page>>) -> Self {
        Self(pages)
    }

    /// Each instance with its lease, in the order of their keys. The lease is shared: its times still change.
    pub fn iter(&self) -> impl Iterator<Item = (&InstanceInfo, &Arc<Lease>)> {
        self.records().map(|(record, lease)| (&record.info, lease))
    }

    /// Each record with its lease, in the order of their keys.
    pub(super) fn records(&self) -> impl Iterator<Item = (&Arc<Record>, &Arc<Lease>)> {
        self.0.iter().flat_map(|page| page.entries()).map(|entry| (&entry.record, &entry.lease))
    }
}

fn first_of(entry: &Entry) -> (InstanceKey, bool) {
    (entry.key().clone(), entry.is_gone())
}

/// The page to change, without its encoded text: a copy, if it is being read.
fn changed(page: &mut Arc<Page>) -> &mut Page {
    let page = Arc::make_mut(page);
    if page.plain.iter().any(|plain| plain.get().is_some()) {
        page.last_lens = page.lens();
        page.plain = Default::default();
    }
    if page.deflated.iter().any(|deflated| deflated.get().is_some()) {
        page.deflated = Default::default();
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{AppName, DataStamp, Heard, Stamp, StatusOverride};
    use crate::time::Timestamp;

    fn entry(app: u8, id: u16, change: u64) -> Entry {
        let mut info = InstanceInfo::new(AppName::new(&format!("app-{app}")), "h", "1.2.3.4", Timestamp(1));
        info.instance_id = Some(format!("{id}").into());
        let (key, sent_status) = (info.key(), info.status);
        let (data, cancelled, status_override) = (DataStamp::default(), Stamp::NEVER, StatusOverride::default());
        let record = Arc::new(Record { info, sent_status, data, cancelled, status_override });
        let heard = Heard { at: Timestamp(1), renewed: false };
        let lease = Lease::new(key, Arc::clone(&record), Timestamp(0), heard, Timestamp(1));
        Entry::new(Arc::new(lease), record, change)
    }

    proptest! {
        #[test]
        fn pages_are_an_ordered_map(ops in proptest::collection::vec((any::<bool>(), 0u8..4, 0u16..300), 1..800)) {
            let mut pages = Pages::default();
            let mut model = BTreeMap::new();
            for (change, (insert, app, id)) in ops.into_iter().enumerate() {
                let entry = entry(app, id, change as u64);
                let key = entry.key().clone();
                if insert {
                    let replaced = pages.insert(entry).map(|entry| entry.change);
                    prop_assert_eq!(replaced, model.insert(key, change as u64));
                } else {
                    prop_assert_eq!(pages.remove(&key).map(|entry| entry.change), model.remove(&key));
                }
            }
            prop_assert_eq!(pages.len(), model.len());
            pages.check();
            let found: Vec<_> = pages.iter().map(|entry| (entry.key().clone(), entry.change)).collect();
            let expected: Vec<_> = model.iter().map(|(key, change)| (key.clone(), *change)).collect();
            prop_assert_eq!(found, expected);
            for app in ["APP-0", "APP-1", "APP-2", "APP-3", "APP-9"] {
                let of_app = pages.application(app).count();
                prop_assert_eq!(of_app, model.keys().filter(|key| key.app() == app).count());
            }
        }
    }

    #[test]
    fn a_reader_keeps_the_page_it_took() {
        let mut pages = Pages::default();
        pages.insert(entry(1, 1, 1));
        let taken = pages.snapshot();
        pages.insert(entry(1, 2, 2));
        assert_eq!(taken[0].entries().len(), 1);
        assert_eq!(pages.snapshot()[0].entries().len(), 2);
    }
}
