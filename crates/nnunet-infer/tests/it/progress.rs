//! What an observer is told.

use std::sync::{Arc, Mutex};

use nnunet_image::FormatRegistry;
use nnunet_infer::{FolderRequest, PredictOptions};
use nnunet_schema::{Progress, Task};

use crate::models::{load, model_folder, write_images};

/// Writes down what it is told.
#[derive(Clone, Debug, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn write(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Progress for Diary {
    fn start(&self, what: &str, total: usize) -> Box<dyn Task> {
        self.write(format!("{what}, {total}"));
        Box::new(Page {
            diary: self.clone(),
            what: what.to_owned(),
        })
    }
}

#[derive(Debug)]
struct Page {
    diary: Diary,
    what: String,
}

impl Task for Page {
    fn step(&self, item: &str) {
        self.diary.write(format!("{} + {item}", self.what));
    }

    fn part(&self, what: &str, total: usize) -> Box<dyn Task> {
        self.diary.start(what, total)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.diary.write(format!("{} ends", self.what));
    }
}

#[test]
fn every_window_of_every_case_is_told() {
    let dir = model_folder(&[0]);
    let input = dir.path().join("in");
    write_images(&input, &[("a", [8, 16, 8]), ("b", [8, 8, 5])]);
    let diary = Diary::default();
    let predictor = load(dir.path(), PredictOptions::default());
    let request = FolderRequest::new(&input, &dir.path().join("out"));
    let formats = FormatRegistry::default();
    (predictor.predict_cases(&request, &formats, &diary)).unwrap();
    let told = diary.0.lock().unwrap().clone();
    let count = |line: &str| told.iter().filter(|told| *told == line).count();
    assert_eq!(told.first().map(String::as_str), Some("predict test, 2"));
    // Three windows along y, two along x, which has voxels of 1.2 mm.
    assert_eq!(count("a: windows, 6"), 1, "{told:?}");
    assert_eq!(count("a: windows + "), 6, "{told:?}");
    assert_eq!((count("b: windows, 1"), count("b: windows + ")), (1, 1));
    for line in ["a: windows ends", "b: windows ends", "predict test ends"] {
        assert_eq!(count(line), 1, "{told:?}");
    }
    let place = |line: &str| told.iter().position(|told| told == line).unwrap();
    assert!(place("a: windows ends") < place("b: windows, 1"));
    assert!(place("a: windows ends") < place("predict test + a"));
}
