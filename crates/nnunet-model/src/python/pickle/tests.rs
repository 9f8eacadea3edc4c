//! Pickles written by hand.

use proptest::prelude::*;

use super::*;

fn root(bytes: &[u8]) -> Object {
    let (objects, root) = read(bytes).unwrap();
    objects.get(root).clone()
}

#[test]
fn whole_numbers_of_any_length() {
    for (bytes, expected) in [
        (&[][..], Object::Int(0)),
        (&[0xff], Object::Int(-1)),
        (&[0xff, 0], Object::Int(255)),
        (&[0, 0, 0, 0, 0, 0, 0, 0x80], Object::Int(i64::MIN)),
        (&[0, 0, 0, 0, 0, 0, 0, 0x80, 0], Object::BigInt),
        (&[1, 0, 0, 0, 0, 0, 0, 0, 0], Object::Int(1)),
        (&[0; 40], Object::Int(0)),
    ] {
        assert_eq!(whole(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn values_of_every_protocol() {
    assert_eq!(root(b"\x80\x02K\x07."), Object::Int(7));
    assert_eq!(
        root(b"\x80\x02X\x02\x00\x00\x00ab."),
        Object::Text("ab".into())
    );
    assert_eq!(
        root(b"\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\x01a\x94."),
        Object::Text("a".into())
    );
    assert_eq!(root(b"\x80\x02G\x3f\xf8\0\0\0\0\0\0."), Object::Float(1.5));
    let (objects, root) =
        read(b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00bNu.").unwrap();
    assert_eq!(
        objects.entry(root, "a").and_then(|id| objects.count(id)),
        Some(1)
    );
    assert_eq!(
        objects.get(objects.entry(root, "b").unwrap()),
        &Object::None
    );
    assert_eq!(objects.entry(root, "c"), None);
}

#[test]
fn calls_are_written_down_and_not_made() {
    let (objects, root) = read(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00exit\x85R.").unwrap();
    let (name, arguments, _) = objects.call(root).unwrap();
    assert_eq!(name, "os.system");
    assert_eq!(objects.text(arguments[0]), Some("exit"));
}

#[test]
fn a_list_in_itself_does_no_harm() {
    let (objects, root) = read(b"\x80\x02]q\x00h\x00a.").unwrap();
    assert_eq!(objects.sequence(root), Some(&[root][..]));
}

#[test]
fn broken_pickles_are_errors() {
    for bytes in [
        &b""[..],
        b".",
        b"\x80\x09N.",
        b"\x80\x02",
        b"\x80\x02(.",
        b"\x80\x02(K\x01(a.",
        b"\x80\x02h\x07.",
        b"\x80\x02\x87.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"\x80\x02cos\nsystem",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02I1\n.",
    ] {
        let error = read(bytes).unwrap_err();
        assert!(error.contains("its pickle is broken at byte"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    /// Whatever the bytes: objects or an error, never a panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    /// The same for bytes that are mostly instructions.
    #[test]
    fn any_instructions_are_read_or_refused(
        bytes in proptest::collection::vec(
            proptest::sample::select(&b"(]})NKqhjatlude.sRbcQ0123\x81\x85\x86\x87\x88\x89\x8a\x8f\x90\x91\x92\x93\x94\n"[..]),
            0..80,
        )
    ) {
        let _ = read(&bytes);
    }
}
