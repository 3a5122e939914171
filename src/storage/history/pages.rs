//! The pages of the index: for a segment of the journal, which of its rows are whose.
//!
//! An entry is the first eight bytes of a digest, and how far behind the segment's first number its row is. A segment's
//! entries lie in [`BUCKETS`] pages of each kind, by the first bits of the digest, and sorted within a page. A look-up reads
//! one page of each segment, in one range of the table; what it finds there it compares with the journal's row, so that
//! eight bytes are enough.

use std::collections::BTreeMap;

use diesel::prelude::*;
use uuid::Uuid;

use crate::storage::StoreError;
use crate::storage::rows::{Bytes, damaged};
use crate::storage::schema::history_pages;

/// Pages of one kind that a segment has at the most. With [`super::index::SEGMENT`] rows a page has some 256 entries, and
/// fits into a page of either database.
pub const BUCKETS: u32 = 64;

const PREFIX: usize = 8;
const ENTRY: usize = PREFIX + 2;

/// How far a segment's last number may be behind its first.
pub const MOST_OFFSET: i64 = u16::MAX as i64;

/// What rows are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryKind {
    Player,
    Correlation,
}

impl HistoryKind {
    pub const ALL: [Self; 2] = [Self::Player, Self::Correlation];

    pub fn stored(self) -> i16 {
        match self {
            Self::Player => 1,
            Self::Correlation => 2,
        }
    }
}

/// The beginning of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix([u8; PREFIX]);

impl Prefix {
    pub fn of(digest: Uuid) -> Self {
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&digest.as_bytes()[..PREFIX]);
        Self(prefix)
    }

    pub fn bucket(self) -> i16 {
        i16::from(self.0[0] >> (u8::BITS - BUCKETS.ilog2()))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = history_pages)]
pub struct IndexPage {
    pub kind: i16,
    pub bucket: i16,
    /// The segment's first number.
    pub first: i64,
    pub entries: Bytes,
}

/// Whose a journal row is said to be.
pub type IndexEntry = (Prefix, i64);

impl IndexPage {
    /// What it says, by digest and number; an error where it is not as a look-up needs it.
    pub fn read(&self) -> Result<Vec<IndexEntry>, StoreError> {
        let Self { bucket, first, entries, .. } = self;
        let damaged = |why| damaged(&format!("history page of {first}"), why);
        let (entries, rest) = entries.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err(damaged(WITHIN_AN_ENTRY));
        }
        if !entries.is_sorted_by(|one, next| one < next) {
            return Err(damaged("is not sorted"));
        }
        let read: Vec<IndexEntry> = entries.iter().map(|entry| one(*first, entry)).collect();
        if read.iter().any(|(prefix, _)| prefix.bucket() != *bucket) {
            return Err(damaged("has an entry of another page"));
        }
        Ok(read)
    }
}

const WITHIN_AN_ENTRY: &str = "ends within an entry";

fn one(first: i64, entry: &[u8; ENTRY]) -> IndexEntry {
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&entry[..PREFIX]);
    let offset = u16::from_be_bytes([entry[PREFIX], entry[PREFIX + 1]]);
    (Prefix(prefix), first.saturating_add(i64::from(offset)))
}

/// The numbers in a page whose digests begin with `prefix`, lowest first.
pub fn numbers(first: i64, entries: &[u8], prefix: Prefix) -> Result<Vec<i64>, StoreError> {
    let (entries, rest) = entries.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return Err(damaged(&format!("history page of {first}"), WITHIN_AN_ENTRY));
    }
    let from = entries.partition_point(|entry| entry[..PREFIX] < prefix.0[..]);
    let theirs = entries[from..].iter().take_while(|entry| entry[..PREFIX] == prefix.0[..]);
    Ok(theirs.map(|entry| one(first, entry).1).collect())
}

/// A segment, as it is gathered.
#[derive(Debug, Default)]
pub struct Segment {
    first: Option<i64>,
    entries: [Vec<(Prefix, u16)>; HistoryKind::ALL.len()],
}

impl Segment {
    /// Whether a row with this number can be one of the segment's.
    pub fn reaches(&self, number: i64) -> bool {
        self.first.is_none_or(|first| (0..=MOST_OFFSET).contains(&number.saturating_sub(first)))
    }

    /// Takes note that a row is whose these digests are, in the order of [`HistoryKind::ALL`].
    pub fn add(&mut self, number: i64, digests: [Option<Uuid>; HistoryKind::ALL.len()]) -> Result<(), StoreError> {
        let first = *self.first.get_or_insert(number);
        let offset = u16::try_from(number.saturating_sub(first))
            .map_err(|_| StoreError::Rejected(format!("journal row {number} is out of reach of segment {first}")))?;
        for (entries, digest) in self.entries.iter_mut().zip(digests) {
            entries.extend(digest.map(|digest| (Prefix::of(digest), offset)));
        }
        Ok(())
    }

    pub fn pages(&mut self) -> Vec<IndexPage> {
        let Some(first) = self.first else { return Vec::new() };
        let mut pages = Vec::new();
        for (kind, entries) in HistoryKind::ALL.into_iter().zip(&mut self.entries) {
            entries.sort_unstable();
            let mut buckets: BTreeMap<i16, Bytes> = BTreeMap::new();
            for (prefix, offset) in entries {
                let page = buckets.entry(prefix.bucket()).or_default();
                page.extend(prefix.0);
                page.extend(offset.to_be_bytes());
            }
            let page = |(bucket, entries)| IndexPage { kind: kind.stored(), bucket, first, entries };
            pages.extend(buckets.into_iter().map(page));
        }
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(first: u8, rest: u8) -> Uuid {
        let mut bytes = [rest; 16];
        bytes[0] = first;
        Uuid::from_bytes(bytes)
    }

    #[test]
    fn what_is_put_into_a_segment_is_found_in_the_page_of_its_bucket_alone() {
        let (one, other, neighbour) = (digest(0, 1), digest(255, 1), digest(255, 2));
        let mut segment = Segment::default();
        let rows = [(10, one, Some(neighbour)), (12, other, None), (13, neighbour, Some(other)), (70, other, None)];
        for (number, player, correlation) in rows {
            segment.add(number, [Some(player), correlation]).unwrap();
        }
        assert!(segment.reaches(10 + MOST_OFFSET) && !segment.reaches(11 + MOST_OFFSET) && !segment.reaches(9));
        let pages = segment.pages();
        let places: Vec<_> = pages.iter().map(|page| (page.kind, page.bucket, page.first)).collect();
        assert_eq!(places, [(1, 0, 10), (1, 63, 10), (2, 63, 10)]);
        let found = |kind: HistoryKind, digest: Uuid| {
            let prefix = Prefix::of(digest);
            let mut of_bucket =
                pages.iter().filter(|page| (page.kind, page.bucket) == (kind.stored(), prefix.bucket()));
            of_bucket.next().map_or(vec![], |page| numbers(page.first, &page.entries, prefix).unwrap())
        };
        assert_eq!(found(HistoryKind::Player, one), [10]);
        assert_eq!(found(HistoryKind::Player, other), [12, 70]);
        assert_eq!(found(HistoryKind::Player, neighbour), [13]);
        assert_eq!(found(HistoryKind::Correlation, neighbour), [10]);
        assert_eq!(found(HistoryKind::Correlation, one), Vec::<i64>::new());
        assert!(numbers(10, &[0; ENTRY + 1], Prefix::of(one)).is_err());
    }

    #[test]
    fn a_page_in_which_a_look_up_would_pass_something_over_cannot_be_read() {
        let entry = |first: u8, offset: u8| [first, 1, 1, 1, 1, 1, 1, 1, 0, offset];
        let page =
            |bucket, entries: &[[u8; ENTRY]]| IndexPage { kind: 1, bucket, first: 10, entries: entries.concat() };
        let read = page(0, &[entry(0, 0), entry(0, 2), entry(1, 1)]).read().unwrap();
        assert_eq!(
            read,
            [(Prefix::of(digest(0, 1)), 10), (Prefix::of(digest(0, 1)), 12), (Prefix::of(digest(1, 1)), 11)]
        );
        let cut_off = IndexPage { entries: entry(0, 0)[1..].to_vec(), ..page(0, &[]) };
        let cases = [
            (cut_off, "ends within an entry"),
            (page(0, &[entry(1, 0), entry(0, 0)]), "is not sorted"),
            (page(0, &[entry(0, 0), entry(0, 0)]), "is not sorted"),
            (page(0, &[entry(4, 0)]), "has an entry of another page"),
            (page(63, &[entry(0, 0)]), "has an entry of another page"),
        ];
        for (page, why) in cases {
            let error = page.read().unwrap_err().to_string();
            assert!(error.ends_with(&format!("damaged row: history page of 10: {why}")), "{error}");
        }
    }
}
