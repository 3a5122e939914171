//! Frames of AMQP 0-9-1 from the broker, looked at in passing.
//!
//! Only frames with names in them are held until they are whole: methods and content headers. Bodies go through as they
//! come. A name that is not UTF-8 keeps its length: each byte that does not belong becomes `?`. Properties that make no
//! sense at all, or are more than a frame may hold, are left out.

use std::collections::BTreeMap;

use super::Mended;

/// Kind, channel and size of a frame.
const HEAD: usize = 7;
const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// A frame with names in it that is longer than this is left as it is: no broker sends one, as long as `frame_max` stays
/// below.
const MAX_HELD: usize = 16 * 1024 * 1024;

/// No smaller size of a frame can be agreed on.
const SMALLEST_FRAME_MAX: usize = 4096;

/// The class and method by which the broker says how long a frame may be, and where in it.
const TUNE: [u8; 4] = [0, 10, 0, 30];
const OFFERED_FRAME_MAX: std::ops::Range<usize> = 6..10;

/// The class and method by which the broker says that the connection is open.
const OPEN_OK: [u8; 4] = [0, 10, 0, 41];

/// The class and methods that come with a message.
const BASIC: u16 = 60;
const RETURN: u16 = 50;
const DELIVER: u16 = 60;
const GET_OK: u16 = 71;

/// Class, weight and body size, which stand before a message's properties.
const BEFORE_PROPERTIES: usize = 12;

/// A message's properties in their order: the flag of each, and its type.
const PROPERTIES: [(u16, Type); 14] = [
    (15, Type::Short),
    (14, Type::Short),
    (13, Type::Table),
    (12, Type::Fixed(1)),
    (11, Type::Fixed(1)),
    (10, Type::Short),
    (9, Type::Short),
    (8, Type::Short),
    (7, Type::Short),
    (6, Type::Fixed(8)),
    (5, Type::Short),
    (4, Type::Short),
    (3, Type::Short),
    (2, Type::Short),
];

/// Flags that stand for no property; the lowest says that more flags follow.
const UNKNOWN_FLAGS: u16 = 0b11;

/// The broker's own account of how a message came to be where it is. Twice in one table, one of them is forged, and which
/// one a reader takes is chance.
const X_DEATH: &[u8] = b"x-death";

#[derive(Clone, Copy)]
enum Type {
    Short,
    Table,
    Fixed(usize),
}

/// What is left to do with the frame that is passing.
enum Passing {
    /// It is gathered until it is whole.
    Gathering,
    /// So many more bytes of it go through.
    Through(usize),
    /// These are no frames.
    NoFrames,
}

/// A delivery whose content header is still to come.
struct Announced {
    tag: Option<u64>,
    is_mended: bool,
}

pub(super) struct Mender {
    passing: Passing,
    /// The beginning of a frame.
    gathered: Vec<u8>,
    /// By channel.
    announced: BTreeMap<u16, Announced>,
    mended: Option<Mended>,
    /// The longest frame that lapin takes; it ends the connection over a longer one.
    frame_max: usize,
    /// Whether the broker has let us in.
    pub is_open: bool,
}

impl Mender {
    /// `frame_max` is what we ask for, where we do; what the broker offers may be less.
    pub fn new(mended: Option<Mended>, frame_max: Option<u32>) -> Self {
        let frame_max = agreed(usize::MAX, frame_max.unwrap_or(0));
        Self {
            passing: Passing::Gathering,
            gathered: Vec::new(),
            announced: BTreeMap::new(),
            mended,
            frame_max,
            is_open: false,
        }
    }

    /// Takes what came, and appends what may go on.
    pub fn mend(&mut self, mut came: &[u8], out: &mut Vec<u8>) {
        while !came.is_empty() {
            match self.passing {
                Passing::NoFrames => {
                    out.extend_from_slice(came);
                    return;
                }
                Passing::Through(left) => {
                    let (through, rest) = came.split_at(left.min(came.len()));
                    out.extend_from_slice(through);
                    came = rest;
                    let left = left - through.len();
                    self.passing = if left == 0 { Passing::Gathering } else { Passing::Through(left) };
                }
                Passing::Gathering => came = self.gather(came, out),
            }
        }
    }

    /// Takes what is missing of the frame's head, then of the frame; answers with what is left over.
    fn gather<'a>(&mut self, came: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let rest = self.gather_up_to(HEAD, came);
        let Some(&[kind, _, _, size @ ..]) = self.gathered.first_chunk::<HEAD>() else { return rest };
        let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
        let is_held = matches!(kind, METHOD | CONTENT_HEADER) && size <= MAX_HELD;
        if is_held {
            // The size does not count the byte at its end.
            let whole = HEAD + size + 1;
            let rest = self.gather_up_to(whole, rest);
            if self.gathered.len() == whole {
                self.conclude(out);
            }
            return rest;
        }
        out.append(&mut self.gathered);
        self.passing = match kind {
            METHOD | CONTENT_HEADER | BODY | HEARTBEAT => Passing::Through(size.saturating_add(1)),
            _ => Passing::NoFrames,
        };
        rest
    }

    fn gather_up_to<'a>(&mut self, length: usize, came: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = came.split_at(length.saturating_sub(self.gathered.len()).min(came.len()));
        self.gathered.extend_from_slice(taken);
        rest
    }

    /// A frame with names in it is whole.
    fn conclude(&mut self, out: &mut Vec<u8>) {
        let mut frame = std::mem::take(&mut self.gathered);
        let channel = u16::from_be_bytes([frame[1], frame[2]]);
        let end = frame.len() - 1;
        if frame[0] == METHOD {
            if let Some(offered) = offered_frame_max(&frame[HEAD..end]) {
                self.frame_max = agreed(self.frame_max, offered);
            }
            self.is_open |= frame[HEAD..end].starts_with(&OPEN_OK);
            if let Some(announced) = announced(&mut frame[HEAD..end]) {
                self.announced.insert(channel, announced);
            }
        } else {
            let is_mended = mend_content_header(&mut frame, self.frame_max);
            if let Some(Announced { tag: Some(tag), is_mended: before }) = self.announced.remove(&channel)
                && (is_mended || before)
                && let Some(mended) = &self.mended
            {
                mended.note(channel, tag);
            }
        }
        out.extend_from_slice(&frame);
        frame.clear();
        self.gathered = frame;
    }
}

/// The smaller of both, as lapin has it; nought stands for no limit.
fn agreed(frame_max: usize, offered: u32) -> usize {
    match usize::try_from(offered) {
        Ok(0) | Err(_) => frame_max,
        Ok(offered) => frame_max.min(offered).max(SMALLEST_FRAME_MAX),
    }
}

fn offered_frame_max(payload: &[u8]) -> Option<u32> {
    let offered = payload.strip_prefix(&TUNE).and(payload.get(OFFERED_FRAME_MAX))?;
    offered.try_into().ok().map(u32::from_be_bytes)
}

/// Mends a method that announces a message; `None` where it is another.
fn announced(payload: &mut [u8]) -> Option<Announced> {
    let mut names = Cursor { bytes: payload, at: 0, is_mended: false };
    if names.number::<2>()? != BASIC.to_be_bytes() {
        return None;
    }
    let tag = match u16::from_be_bytes(names.number()?) {
        DELIVER => {
            names.short()?;
            Some(u64::from_be_bytes(names.number()?))
        }
        GET_OK => Some(u64::from_be_bytes(names.number()?)),
        RETURN => {
            names.skip(2)?;
            names.short()?;
            None
        }
        _ => return None,
    };
    if tag.is_some() {
        // Whether it was delivered before.
        names.skip(1)?;
    }
    names.short()?;
    names.short()?;
    Some(Announced { tag, is_mended: names.is_mended })
}

/// Mends a message's properties, or leaves them out where they make no sense, or too much: the broker does not divide them
/// among frames, and adds to them with each delivery. Whether anything had to be done.
fn mend_content_header(frame: &mut Vec<u8>, frame_max: usize) -> bool {
    let (end, fits) = (frame.len() - 1, frame.len() <= frame_max);
    let Some(properties) = frame.get_mut(HEAD + BEFORE_PROPERTIES..end) else { return false };
    let mut cursor = Cursor { bytes: properties, at: 0, is_mended: false };
    if fits && cursor.properties().is_some() && cursor.at == cursor.bytes.len() {
        return cursor.is_mended;
    }
    let frame_end = frame[end];
    frame.truncate(HEAD + BEFORE_PROPERTIES);
    frame.extend_from_slice(&[0, 0, frame_end]);
    let size = u32::try_from(BEFORE_PROPERTIES + 2).unwrap_or(u32::MAX);
    frame[3..HEAD].copy_from_slice(&size.to_be_bytes());
    true
}

/// Walks over what a frame holds. `None`: it does not hold what it should.
struct Cursor<'a> {
    bytes: &'a mut [u8],
    at: usize,
    is_mended: bool,
}

impl Cursor<'_> {
    fn skip(&mut self, length: usize) -> Option<()> {
        self.at = self.at.checked_add(length).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        let number = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(number)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.number()?)).ok()
    }

    /// A name, which is mended. Answers with where it is.
    fn short(&mut self) -> Option<std::ops::Range<usize>> {
        let [length] = self.number()?;
        let begin = self.at;
        self.skip(usize::from(length))?;
        self.is_mended |= make_utf8(&mut self.bytes[begin..self.at]);
        Some(begin..self.at)
    }

    fn properties(&mut self) -> Option<()> {
        let flags = u16::from_be_bytes(self.number()?);
        if flags & UNKNOWN_FLAGS != 0 {
            return None;
        }
        for (flag, kind) in PROPERTIES {
            if flags & (1 << flag) == 0 {
                continue;
            }
            match kind {
                Type::Short => _ = self.short()?,
                Type::Fixed(length) => self.skip(length)?,
                Type::Table => self.table()?,
            }
        }
        Some(())
    }

    /// A table with all that is in it: where the open tables and lists end, and whether their values have names. Not by
    /// recursion: they may be as deep as a frame is long.
    fn table(&mut self) -> Option<()> {
        let mut open = vec![(self.end_of_nested(self.bytes.len())?, true)];
        let mut deaths = 0;
        while let Some(&(end, has_names)) = open.last() {
            if self.at == end {
                open.pop();
                continue;
            }
            if has_names {
                let name = self.short()?;
                deaths += usize::from(open.len() == 1 && self.bytes[name].eq_ignore_ascii_case(X_DEATH));
            }
            let [kind] = self.number()?;
            match kind {
                b't' | b'b' | b'B' => self.skip(1)?,
                b's' | b'u' | b'U' => self.skip(2)?,
                b'I' | b'i' | b'f' => self.skip(4)?,
                b'L' | b'l' | b'd' | b'T' => self.skip(8)?,
                b'D' => self.skip(5)?,
                b'V' => {}
                b'S' | b'x' => {
                    let length = self.length()?;
                    self.skip(length)?;
                }
                b'F' => open.push((self.end_of_nested(end)?, true)),
                b'A' => open.push((self.end_of_nested(end)?, false)),
                _ => return None,
            }
            if self.at > end {
                return None;
            }
        }
        self.is_mended |= deaths > 1;
        Some(())
    }

    /// Where what begins here with its length ends: not behind what it is in.
    fn end_of_nested(&mut self, outer: usize) -> Option<usize> {
        let length = self.length()?;
        self.at.checked_add(length).filter(|end| *end <= outer)
    }
}

/// Replaces each byte that does not belong. Whether there was one.
fn make_utf8(mut bytes: &mut [u8]) -> bool {
    let mut is_mended = false;
    while let Err(error) = std::str::from_utf8(bytes) {
        let begin = error.valid_up_to();
        let end = error.error_len().map_or(bytes.len(), |length| begin + length);
        bytes[begin..end].fill(b'?');
        is_mended = true;
        bytes = &mut bytes[end..];
    }
    is_mended
}
