//! Checkpoints with contents that no test of the Python program writes.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use tch::Kind;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::encode::Encoder;
use super::*;

/// An archive with these entries in a folder.
fn archive(folder: &Path, entries: &[(&str, &[u8])], method: CompressionMethod) -> PathBuf {
    let path = folder.join("crafted.pth");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in entries {
        zip.start_file(format!("x/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

/// A tensor: class of its storage, key, length, offset, shape and strides.
struct Crafted {
    class: &'static str,
    key: &'static str,
    length: i64,
    offset: i64,
    shape: &'static [i64],
    strides: &'static [i64],
}

fn tensor(e: &mut Encoder, crafted: &Crafted) {
    e.call(("torch._utils", "_rebuild_tensor_v2"), |e| {
        e.persistent(|e| {
            e.text("storage");
            e.global("torch", crafted.class);
            e.text(crafted.key);
            e.text("cuda:0");
            e.int(crafted.length);
        });
        e.int(crafted.offset);
        e.tuple(|e| crafted.shape.iter().for_each(|v| e.int(*v)));
        e.tuple(|e| crafted.strides.iter().for_each(|v| e.int(*v)));
        e.bool(false);
        e.ordered_dict(|_| {});
    });
}

/// A checkpoint of one tensor called `w`, with a storage of these bytes.
fn with_tensor(folder: &Path, crafted: &Crafted, bytes: &[u8]) -> PathBuf {
    let mut encoder = Encoder::new();
    encoder.dict(|e| {
        e.text("network_weights");
        e.dict(|e| {
            e.text("w");
            tensor(e, crafted);
        });
    });
    let entries = [("data.pkl", &encoder.finish()[..]), ("data/0", bytes)];
    archive(folder, &entries, CompressionMethod::Stored)
}

/// A checkpoint without weights and these other entries.
fn with_entries(folder: &Path, write: impl FnOnce(&mut Encoder)) -> PathBuf {
    let mut encoder = Encoder::new();
    encoder.dict(|e| {
        e.text("network_weights");
        e.ordered_dict(|_| {});
        write(e);
    });
    let entries = [("data.pkl", &encoder.finish()[..])];
    archive(folder, &entries, CompressionMethod::Stored)
}

const PLAIN: Crafted = Crafted {
    class: "FloatStorage",
    key: "0",
    length: 6,
    offset: 0,
    shape: &[2, 3],
    strides: &[3, 1],
};

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn read(path: &Path) -> Result<Vec<f64>, ModelError> {
    let checkpoint = PythonCheckpoint::open(path)?;
    assert_eq!(checkpoint.skipped(), []);
    let tensor = checkpoint.read(&checkpoint.weights[0].1)?;
    Ok(Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap())
}

#[test]
fn views_of_a_storage_are_read_as_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    for (offset, shape, strides, expected) in [
        (
            0,
            &[2, 3][..],
            &[3, 1][..],
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..],
        ),
        (0, &[3, 2], &[1, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        (1, &[2], &[3], &[1.0, 4.0]),
        (5, &[], &[], &[5.0]),
        (2, &[3], &[0], &[2.0, 2.0, 2.0]),
        (0, &[0, 3], &[3, 1], &[]),
    ] {
        let crafted = Crafted {
            offset,
            shape,
            strides,
            ..PLAIN
        };
        let path = with_tensor(dir.path(), &crafted, &bytes);
        assert_eq!(read(&path).unwrap(), expected, "{shape:?}");
    }
}

#[test]
fn every_type_of_value_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for (class, bytes) in [
        (
            "DoubleStorage",
            [1.5_f64, -2.0].map(f64::to_le_bytes).concat(),
        ),
        ("HalfStorage", vec![0x00, 0x3e, 0x00, 0xc0]),
        ("BFloat16Storage", vec![0xc0, 0x3f, 0x00, 0xc0]),
        ("FloatStorage", floats(&[1.5, -2.0])),
    ] {
        let crafted = Crafted {
            class,
            length: 2,
            shape: &[2],
            strides: &[1],
            ..PLAIN
        };
        assert_eq!(
            read(&with_tensor(dir.path(), &crafted, &bytes)).unwrap(),
            [1.5, -2.0]
        );
    }
    let crafted = Crafted {
        class: "LongStorage",
        length: 1,
        shape: &[],
        strides: &[],
        ..PLAIN
    };
    let path = with_tensor(dir.path(), &crafted, &7_i64.to_le_bytes());
    assert_eq!(read(&path).unwrap(), [7.0]);
}

#[test]
fn views_beyond_their_storage_are_not_tensors() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = floats(&[0.0; 6]);
    for (offset, shape, strides) in [
        (1, &[2, 3][..], &[3, 1][..]),
        (0, &[7], &[1]),
        (0, &[2], &[6]),
        (0, &[1 << 40, 1 << 40], &[0, 0]),
        (0, &[1_000_000], &[0]),
        (0, &[2], &[i64::MAX]),
        (-1, &[2], &[1]),
        (0, &[2], &[-1]),
        (0, &[2, 3], &[1]),
    ] {
        let crafted = Crafted {
            offset,
            shape,
            strides,
            ..PLAIN
        };
        let path = with_tensor(dir.path(), &crafted, &bytes);
        let checkpoint = PythonCheckpoint::open(&path).unwrap();
        assert_eq!(checkpoint.weights().len(), 0, "{shape:?}");
        assert_eq!(checkpoint.skipped()[0].place, "network_weights.w");
    }
    // What the pickle promises and the archive does not hold.
    let path = with_tensor(dir.path(), &PLAIN, &bytes[..20]);
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("has 20 bytes, expected 6 values"), "{error}");
    // Values of another type than it says would be read as nonsense.
    let halves = Crafted {
        class: "HalfStorage",
        ..PLAIN
    };
    let error = read(&with_tensor(dir.path(), &halves, &bytes))
        .unwrap_err()
        .to_string();
    assert!(error.contains("has 24 bytes"), "{error}");
    let absent = Crafted { key: "1", ..PLAIN };
    let error = read(&with_tensor(dir.path(), &absent, &bytes))
        .unwrap_err()
        .to_string();
    assert!(error.contains("`data/1`"), "{error}");
}

#[test]
fn unknown_objects_are_skipped_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = with_entries(dir.path(), |e| {
        e.text("trainer_name");
        e.text("nnUNetTrainer");
        e.text("init_args");
        e.dict(|e| {
            e.text("configuration");
            e.text("2d");
            e.text("fold");
            e.int(3);
            e.text("device");
            e.call(("torch", "device"), |e| {
                e.text("cuda");
                e.int(1);
            });
            e.text("output");
            e.call(("pathlib", "PosixPath"), |e| e.text("/"));
            e.text("harm");
            e.call(("os", "system"), |e| e.text("exit 1"));
        });
        e.text("current_epoch");
        e.int(5);
    });
    let checkpoint = PythonCheckpoint::open(&path).unwrap();
    let arguments = &checkpoint.metadata().init_args;
    assert_eq!(arguments.device.as_deref(), Some("cuda:1"));
    assert_eq!(arguments.fold.as_deref(), Some("3"));
    assert_eq!(arguments.configuration.as_deref(), Some("2d"));
    assert_eq!(arguments.extra["output"], json!(null));
    assert_eq!(checkpoint.metadata().current_epoch, 5);
    let skipped: Vec<String> = checkpoint
        .skipped()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        skipped,
        [
            "`init_args.output` is an object of `pathlib.PosixPath`",
            "`init_args.harm` is an object of `os.system`",
        ]
    );
}

#[test]
fn objects_in_many_places_do_not_fill_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = with_entries(dir.path(), |e| {
        // Each list holds the one before it ten times: 10^40 values, in a kilobyte.
        e.text("init_args");
        e.dict(|e| {
            e.text("0");
            e.list(|e| e.text("x"));
            let mut last = e.remember();
            for level in 1..40 {
                e.text(&level.to_string());
                e.list(|e| (0..10).for_each(|_| e.again(last)));
                last = e.remember();
            }
        });
    });
    let checkpoint = PythonCheckpoint::open(&path).unwrap();
    let last = checkpoint.skipped().last().unwrap();
    assert!(last.what.contains("too many"), "{last}");
}

#[test]
fn archives_of_other_kinds_say_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let pickle = |write: fn(&mut Encoder)| {
        let mut encoder = Encoder::new();
        write(&mut encoder);
        encoder.finish()
    };
    let check = |entries: &[(&str, &[u8])], hint: &str| {
        let path = archive(dir.path(), entries, CompressionMethod::Stored);
        let error = PythonCheckpoint::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("crafted.pth") && error.contains(hint),
            "{error}"
        );
    };
    check(&[("version", b"3")], "without `data.pkl`");
    check(&[("data.pkl", b"\x80\x02.")], "its pickle is broken");
    check(
        &[("data.pkl", b"\x80\x02}."), ("byteorder", b"big")],
        "expected `little`",
    );
    check(
        &[("data.pkl", &pickle(|e| e.list(|_| {})))],
        "it holds a list",
    );
    check(
        &[("data.pkl", &pickle(|e| e.dict(|_| {})))],
        "no `network_weights`",
    );
    let v1 = pickle(|e| {
        e.dict(|e| {
            e.text("state_dict");
            e.ordered_dict(|_| {});
        });
    });
    check(&[("data.pkl", &v1)], "nnU-Net v1");
    let text = pickle(|e| {
        e.dict(|e| {
            e.text("network_weights");
            e.text("none");
        });
    });
    check(&[("data.pkl", &text)], "expected a dictionary");
}
