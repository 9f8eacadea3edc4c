use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use nnunet_image::{
    CropBox, FormatRegistry, Image, ImageError, ImageFormat, LabelMap, RawCase, RawDataset,
};
use nnunet_preprocess::{
    CaseStore, PreprocessError, PreprocessOptions, StoreHeader, preprocess_dataset,
};
use nnunet_schema::{NoProgress, Plans, Progress, Task};
use serde_json::json;

use crate::support::{description, image, labels, load_plans, plans, shared};

#[derive(Debug, Default, Clone)]
struct Steps(Arc<Mutex<Vec<String>>>);

impl Progress for Steps {
    fn start(&self, what: &str, total: usize) -> Box<dyn Task> {
        self.0.lock().unwrap().push(format!("{what} {total}"));
        Box::new(self.clone())
    }
}

impl Task for Steps {
    fn step(&self, item: &str) {
        self.0.lock().unwrap().push(item.to_owned());
    }
}

fn options() -> PreprocessOptions {
    PreprocessOptions::with_threads(NonZeroUsize::new(2).unwrap())
}

#[test]
fn a_dataset_is_preprocessed_once() {
    let (Some(raw), Some(golden)) = (
        shared("data/Dataset102_T2sGM", "Dataset102"),
        shared("fixtures/preprocess/Dataset102_T2sGM", "Dataset102"),
    ) else {
        return;
    };
    let dataset = RawDataset::open(&raw).unwrap();
    let plans = load_plans(&golden.join("nnUNetPlans.json"));
    let folder = tempfile::tempdir().unwrap();
    let header = StoreHeader::new(&plans, "3d_fullres", &dataset.description).unwrap();
    let store = CaseStore::create(folder.path(), header).unwrap();
    let formats = FormatRegistry::default();
    let run = |progress: &dyn Progress| {
        preprocess_dataset(
            &dataset,
            &formats,
            &plans,
            "3d_fullres",
            &store,
            &options(),
            progress,
        )
        .unwrap()
    };
    let steps = Steps::default();
    let first = run(&steps);
    assert_eq!(first.done, ["t2s", "t2su"]);
    assert!(first.is_complete());
    let mut steps = steps.0.lock().unwrap().clone();
    steps.sort();
    assert_eq!(steps, ["preprocess 3d_fullres 2", "t2s", "t2su"]);

    let second = run(&NoProgress);
    assert_eq!(second.skipped, ["t2s", "t2su"]);
    assert!(second.done.is_empty() && second.failed.is_empty());

    let error = preprocess_dataset(
        &dataset,
        &formats,
        &plans,
        "2d",
        &store,
        &options(),
        &NoProgress,
    );
    assert!(matches!(error, Err(PreprocessError::ChangedPlan { .. })));
}

/// A format whose files do not exist: their names say what happens when they are read.
#[derive(Debug)]
struct Invented;

impl ImageFormat for Invented {
    fn endings(&self) -> &[&'static str] {
        &[".invented"]
    }

    fn reader_name(&self) -> &'static str {
        "InventedIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        let mut image = image(1, [6, 9, 8], [1.0; 3]);
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("nan") => image.data[[0, 2, 3, 4]] = f32::NAN,
            Some("panic") => panic!("the reader is broken"),
            _ => {}
        }
        Ok(image)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        self.read_image(path).map(|image| labels(&image))
    }

    fn write_image(&self, _: &Path, _: &Image) -> Result<(), ImageError> {
        Ok(())
    }

    fn write_labels(&self, _: &Path, _: &LabelMap) -> Result<(), ImageError> {
        Ok(())
    }
}

fn invented(cases: &[&str]) -> (RawDataset, FormatRegistry, Plans) {
    let description = description(json!({"background": 0, "a": 1, "b": 2}), 1);
    let case = |id: &&str| RawCase {
        id: (*id).to_owned(),
        images: vec![format!("{id}.invented").into()],
        label: Some("labels.invented".into()),
    };
    let dataset = RawDataset {
        folder: "nowhere".into(),
        name: "Dataset001_Test".into(),
        description,
        cases: cases.iter().map(case).collect(),
        misnamed: Vec::new(),
    };
    let mut formats = FormatRegistry::default();
    formats.register(Arc::new(Invented));
    (dataset, formats, plans(1, "paper"))
}

#[test]
fn failures_are_collected_and_the_others_finish() {
    let (dataset, formats, plans) = invented(&["a", "nan", "panic", "z"]);
    let folder = tempfile::tempdir().unwrap();
    let header = StoreHeader::new(&plans, "2d", &dataset.description).unwrap();
    let store = CaseStore::create(folder.path(), header).unwrap();
    let report = preprocess_dataset(
        &dataset,
        &formats,
        &plans,
        "2d",
        &store,
        &options(),
        &NoProgress,
    )
    .unwrap();
    assert_eq!(report.done, ["a", "z"]);
    assert_eq!(store.cases().unwrap(), ["a", "z"]);
    assert!(!report.is_complete());
    let [(nan, not_finite), (panicked, internal)] = &report.failed[..] else {
        panic!("{:?}", report.failed);
    };
    assert_eq!((nan.as_str(), panicked.as_str()), ("nan", "panic"));
    assert!(not_finite.to_string().contains("NaN"), "{not_finite}");
    assert!(
        internal.to_string().contains("the reader is broken"),
        "{internal}"
    );
}

#[test]
fn the_result_does_not_depend_on_the_threads() {
    let (dataset, formats, plans) = invented(&["a", "b", "c"]);
    let read = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let header = StoreHeader::new(&plans, "3d_fullres", &dataset.description).unwrap();
        let store = CaseStore::create(folder.path(), header).unwrap();
        let options = PreprocessOptions::with_threads(NonZeroUsize::new(threads).unwrap());
        preprocess_dataset(
            &dataset,
            &formats,
            &plans,
            "3d_fullres",
            &store,
            &options,
            &NoProgress,
        )
        .unwrap();
        let case = store.open_case("b").unwrap();
        let whole = CropBox::whole(case.shape());
        let properties = case.properties().clone();
        (
            case.read_data(whole).unwrap(),
            case.read_labels(whole).unwrap(),
            properties,
        )
    };
    assert_eq!(read(1), read(3));
}

/// A format that counts the cases between being read and being done.
#[derive(Debug, Default, Clone)]
struct Alive {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl ImageFormat for Alive {
    fn endings(&self) -> &[&'static str] {
        &[".invented"]
    }

    fn reader_name(&self) -> &'static str {
        "AliveIO"
    }

    fn read_image(&self, path: &Path) -> Result<Image, ImageError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Invented.read_image(path)
    }

    fn read_labels(&self, path: &Path) -> Result<LabelMap, ImageError> {
        Invented.read_labels(path)
    }

    fn write_image(&self, _: &Path, _: &Image) -> Result<(), ImageError> {
        Ok(())
    }

    fn write_labels(&self, _: &Path, _: &LabelMap) -> Result<(), ImageError> {
        Ok(())
    }
}

impl Progress for Alive {
    fn start(&self, _: &str, _: usize) -> Box<dyn Task> {
        Box::new(self.clone())
    }
}

impl Task for Alive {
    fn step(&self, _: &str) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn no_more_cases_are_in_memory_than_there_are_threads() {
    let names: Vec<String> = (0..12).map(|number| format!("case_{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (dataset, mut formats, plans) = invented(&names);
    for threads in [1, 3] {
        let alive = Alive::default();
        formats.register(Arc::new(alive.clone()));
        let folder = tempfile::tempdir().unwrap();
        let header = StoreHeader::new(&plans, "2d", &dataset.description).unwrap();
        let store = CaseStore::create(folder.path(), header).unwrap();
        let options = PreprocessOptions::with_threads(NonZeroUsize::new(threads).unwrap());
        let report = preprocess_dataset(&dataset, &formats, &plans, "2d", &store, &options, &alive);
        assert_eq!(report.unwrap().done.len(), names.len());
        let most = alive.most.load(Ordering::SeqCst);
        assert!((1..=threads).contains(&most), "{most} of {threads}");
    }
}
