//! What goes wrong, and how the consumer learns of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array3, Array4};
use nnunet_augment::{
    AugmentError, Augmentation, AugmentationSetup, BatchLoader, CaseSource, LoaderConfig,
    LoaderMode, MemoryCase, PatchGeometry, SourceError, Stage, VoxelGroup,
};
use nnunet_image::CropBox;
use nnunet_schema::Shape;

use crate::phantom;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Error,
    Panic,
    WrongShape,
}

/// A case whose images cannot be read every third time.
#[derive(Debug)]
struct Faulty {
    case: MemoryCase,
    fault: Fault,
    reads: AtomicUsize,
}

impl CaseSource for Faulty {
    fn id(&self) -> &str {
        self.case.id()
    }
    fn channels(&self) -> usize {
        self.case.channels()
    }
    fn shape(&self) -> Shape {
        self.case.shape()
    }
    fn voxel_groups(&self) -> Vec<(VoxelGroup, usize)> {
        self.case.voxel_groups()
    }
    fn voxel(&self, group: VoxelGroup, index: usize) -> Result<[usize; 3], SourceError> {
        self.case.voxel(group, index)
    }
    fn read_data(&self, region: CropBox) -> Result<Array4<f32>, SourceError> {
        if self.reads.fetch_add(1, Ordering::Relaxed) % 3 != 2 {
            return self.case.read_data(region);
        }
        match self.fault {
            Fault::Error => Err("the disk is on fire".into()),
            Fault::Panic => panic!("index 7 is out of range"),
            Fault::WrongShape => Ok(Array4::zeros((1, 1, 1, 1))),
        }
    }
    fn read_labels(&self, region: CropBox) -> Result<Array3<i16>, SourceError> {
        self.case.read_labels(region)
    }
}

fn config(patch: [usize; 3]) -> LoaderConfig {
    let setup = AugmentationSetup::for_patch(Shape::new(patch), PatchGeometry::Volume);
    LoaderConfig::new(LoaderMode::Training(Augmentation::v2()), setup, 1)
}

fn run_faulty(fault: Fault) -> Vec<Result<(), AugmentError>> {
    let case = Arc::new(Faulty {
        case: phantom::case(4, [16; 3], 1),
        fault,
        reads: AtomicUsize::new(0),
    });
    let mut loader = BatchLoader::new(vec![case], config([8; 3]), 1).unwrap();
    loader.request(0, 0..9);
    loader.map(|made| made.map(|_| ())).collect()
}

#[test]
fn an_error_arrives_in_its_place_and_the_loader_goes_on() {
    let results = run_faulty(Fault::Error);
    let failed: Vec<_> = (0..9).filter(|i| results[*i].is_err()).collect();
    assert_eq!(failed, [2, 5, 8]);
    let message = results[2].as_ref().unwrap_err().to_string();
    assert_eq!(
        message,
        "case `case_4`: reading a crop failed: the disk is on fire"
    );
}

#[test]
fn a_panic_arrives_as_an_error_and_the_loader_goes_on() {
    let results = run_faulty(Fault::Panic);
    assert_eq!(results.iter().filter(|r| r.is_err()).count(), 3);
    match results[5].as_ref().unwrap_err() {
        AugmentError::Panic {
            case,
            stage,
            message,
        } => {
            assert_eq!(case, "case_4");
            assert_eq!(*stage, Stage::Read);
            assert_eq!(message, "index 7 is out of range");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_source_that_gives_too_little_is_named() {
    let results = run_faulty(Fault::WrongShape);
    let message = results[2].as_ref().unwrap_err().to_string();
    assert!(
        message.contains("case_4") && message.contains("1×1×1"),
        "{message}"
    );
}

#[test]
fn a_case_without_foreground_is_cropped_anywhere() {
    let data = Array4::from_elem((1, 20, 20, 20), 1.0);
    let case = MemoryCase::new("empty", data, Array3::zeros((20, 20, 20))).unwrap();
    let mut config = config([8; 3]);
    config.batch_size = 3;
    let mut loader = BatchLoader::new(vec![Arc::new(case)], config, 2).unwrap();
    loader.request(0, 0..10);
    assert_eq!(loader.filter(Result::is_ok).count(), 10);
}

#[test]
fn a_label_that_a_case_lacks_is_not_looked_for_in_it() {
    // One case has label 1 alone, the other only 2; the source also names the missing group.
    let case = |label: i16| {
        let labels =
            Array3::from_shape_fn(
                (20, 20, 20),
                |(z, _, _)| {
                    if (8..12).contains(&z) { label } else { 0 }
                },
            );
        let data = Array4::from_elem((1, 20, 20, 20), 1.0);
        let case = MemoryCase::new(format!("only_{label}"), data, labels).unwrap();
        let missing = VoxelGroup::Class(usize::from(label == 1) + 1);
        Arc::new(case.with_group(missing, Vec::new())) as Arc<dyn CaseSource>
    };
    let setup = AugmentationSetup::for_patch(Shape::new([2; 3]), PatchGeometry::Volume);
    let config = LoaderConfig::new(LoaderMode::Validation, setup, 1);
    let mut loader = BatchLoader::new(vec![case(1), case(2)], config, 2).unwrap();
    loader.request(0, 0..50);
    let mut found = [0; 2];
    for batch in loader {
        let batch = batch.unwrap();
        let number = usize::from(batch.cases[0] == "only_2");
        // The only sample of the batch is one that must hold foreground.
        assert!(batch.targets[0].labels.contains(&(number as i16 + 1)));
        found[number] += 1;
    }
    assert!(found[0] > 0 && found[1] > 0, "{found:?}");
}

#[test]
fn a_patch_may_be_larger_than_the_case() {
    for augmentation in [
        Augmentation::none(),
        Augmentation::paper(),
        Augmentation::v2(),
    ] {
        let setup = AugmentationSetup::for_patch(Shape::new([24, 25, 26]), PatchGeometry::Volume);
        let config = LoaderConfig::new(LoaderMode::Training(augmentation), setup, 2);
        let cases: Vec<Arc<dyn CaseSource>> = vec![Arc::new(phantom::case(0, [7, 8, 9], 2))];
        let mut loader = BatchLoader::new(cases, config, 2).unwrap();
        loader.request(0, 0..20);
        for batch in loader {
            let batch = batch.unwrap();
            assert_eq!(batch.shape, [2, 2, 24, 25, 26]);
            assert!(batch.targets[0].labels.contains(&0));
            assert!(batch.data.iter().all(|v| v.is_finite()));
        }
    }
}

#[test]
fn cases_of_one_voxel_do_no_harm() {
    let cases: Vec<Arc<dyn CaseSource>> = vec![Arc::new(phantom::case(0, [1, 1, 1], 1))];
    for geometry in [PatchGeometry::Volume, PatchGeometry::Stack] {
        for patch in [[1, 1, 1], [1, 2, 3], [4, 1, 1]] {
            let setup = AugmentationSetup::for_patch(Shape::new(patch), geometry);
            let mode = LoaderMode::Training(Augmentation::paper());
            let config = LoaderConfig::new(mode, setup, 2);
            let mut loader = BatchLoader::new(cases.clone(), config, 1).unwrap();
            loader.request(0, 0..60);
            for batch in loader {
                assert!(batch.unwrap().data.iter().all(|v| v.is_finite()));
            }
        }
    }
}

#[test]
fn a_consumer_may_leave_early() {
    let cases: Vec<Arc<dyn CaseSource>> = vec![Arc::new(phantom::case(0, [30; 3], 1))];
    let mut loader = BatchLoader::new(cases.clone(), config([20; 3]), 3).unwrap();
    loader.request(0, 0..1_000_000);
    assert!(loader.next_batch().unwrap().is_ok());
    drop(loader);
    // All threads are gone: nobody else holds the case.
    assert_eq!(Arc::strong_count(&cases[0]), 1);
    drop(BatchLoader::new(cases, config([20; 3]), 2).unwrap());
}

#[test]
fn forgotten_requests_are_not_made() {
    let cases: Vec<Arc<dyn CaseSource>> = vec![Arc::new(phantom::case(0, [12; 3], 1))];
    let mut loader = BatchLoader::new(cases, config([6; 3]), 2).unwrap();
    loader.request(0, 0..1000);
    assert!(loader.next_batch().unwrap().is_ok());
    loader.forget_requests();
    let rest = loader.by_ref().filter(Result::is_ok).count();
    // Those that were begun: four for each thread.
    assert!(rest <= 9, "{rest}");
    loader.request(1, 0..2);
    assert_eq!(loader.filter(Result::is_ok).count(), 2);
}

#[test]
fn settings_are_checked_before_a_thread_starts() {
    let cases: Vec<Arc<dyn CaseSource>> = vec![Arc::new(phantom::case(0, [12; 3], 1))];
    let refused = |config: LoaderConfig, threads| {
        let error = BatchLoader::new(cases.clone(), config, threads).unwrap_err();
        error.to_string()
    };
    assert!(refused(config([6; 3]), 0).contains("threads"));
    let mut bad = config([6; 3]);
    bad.batch_size = 0;
    assert!(refused(bad, 1).contains("batch_size"));
    assert!(refused(config([0; 3]), 1).contains("setup.patch"));
    let mut bad = config([6; 3]);
    bad.output_divisors = vec![[1, 0, 1]];
    assert!(refused(bad, 1).contains("output_divisors"));
    let none = BatchLoader::new(Vec::new(), config([6; 3]), 1).unwrap_err();
    assert!(matches!(none, AugmentError::NoCases));
    let other: Arc<dyn CaseSource> = Arc::new(phantom::case(1, [12; 3], 2));
    let mixed = vec![Arc::clone(&cases[0]), other];
    let error = BatchLoader::new(mixed, config([6; 3]), 1).unwrap_err();
    assert!(error.to_string().contains("case_1"), "{error}");
}
