//! A run that is killed, and the one after it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nnunet_image::CropBox;
use nnunet_preprocess::{CaseStore, PreprocessError, PreprocessedCase, StoreHeader};
use serde_json::json;

use crate::files::Files;
use crate::support::{description, image, labels, plans};

/// Set in the process that is to be killed: the folder that it writes to, and one with the case
/// that it writes.
const VICTIM: &str = "NNUNET_TEST_STORE_OF_VICTIM";
const REFERENCE: &str = "NNUNET_TEST_REFERENCE_STORE";
const CASES: usize = 6;

/// Some cases, large enough that writing one takes a while.
fn cases() -> Files {
    let mut files = Files::new();
    for number in 0..CASES {
        let mut raw = image(1, [40, 90, 90], [1.0; 3]);
        let mut state = number as u32 + 1;
        raw.data.mapv_inplace(|v| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            v + (state >> 16) as f32
        });
        files.add(&format!("case_{number}"), &raw, &labels(&raw));
    }
    files
}

/// Not a test of its own: the process that `what_was_killed_is_continued` kills runs only this.
#[test]
fn the_victim() {
    let folders = (std::env::var_os(VICTIM), std::env::var_os(REFERENCE));
    let (Some(folder), Some(reference)) = folders else {
        return;
    };
    let reference = CaseStore::open(Path::new(&reference)).unwrap();
    let store = CaseStore::create(Path::new(&folder), reference.header().clone()).unwrap();
    let stored = reference.open_case("case_0").unwrap();
    let whole = CropBox::whole(stored.shape());
    let case = PreprocessedCase {
        data: stored.read_data(whole).unwrap(),
        labels: stored.read_labels(whole).unwrap(),
        properties: stored.properties().clone(),
    };
    // For ever, over the cases that are there, until it is killed.
    for number in (0..CASES).cycle() {
        store.write(&format!("case_{number}"), &case).unwrap();
    }
}

/// Whether arrays are being written in the folder of a store.
fn is_writing(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    let mut names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    names.any(|name| {
        let name = name.to_string_lossy();
        name.starts_with(".tmp-") && name.ends_with(".zarr")
    })
}

#[test]
fn what_was_killed_is_continued() {
    let files = cases();
    let (expected, reference, _) = files.run("3d_fullres");
    assert_eq!(expected.done.len(), CASES);

    let mut caught = 0;
    for delay in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["interrupted::the_victim", "--exact", "--nocapture"])
            .env(VICTIM, folder.path())
            .env(REFERENCE, reference.folder())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while !is_writing(folder.path()) && start.elapsed() < Duration::from_secs(60) {
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_millis(5 * delay));
        victim.kill().unwrap();
        victim.wait().unwrap();
        caught += usize::from(is_writing(folder.path()));

        // Complete cases are there, half of one is not.
        let store = CaseStore::open(folder.path()).unwrap();
        let there = store.cases().unwrap();
        for case in &there {
            let case = store.open_case(case).unwrap();
            case.read_data(CropBox::whole(case.shape())).unwrap();
        }
        let store = CaseStore::create(folder.path(), reference.header().clone()).unwrap();
        assert!(!is_writing(folder.path()));
        assert_eq!(store.cases().unwrap(), there);
    }
    assert!(caught > 0, "never killed in the middle of writing");
}

#[test]
fn an_interrupted_run_does_only_what_is_missing() {
    let files = cases();
    let (_, store, _) = files.run("3d_fullres");
    let read = |case: &str| {
        let case = store.open_case(case).unwrap();
        let whole = CropBox::whole(case.shape());
        (
            case.read_data(whole).unwrap(),
            case.read_labels(whole).unwrap(),
        )
    };
    let expected: Vec<_> = (0..CASES).map(|n| read(&format!("case_{n}"))).collect();
    let folder = store.folder();
    let written = |case: &str| {
        let path = folder.join(format!("{case}.json"));
        fs::metadata(path).unwrap().modified().unwrap()
    };
    let before = written("case_0");

    // One case has lost its end, the arrays of another were never begun.
    fs::remove_file(folder.join("case_1.json")).unwrap();
    fs::remove_dir_all(folder.join("case_4.zarr")).unwrap();
    let (report, store, _) = files.run("3d_fullres");
    assert_eq!(report.done, ["case_1", "case_4"]);
    assert_eq!(report.skipped, ["case_0", "case_2", "case_3", "case_5"]);
    assert_eq!(written("case_0"), before);
    assert_eq!(report.bytes_on_disk, store.bytes_on_disk().unwrap());
    for (number, expected) in expected.iter().enumerate() {
        assert_eq!(read(&format!("case_{number}")), *expected);
    }
}

#[test]
fn a_changed_plan_leaves_the_cases_alone() {
    let files = cases();
    let (_, store, _) = files.run("3d_fullres");
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let mut changed = plans(1, "v2");
    changed.configurations["3d_fullres"].insert("spacing".into(), json!([2.0, 1.0, 1.0]));
    let header = StoreHeader::new(&changed, "3d_fullres", &description).unwrap();
    let error = CaseStore::create(store.folder(), header).unwrap_err();
    assert!(matches!(error, PreprocessError::ChangedPlan { .. }));
    let text = error.to_string();
    for word in [
        "`spacing`",
        "[1.0,1.0,1.0]",
        "[2.0,1.0,1.0]",
        "another folder",
    ] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(store.cases().unwrap().len(), CASES);
}
