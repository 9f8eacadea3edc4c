//! Archives that nobody should install.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use nnunet_schema::{DatasetId, Layout, layout};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::pipeline::testing::phantoms;
use crate::pipeline::{DEFAULT_PLANS, Existing, Pipeline, PipelineError, PlanRequest, TRAINER};

const MODEL: &str = "Dataset001_A/nnUNetTrainer__nnUNetPlans__2d";

/// An archive to write entries into, and a folder of results below the same folder.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("results")).unwrap();
        Self { folder }
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("models.zip")
    }

    fn write(&self, fill: impl FnOnce(&mut ZipWriter<File>)) {
        let mut zip = ZipWriter::new(File::create(self.archive()).unwrap());
        fill(&mut zip);
        zip.finish().unwrap();
    }

    fn files(&self, files: &[(&str, &[u8])]) {
        self.write(|zip| files.iter().for_each(|(name, bytes)| add(zip, name, bytes)));
    }

    fn install(&self, request: &InstallRequest) -> Result<Installation, PipelineError> {
        let pipeline = Pipeline::new(Layout {
            raw: PathBuf::new(),
            preprocessed: PathBuf::new(),
            results: self.folder.path().join("results"),
        });
        pipeline.install_model(request, &AtomicBool::new(false))
    }

    /// What is said when it is refused, after a look that nothing was written anywhere.
    fn refusal(&self) -> String {
        let before = listing(self.folder.path());
        let request = InstallRequest::new(self.archive());
        let error = self.install(&request).unwrap_err();
        assert_eq!(listing(self.folder.path()), before, "{error}");
        error.to_string()
    }
}

fn add(zip: &mut ZipWriter<File>, name: &str, bytes: &[u8]) {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file(name, options).unwrap();
    zip.write_all(bytes).unwrap();
}

/// All paths below a folder.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(listing(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn entries_that_lead_elsewhere_are_refused_by_name() {
    for name in [
        "../outside",
        "/tmp/outside",
        "Dataset001_A/../../outside",
        "Dataset001_A\\..\\outside",
        "C:/outside",
    ] {
        let bench = Bench::new();
        let model = format!("{MODEL}/plans.json");
        bench.files(&[(&model, b"{}"), (name, b"x")]);
        let said = bench.refusal();
        let shown = name.escape_debug().to_string();
        assert!(
            said.contains(&shown) && said.contains("models.zip"),
            "{said}"
        );
    }
}

#[test]
fn links_are_refused() {
    let bench = Bench::new();
    bench.write(|zip| {
        let options = SimpleFileOptions::default();
        zip.add_symlink(format!("{MODEL}/fold_0"), "/etc", options)
            .unwrap();
        add(zip, &format!("{MODEL}/fold_0/passwd"), b"x");
    });
    let said = bench.refusal();
    assert!(said.contains("fold_0`: it is a link"), "{said}");
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_unpacked() {
    let bench = Bench::new();
    bench.write(|zip| {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(format!("{MODEL}/plans.json"), options)
            .unwrap();
        let zeros = vec![0; 1 << 20];
        (0..80).for_each(|_| zip.write_all(&zeros).unwrap());
    });
    let said = bench.refusal();
    assert!(said.contains("claims to have 83886080 bytes"), "{said}");

    bench.files(&[(&format!("{MODEL}/plans.json"), &[7; 1000])]);
    let request = InstallRequest {
        limit: SizeLimit(999),
        ..InstallRequest::new(bench.archive())
    };
    let said = bench.install(&request).unwrap_err().to_string();
    assert!(
        said.contains("1000 bytes, more than the limit of 999"),
        "{said}"
    );
}

#[test]
fn a_file_that_claims_too_few_bytes_is_refused() {
    let bench = Bench::new();
    let name = format!("{MODEL}/plans.json");
    bench.files(&[(&name, &[b'a'; 5000])]);
    let mut bytes = fs::read(bench.archive()).unwrap();
    let claimed = 5000_u32.to_le_bytes();
    let places: Vec<usize> = (bytes.windows(4).enumerate())
        .filter(|(_, window)| *window == claimed)
        .map(|(place, _)| place)
        .collect();
    assert_eq!(places.len(), 2, "in the entry and in the directory");
    for place in places {
        bytes[place..place + 4].copy_from_slice(&50_u32.to_le_bytes());
    }
    fs::write(bench.archive(), bytes).unwrap();
    let said = bench.refusal();
    assert!(
        said.contains(&name) && said.contains("more than the 50 bytes"),
        "{said}"
    );
}

#[test]
fn what_is_no_archive_or_half_of_one_is_refused() {
    let bench = Bench::new();
    fs::write(bench.archive(), b"no zip").unwrap();
    assert!(bench.refusal().contains("not a zip archive"));
    bench.files(&[(&format!("{MODEL}/plans.json"), &[7; 1000])]);
    let bytes = fs::read(bench.archive()).unwrap();
    fs::write(bench.archive(), &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        bench
            .refusal()
            .contains("not a zip archive, or not a whole one")
    );
    fs::remove_file(bench.archive()).unwrap();
    assert!(bench.refusal().contains("cannot read"));
}

#[test]
fn archives_without_usable_models_say_what_they_lack() {
    let bench = Bench::new();
    bench.files(&[("readme.txt", b"hello")]);
    assert!(bench.refusal().contains("Trainer__Plans__Configuration"));
    let other = MODEL.replace("001", "002");
    let both = [MODEL, other.as_str()].map(|model| format!("{model}/plans.json"));
    bench.files(&[(&both[0], b"{}"), (&both[1], b"{}")]);
    assert!(bench.refusal().contains("Dataset001_A and Dataset002_A"));
    bench.files(&[(&format!("{MODEL}/plans.json"), b"{}")]);
    let said = bench.refusal();
    assert!(said.contains(&format!("{MODEL}/plans.json")), "{said}");
    assert!(!said.contains(".tmp-"), "{said}");
    bench.files(&[("Dataset001_A/inference_information.json", b"{}")]);
    assert!(bench.refusal().contains("no model folder"));
}

#[test]
fn every_damaged_file_is_named() {
    let bench = Bench::new();
    let sum = "00".repeat(32);
    let plans = format!("{MODEL}/plans.json");
    let list = format!(
        "# nnunet model export, version 1\n{sum}  {plans}\n{sum}  {MODEL}/fold_0/checkpoint.pth\n"
    );
    bench.files(&[
        (&plans, b"{}"),
        (&format!("{MODEL}/extra.json"), b"{}"),
        ("Dataset001_A/checksums.sha256", list.as_bytes()),
    ]);
    let said = bench.refusal();
    for problem in [
        "plans.json` is altered",
        "extra.json` is not in its list",
        "checkpoint.pth` is missing",
    ] {
        assert!(said.contains(problem), "{said}");
    }

    // Bytes that changed on the way are found by the zip format itself.
    bench.write(|zip| {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(&plans, options).unwrap();
        zip.write_all(b"the plans themselves").unwrap();
    });
    let mut bytes = fs::read(bench.archive()).unwrap();
    let place = bytes
        .windows(9)
        .position(|window| window == b"the plans")
        .unwrap();
    bytes[place] = b'T';
    fs::write(bench.archive(), bytes).unwrap();
    let said = bench.refusal();
    assert!(said.contains("plans.json` cannot be read"), "{said}");
}

#[test]
fn a_model_that_is_there_is_not_replaced_unasked() {
    let bench = Bench::new();
    bench.files(&[(&format!("{MODEL}/plans.json"), b"{}")]);
    let old = bench.folder.path().join("results").join(MODEL);
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("plans.json"), b"old").unwrap();
    let said = bench.refusal();
    assert!(
        said.contains("--overwrite") && said.contains(MODEL),
        "{said}"
    );
    // Nor is it lost to an archive that turns out to be unusable.
    let request = InstallRequest {
        existing: Existing::Replace,
        ..InstallRequest::new(bench.archive())
    };
    assert!(bench.install(&request).is_err());
    assert_eq!(fs::read(old.join("plans.json")).unwrap(), b"old");
}

#[test]
fn what_a_cascade_continues_goes_along() {
    let folder = tempfile::tempdir().unwrap();
    let (pipeline, dataset) = phantoms(folder.path());
    let id = DatasetId::Name(dataset.clone());
    let mut plans = pipeline.plan(&id, &PlanRequest::default()).unwrap().plans;
    plans.insert_cascade("3d_cascade_fullres", "3d_fullres", "2d");
    let models = ["2d", "3d_fullres", "3d_cascade_fullres"]
        .map(|name| (pipeline.layout).model(&dataset, TRAINER, DEFAULT_PLANS, name));
    for model in &models {
        plans.save(&layout::model_plans(model)).unwrap();
        let description = layout::dataset_json(&pipeline.layout.raw_dataset(&dataset));
        fs::copy(description, layout::dataset_json(model)).unwrap();
        fs::create_dir(model.join("fold_0")).unwrap();
        fs::write(model.join("fold_0/checkpoint_final.pth"), b"weights").unwrap();
    }
    let request = |configurations: &[&str]| {
        let output = folder.path().join("models.zip");
        let mut request = ExportRequest::new(id.clone(), output);
        request.models = ExportedModels::Chosen {
            trainer: TRAINER.to_owned(),
            plans: DEFAULT_PLANS.to_owned(),
            configurations: configurations.iter().map(ToString::to_string).collect(),
            folds: Vec::new(),
        };
        request
    };
    let export = |configurations: &[&str], stop: bool| {
        let stop = AtomicBool::new(stop);
        let report = pipeline.export_model(&request(configurations), &stop)?;
        let names = report
            .models
            .iter()
            .map(|model| model.name.configuration.clone());
        Ok::<_, PipelineError>((names.collect::<Vec<_>>(), report.notes))
    };
    let before = listing(folder.path());
    let error = export(&[], true).unwrap_err();
    assert!(matches!(
        error,
        PipelineError::Sharing(SharingError::Stopped)
    ));
    let error = export(&["3d_lowres"], false).unwrap_err().to_string();
    assert!(
        error.contains("3d_lowres cannot be exported: it is not there"),
        "{error}"
    );
    assert_eq!(listing(folder.path()), before);

    let (names, notes) = export(&["3d_cascade_fullres"], false).unwrap();
    assert_eq!(names, ["3d_cascade_fullres", "2d"]);
    assert_eq!(notes, ["2d goes along, as 3d_cascade_fullres continues it"]);
    assert_eq!(export(&["3d_fullres"], false).unwrap().0, ["3d_fullres"]);
    let (names, _) = export(&[], false).unwrap();
    assert_eq!(names, ["2d", "3d_fullres", "3d_cascade_fullres"]);
}
