use std::fs;
use std::path::Path;

use ndarray::Axis;
use nnunet_image::CropBox;
use nnunet_preprocess::{
    CasePipeline, CaseStore, PreprocessError, PreprocessedCase, StoreHeader, StoredCase,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{crop_box, description, image, labels, plans};

fn header(rules: &str) -> StoreHeader {
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 2);
    StoreHeader::new(&plans(2, rules), "3d_fullres", &description).unwrap()
}

fn case() -> PreprocessedCase {
    let raw = image(2, [13, 22, 19], [1.0; 3]);
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 2);
    let pipeline = CasePipeline::new(&plans(2, "v2"), "3d_fullres", &description).unwrap();
    pipeline
        .run("one", raw.clone(), Some(labels(&raw)))
        .unwrap()
}

fn whole(stored: &StoredCase) -> CropBox {
    CropBox::whole(stored.shape())
}

#[test]
fn what_was_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    let case = case();
    store.write("b", &case).unwrap();
    store.write("a", &case).unwrap();
    store.write("a", &case).unwrap();

    let store = CaseStore::open(folder.path()).unwrap();
    assert_eq!(store.cases().unwrap(), ["a", "b"]);
    let stored = store.open_case("a").unwrap();
    assert_eq!(stored.id(), "a");
    assert_eq!(stored.channels(), 2);
    assert_eq!(*stored.properties(), case.properties);
    assert_eq!(stored.read_data(whole(&stored)).unwrap(), case.data);
    assert_eq!(stored.read_labels(whole(&stored)).unwrap(), case.labels);
}

#[test]
fn a_case_is_removed_alone_and_a_discarded_store_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    store.write("a", &case()).unwrap();
    store.write("b", &case()).unwrap();
    store.remove("a").unwrap();
    store.remove("was never there").unwrap();
    assert!(store.remove("../b").is_err());
    assert_eq!(store.cases().unwrap(), ["b"]);
    assert!(!store.contains("a") && store.contains("b"));

    let other = folder.path().join("b.npz");
    fs::write(&other, "of another program").unwrap();
    store.discard().unwrap();
    assert!(CaseStore::open(folder.path()).is_err());
    let left = fs::read_dir(folder.path()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [other]);
    CaseStore::create(folder.path(), header("paper")).unwrap();
}

#[test]
fn any_box_is_read_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    let case = case();
    store.write("one", &case).unwrap();
    let stored = store.open_case("one").unwrap();
    let shape = stored.shape();
    let edge = |n: usize| (0..n).prop_flat_map(move |low| (Just(low), low + 1..=n));
    let boxes = (edge(shape[0]), edge(shape[1]), edge(shape[2]));
    proptest!(ProptestConfig::with_cases(64), |(b in boxes)| {
        let region = crop_box([[b.0.0, b.0.1], [b.1.0, b.1.1], [b.2.0, b.2.1]]);
        let data = stored.read_data(region).unwrap();
        prop_assert_eq!(data, region.view_channels(&case.data.view()));
        let labels = stored.read_labels(region).unwrap();
        prop_assert_eq!(labels, region.view(&case.labels.view()));
    });
    for outside in [
        [[0, shape[0] + 1], [0, 1], [0, 1]],
        [[1, 1], [0, 1], [0, 1]],
    ] {
        let error = stored.read_data(crop_box(outside)).unwrap_err();
        assert!(
            matches!(error, PreprocessError::BoxOutside { .. }),
            "{error}"
        );
    }
}

#[test]
fn boxes_are_read_from_many_threads() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    let case = case();
    store.write("one", &case).unwrap();
    let stored = store.open_case("one").unwrap();
    std::thread::scope(|scope| {
        for offset in 0..4 {
            let (stored, case) = (&stored, &case);
            scope.spawn(move || {
                for z in 0..stored.shape()[0] - offset {
                    let region = crop_box([[z, z + 1 + offset], [3, 15], [2, 9]]);
                    let data = stored.read_data(region).unwrap();
                    assert_eq!(data, region.view_channels(&case.data.view()));
                }
            });
        }
    });
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn an_interrupted_write_leaves_no_case_and_is_cleaned_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    let case = case();
    store.write("whole", &case).unwrap();
    // Killed while the arrays were written: the temporary folder is there.
    fs::create_dir_all(folder.path().join(".tmp-1-0-half.zarr/data")).unwrap();
    // Killed between the arrays and the properties.
    store.write("half", &case).unwrap();
    fs::remove_file(folder.path().join("half.json")).unwrap();
    fs::write(folder.path().join(".tmp-1-1-half.json"), b"{").unwrap();

    assert_eq!(store.cases().unwrap(), ["whole"]);
    assert!(!store.contains("half"));
    let error = store.open_case("half").unwrap_err();
    assert!(
        matches!(error, PreprocessError::UnknownCase { .. }),
        "{error}"
    );

    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    assert_eq!(
        names(folder.path()),
        ["store.json", "whole.json", "whole.zarr"]
    );
    store.write("half", &case).unwrap();
    assert_eq!(store.cases().unwrap(), ["half", "whole"]);
}

#[test]
fn a_changed_plan_is_noticed_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    CaseStore::create(folder.path(), header("v2")).unwrap();
    let mut changed = header("paper");
    changed.settings.spacing[0] = 2.5;
    changed.plans_name = "other".into();
    let error = CaseStore::create(folder.path(), changed)
        .unwrap_err()
        .to_string();
    for word in [
        "normalize-then-resample",
        "resample-then-normalize",
        "[2.5,1.0,1.0]",
    ] {
        assert!(error.contains(word), "{error}");
    }
    // Another name for the same settings, or another patch, is no difference.
    let mut renamed = header("v2");
    renamed.plans_name = "other".into();
    CaseStore::create(folder.path(), renamed).unwrap();
}

#[test]
fn what_is_no_store_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = CaseStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("store.json"), "{error}");

    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    for name in ["../x", "", ".hidden", "store", "a/b"] {
        let error = store.write(name, &case()).unwrap_err();
        assert!(matches!(error, PreprocessError::CaseName { .. }), "{error}");
    }

    let text = fs::read_to_string(folder.path().join("store.json")).unwrap();
    let newer = text.replace("\"format\": 1", "\"format\": 2");
    fs::write(folder.path().join("store.json"), newer).unwrap();
    let error = CaseStore::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains("format 2"), "{error}");
}

#[test]
fn damage_within_a_file_is_an_error_that_names_it() {
    type Harm = fn(&mut Vec<u8>);
    let harms: [(Harm, &str); 4] = [
        (|bytes| bytes.truncate(10), "ends after 10 bytes"),
        (|bytes| *bytes.last_mut().unwrap() ^= 1, "checksum"),
        // The first byte is that of Blosc's version.
        (|bytes| bytes[0] = 99, "preprocess this case again"),
        (|bytes| bytes.clear(), "ends after 0 bytes"),
    ];
    for (harm, word) in harms {
        let folder = tempfile::tempdir().unwrap();
        let store = CaseStore::create(folder.path(), header("v2")).unwrap();
        store.write("case", &case()).unwrap();
        let stored = store.open_case("case").unwrap();
        let file = folder.path().join("case.zarr/data/c/0/0/0/0");
        let mut bytes = fs::read(&file).unwrap();
        harm(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let error = stored.read_data(whole(&stored)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert!(error.contains(&file.display().to_string()), "{error}");
    }
}

#[test]
fn a_lost_file_is_not_read_as_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header("v2")).unwrap();
    let mut case = case();
    // A channel without content has its file nevertheless.
    case.data.index_axis_mut(Axis(0), 1).fill(0.0);
    store.write("one", &case).unwrap();
    let stored = store.open_case("one").unwrap();
    assert_eq!(stored.read_data(whole(&stored)).unwrap(), case.data);

    fs::remove_file(folder.path().join("one.zarr/data/c/1/0/0/0")).unwrap();
    let error = store.open_case("one").unwrap_err().to_string();
    assert!(error.contains("data/c/1/0/0/0 is gone"), "{error}");
}
