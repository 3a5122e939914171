//! What a broker could be made to pass on, in pieces of every size.

use by_hand::*;
use proptest::prelude::*;

use super::Mended;
use super::frames::Mender;

mod by_hand {
    pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind], channel.to_be_bytes().as_slice(), &size, payload, &[0xce]].concat()
    }

    pub fn short(bytes: &[u8]) -> Vec<u8> {
        [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    pub fn long(bytes: &[u8]) -> Vec<u8> {
        [u32::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), bytes].concat()
    }

    pub fn deliver(channel: u16, tag: u64, routing_key: &[u8]) -> Vec<u8> {
        let names = [short(b"consumer"), tag.to_be_bytes().to_vec(), vec![0], short(b"v1.0"), short(routing_key)];
        frame(1, channel, &[vec![0, 60, 0, 60], names.concat()].concat())
    }

    /// A content header with these headers and this correlation id.
    pub fn header(channel: u16, headers: &[u8], correlation_id: &[u8]) -> Vec<u8> {
        let before = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        let properties = [vec![0x24, 0], long(headers), short(correlation_id)].concat();
        frame(2, channel, &[before.as_slice(), &properties].concat())
    }

    pub fn body(channel: u16) -> Vec<u8> {
        frame(3, channel, b"\xff\xfe")
    }
}

/// What comes out where the bytes come in pieces of this size; and whether delivery 7 of channel 1 is marked.
fn mended(bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    mended_for(None, bytes, piece)
}

/// The same where frames of this size were asked for.
fn mended_for(frame_max: Option<u32>, bytes: &[u8], piece: usize) -> (Vec<u8>, bool) {
    let marks = Mended::default();
    let (mut mender, mut out) = (Mender::new(Some(marks.clone()), frame_max), Vec::new());
    for piece in bytes.chunks(piece) {
        mender.mend(piece, &mut out);
    }
    (out, marks.take(1, 7))
}

fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [short(name).as_slice(), value].concat()
}

#[test]
fn names_are_mended_and_the_rest_is_as_it_came() {
    let text = [b"S".as_slice(), &long(b"caf\xe9")].concat();
    let table = |fields: &[u8]| [b"F".as_slice(), &long(fields)].concat();
    let list = |values: &[u8]| [b"A".as_slice(), &long(values)].concat();
    let deaths = [field(b"x-death", &list(b"")), field(b"X-Death", &list(b""))].concat();
    // Headers, correlation id and routing key; then those that come out where they differ.
    type Case<'a> = (&'a str, Vec<u8>, &'a [u8], &'a [u8], Option<(Vec<u8>, &'a [u8], &'a [u8])>);
    let cases: [Case<'_>; 9] = [
        ("nothing to do", field(b"text", &text), b"caf\xc3\xa9", b"key", None),
        ("correlation id", vec![], b"caf\xe9", b"key", Some((vec![], b"caf?", b"key"))),
        ("cut off", vec![], b"caf\xc3", b"key", Some((vec![], b"caf?", b"key"))),
        ("routing key", vec![], b"id", b"k\xffy", Some((vec![], b"id", b"k?y"))),
        ("header", field(b"n\xff", b"V"), b"id", b"key", Some((field(b"n?", b"V"), b"id", b"key"))),
        (
            "nested",
            field(b"a", &list(&table(&field(b"\xff", &text)))),
            b"id",
            b"key",
            Some((field(b"a", &list(&table(&field(b"?", &text)))), b"id", b"key")),
        ),
        ("values of every kind", every_kind(), b"id", b"key", None),
        ("two accounts of deaths", deaths.clone(), b"id", b"key", Some((deaths, b"id", b"key"))),
        (
            "one account, and one deeper",
            [field(b"x-death", &table(&field(b"x-death", b"V")))].concat(),
            b"id",
            b"key",
            None,
        ),
    ];
    for (what, headers, id, key, other) in cases {
        let came = [deliver(1, 7, key), header(1, &headers, id), body(1)].concat();
        let expected = match &other {
            Some((headers, id, key)) => [deliver(1, 7, key), header(1, headers, id), body(1)].concat(),
            None => came.clone(),
        };
        for piece in [1, 2, 7, 13, came.len()] {
            assert_eq!(mended(&came, piece), (expected.clone(), other.is_some()), "{what}, in pieces of {piece}");
        }
    }
}

fn every_kind() -> Vec<u8> {
    let sizes = [(b"tbB".as_slice(), 1), (b"suU", 2), (b"Iif", 4), (b"LldT", 8), (b"D", 5), (b"V", 0)];
    let of_size = |(kinds, size): (&'static [u8], usize)| {
        kinds.iter().flat_map(move |kind| field(b"f", &[&[*kind], vec![0xff; size].as_slice()].concat()))
    };
    sizes.into_iter().flat_map(of_size).chain(field(b"x", &[b"x".as_slice(), &long(b"\xff")].concat())).collect()
}

#[test]
fn properties_without_sense_are_left_out() {
    let left_out = frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]);
    for headers in [field(b"n", b"?"), b"\x05n".to_vec(), field(b"n", b"S\0\0\xff\xff"), field(b"n", b"F\0\0\0\x09")] {
        let came = [deliver(1, 7, b"key"), header(1, &headers, b"id"), body(1)].concat();
        let expected = [deliver(1, 7, b"key"), left_out.clone(), body(1)].concat();
        assert_eq!(mended(&came, 5), (expected, true), "{headers:?}");
    }
}

#[test]
fn properties_that_are_more_than_a_frame_may_hold_are_left_out() {
    let tune = |offered: u32| {
        let arguments = [&[0, 10, 0, 30, 0x07, 0xff], offered.to_be_bytes().as_slice(), &[0, 60]].concat();
        frame(1, 0, &arguments)
    };
    let left_out = frame(2, 1, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]);
    let of_size = |size: usize| {
        let empty = header(1, &field(b"h", &[b"S".as_slice(), &long(b"")].concat()), b"id").len();
        header(1, &field(b"h", &[b"S".as_slice(), &long(&vec![b'x'; size - empty])].concat()), b"id")
    };
    // What is asked for, what is offered, and how long a frame may be.
    let cases = [
        (None, 131_072, 131_072),
        (Some(0), 8192, 8192),
        (Some(16_384), 131_072, 16_384),
        (Some(131_072), 16_384, 16_384),
        (Some(16_384), 0, 16_384),
        (Some(100), 131_072, 4096),
    ];
    for (asked, offered, longest) in cases {
        for (size, fits) in [(longest, true), (longest + 1, false)] {
            let came = [tune(offered), deliver(1, 7, b"key"), of_size(size), body(1)].concat();
            let kept = if fits { of_size(size) } else { left_out.clone() };
            let expected = [tune(offered), deliver(1, 7, b"key"), kept, body(1)].concat();
            assert!(mended_for(asked, &came, 1000) == (expected, !fits), "{asked:?}, {offered}, {size}");
        }
    }
}

#[test]
fn deliveries_of_other_channels_in_between_do_not_mix() {
    let came = [deliver(1, 7, b"key"), deliver(2, 7, b"key"), header(2, b"", b"\xff"), header(1, b"", b"id")].concat();
    assert!(!mended(&came, 3).1);
}

#[test]
fn what_is_no_frame_goes_through() {
    let refusal = b"AMQP\0\0\x09\x01 and more".as_slice();
    assert_eq!(mended(refusal, 3), (refusal.to_vec(), false));
}

proptest! {
    #[test]
    fn whatever_comes_nothing_is_kept_back_for_ever(bytes in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..40) {
        let headers = frame(2, 1, &bytes);
        let (out, _) = mended(&[headers, body(1)].concat(), piece);
        prop_assert!(out.ends_with(&body(1)));
        let _ = mended(&bytes, piece);
    }
}
