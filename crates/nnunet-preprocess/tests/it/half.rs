//! A store of half precision.

use std::fs;

use nnunet_image::CropBox;
use nnunet_preprocess::{CasePipeline, CaseStore, Precision, PreprocessError, StoreHeader};
use serde_json::{Value, json};

use crate::support::{description, image, json, labels, plans};

fn header(precision: Precision) -> StoreHeader {
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 2);
    let header = StoreHeader::new(&plans(2, "v2"), "3d_fullres", &description).unwrap();
    header.with_precision(precision)
}

fn case() -> nnunet_preprocess::PreprocessedCase {
    let raw = image(2, [13, 22, 19], [1.0; 3]);
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 2);
    let pipeline = CasePipeline::new(&plans(2, "v2"), "3d_fullres", &description).unwrap();
    let map = labels(&raw);
    pipeline.run("one", raw, Some(map)).unwrap()
}

#[test]
fn half_precision_is_read_as_single_and_takes_half_the_space() {
    let case = case();
    let written = |precision| {
        let folder = tempfile::tempdir().unwrap();
        let store = CaseStore::create(folder.path(), header(precision)).unwrap();
        store.write("one", &case).unwrap();
        (store.bytes_on_disk().unwrap(), store, folder)
    };
    let (single_bytes, ..) = written(Precision::Single);
    let (half_bytes, store, folder) = written(Precision::Half);
    assert!(half_bytes < single_bytes, "{half_bytes} {single_bytes}");

    let store_json = json(&store.folder().join("store.json"));
    assert_eq!(store_json["precision"], "float16");
    let metadata = json(&folder.path().join("one.zarr/data/zarr.json"));
    assert_eq!(metadata["data_type"], "float16");

    let stored = CaseStore::open(folder.path())
        .unwrap()
        .open_case("one")
        .unwrap();
    let whole = CropBox::whole(stored.shape());
    let data = stored.read_data(whole).unwrap();
    assert_eq!(data.dim(), case.data.dim());
    for (found, expected) in data.iter().zip(&case.data) {
        assert!(
            (found - expected).abs() <= expected.abs() * 5e-4 + 1e-7,
            "{found} {expected}"
        );
    }
    assert_eq!(stored.read_labels(whole).unwrap(), case.labels);
    let part = CropBox::between([1, 2, 3], [4, 12, 9]).unwrap();
    assert_eq!(
        stored.read_data(part).unwrap(),
        part.view_channels(&data.view())
    );
}

#[test]
fn another_precision_is_another_store() {
    for (there, asked) in [
        (Precision::Single, Precision::Half),
        (Precision::Half, Precision::Single),
    ] {
        let folder = tempfile::tempdir().unwrap();
        CaseStore::create(folder.path(), header(there)).unwrap();
        let error = CaseStore::create(folder.path(), header(asked)).unwrap_err();
        assert!(
            matches!(error, PreprocessError::ChangedPlan { .. }),
            "{error}"
        );
        let text = error.to_string();
        let words = format!("`precision` is {there} there, now {asked} is asked for");
        assert!(text.contains(&words), "{text}");
        assert!(text.contains("another folder"), "{text}");
        // To whoever reads cases the precision makes no difference.
        let store = CaseStore::open(folder.path()).unwrap();
        store.check_settings(&header(asked).settings).unwrap();
        CaseStore::create(folder.path(), header(there)).unwrap();
    }
}

#[test]
fn a_store_that_does_not_say_is_of_single_precision() {
    let folder = tempfile::tempdir().unwrap();
    CaseStore::create(folder.path(), header(Precision::Single)).unwrap();
    let path = folder.path().join("store.json");
    let Value::Object(mut old) = json(&path) else {
        panic!("store.json is no object");
    };
    assert!(old.remove("precision").is_some());
    fs::write(&path, serde_json::to_vec(&old).unwrap()).unwrap();
    let store = CaseStore::create(folder.path(), header(Precision::Single)).unwrap();
    assert_eq!(store.header().precision, Precision::Single);
}

#[test]
fn what_half_precision_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = CaseStore::create(folder.path(), header(Precision::Half)).unwrap();
    let mut case = case();
    case.data[[1, 2, 3, 4]] = 65_504.0;
    store.write("largest", &case).unwrap();
    case.data[[1, 2, 3, 4]] = -70_000.0;
    let error = store.write("beyond", &case).unwrap_err().to_string();
    for word in ["beyond", "-70000", "65504"] {
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(store.cases().unwrap(), ["largest"]);
}
