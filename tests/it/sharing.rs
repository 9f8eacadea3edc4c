//! Models that are exported and installed, here and by the Python program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use nnunet::infer::{FolderRequest, PredictOptions, Predictor};
use nnunet::pipeline::{
    DEFAULT_PLANS, Existing, ExportReport, ExportRequest, ExportedModels, InstallRequest,
    Installation, OwnCheckpoints, Pipeline, PipelineError, PlanRequest, SelectRequest,
    SelectedRequest, SharingError, TRAINER, Verification,
};
use nnunet::planner::Rules;
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{DatasetId, Fold, Layout, NoProgress};
use nnunet::train::Silent;

use crate::pipeline::{phantoms, pipeline, training};

const CONFIGURATIONS: [&str; 2] = ["2d", "3d_fullres"];

/// Two configurations trained on fold 0, and a selection between them and their mean.
struct Trained {
    folder: tempfile::TempDir,
    pipeline: Pipeline,
    dataset: String,
    id: DatasetId,
}

impl Trained {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipeline = pipeline(folder.path());
        let (dataset, id) = phantoms(&pipeline);
        let plan = PlanRequest {
            overrides: PlanOverrides {
                base_features: Some(4),
                batch_size: Some(2),
                ..PlanOverrides::default()
            },
            ..PlanRequest::by(Rules::v2())
        };
        pipeline.plan(&id, &plan).unwrap();
        for name in CONFIGURATIONS {
            pipeline.preprocess(&id, DEFAULT_PLANS, name).unwrap();
            let mut request = training(&id, name, Existing::Replace);
            request.training.epochs = 3;
            request.training.iterations_per_epoch = 8;
            let never = AtomicBool::new(false);
            pipeline.train(&request, &Silent, &never).unwrap();
        }
        let request = SelectRequest {
            folds: vec![Fold::Number(0)],
            ..SelectRequest::new(id.clone())
        };
        pipeline.select(&request).unwrap();
        Self {
            folder,
            pipeline,
            dataset: dataset.name,
            id,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A pipeline that knows nothing but a folder of results of this name.
    fn elsewhere(&self, name: &str) -> Pipeline {
        Pipeline::new(Layout {
            raw: PathBuf::new(),
            preprocessed: PathBuf::new(),
            results: self.path(name),
        })
    }

    fn export(&self, change: impl FnOnce(&mut ExportRequest)) -> ExportReport {
        let mut request = ExportRequest::new(self.id.clone(), self.path("models.zip"));
        change(&mut request);
        let never = AtomicBool::new(false);
        self.pipeline.export_model(&request, &never).unwrap()
    }

    fn images(&self) -> PathBuf {
        (self.pipeline.layout.raw_dataset(&self.dataset)).join("imagesTs")
    }

    /// The label map of the test image by the selected models of a pipeline.
    fn selected(&self, pipeline: &Pipeline, output: &str) -> Vec<u8> {
        let output = self.path(output);
        let request = SelectedRequest {
            dataset: self.id.clone(),
            folder: FolderRequest::new(&self.images(), &output),
            options: PredictOptions::default(),
        };
        let report = pipeline.predict_selected(&request).unwrap();
        assert_eq!((report.done.len(), report.failed.len()), (1, 0));
        fs::read(only_label_map(&output)).unwrap()
    }
}

/// The one label map in a folder.
fn only_label_map(folder: &Path) -> PathBuf {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let maps: Vec<PathBuf> = paths
        .filter(|path| path.to_string_lossy().ends_with(".nii.gz"))
        .collect();
    assert_eq!(maps.len(), 1, "{maps:?}");
    maps[0].clone()
}

fn install(
    pipeline: &Pipeline,
    archive: &Path,
    existing: Existing,
) -> Result<Installation, PipelineError> {
    let request = InstallRequest {
        existing,
        ..InstallRequest::new(archive.to_path_buf())
    };
    pipeline.install_model(&request, &AtomicBool::new(false))
}

/// An archive with one byte in the middle of this entry changed.
fn damaged(archive: &Path, entry: &str, target: &Path) {
    let mut zip = zip::ZipArchive::new(File::open(archive).unwrap()).unwrap();
    let file = zip.by_name(entry).unwrap();
    let place = file.data_start().unwrap() + file.compressed_size() / 2;
    let mut bytes = fs::read(archive).unwrap();
    bytes[usize::try_from(place).unwrap()] ^= 1;
    fs::write(target, bytes).unwrap();
}

#[test]
fn installed_models_predict_as_they_did() {
    let trained = Trained::new();
    let expected = trained.selected(&trained.pipeline, "expected");
    let report = trained.export(|request| request.models = ExportedModels::Selected);
    let models = trained.pipeline.selected(&trained.id).unwrap().models;
    assert_eq!(report.selected.as_ref(), Some(&models));
    let results = trained.pipeline.layout.results.join(&trained.dataset);
    let fold = results.join(models[0].to_string()).join("fold_0");
    assert!(
        !fold.join("checkpoint_final.pth").exists(),
        "only in the archive"
    );

    let elsewhere = trained.elsewhere("elsewhere");
    let installed = install(&elsewhere, &report.archive, Existing::Keep).unwrap();
    assert_eq!(installed.models, report.models);
    assert_eq!(installed.verification, Verification::Checksums);
    assert_eq!(installed.selected.as_ref(), Some(&models));
    assert!(installed.notes.is_empty(), "{:?}", installed.notes);
    assert_eq!(trained.selected(&elsewhere, "found"), expected);
    // The selection speaks of where it is now, and of no other machine.
    let information = installed.folder.join("inference_information.json");
    let text = fs::read_to_string(information).unwrap();
    assert!(text.contains("elsewhere"), "{text}");
    let old = trained
        .pipeline
        .layout
        .results
        .to_string_lossy()
        .into_owned();
    assert!(!text.contains(&old), "{text}");

    // It is replaced only when that is asked for.
    let again = install(&elsewhere, &report.archive, Existing::Keep).unwrap_err();
    let is_refused =
        |e: &PipelineError| matches!(e, PipelineError::Sharing(SharingError::Occupied { .. }));
    assert!(is_refused(&again), "{again}");
    install(&elsewhere, &report.archive, Existing::Replace).unwrap();
    assert_eq!(trained.selected(&elsewhere, "replaced"), expected);
    let left = fs::read_dir(&elsewhere.layout.results).unwrap().count();
    assert_eq!(left, 1, "only the dataset");

    // A damaged checkpoint is named, and nothing is installed.
    let name = format!(
        "{}/{}/fold_0/checkpoint_final.pth",
        trained.dataset, models[0]
    );
    let broken = trained.path("broken.zip");
    damaged(&report.archive, &name, &broken);
    let nowhere = trained.elsewhere("nowhere");
    let error = install(&nowhere, &broken, Existing::Keep)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&name), "{error}");
    assert_eq!(fs::read_dir(&nowhere.layout.results).unwrap().count(), 0);

    // Our own checkpoints go along if that is wanted; the selection only with its winner.
    let both = trained.export(|request| {
        request.models = ExportedModels::Selected;
        request.own_checkpoints = OwnCheckpoints::Added;
    });
    assert_eq!(both.files, report.files + models.len());
    let other = CONFIGURATIONS
        .into_iter()
        .find(|name| !(models.len() == 1 && models[0].configuration == *name));
    let single = trained.export(|request| {
        request.models = ExportedModels::Chosen {
            trainer: TRAINER.to_owned(),
            plans: DEFAULT_PLANS.to_owned(),
            configurations: vec![other.unwrap().to_owned()],
            folds: Vec::new(),
        };
    });
    assert_eq!((single.models.len(), single.selected), (1, None));
    assert!(
        single.notes[0].contains("the selection stays behind"),
        "{:?}",
        single.notes
    );
}

const PYTHON_INSTALL: &str =
    "from nnunetv2.model_sharing.entry_points import install_from_zip_entry_point as f; f()";
const PYTHON_EXPORT: &str =
    "from nnunetv2.model_sharing.entry_points import export_pretrained_model_entry as f; f()";
/// Processes that are spawned need a file to begin with.
const PYTHON_PREDICT: &str = "from nnunetv2.inference.predict_from_raw_data import \
     predict_entry_point\nif __name__ == '__main__':\n    predict_entry_point()\n";

/// A Python that has the Python program, with its roots.
fn python(trained: &Trained, test: &str) -> Option<Command> {
    let program = std::env::var_os("NNUNET_PYTHON").unwrap_or_else(|| "python3".into());
    let probe = Command::new(&program)
        .args(["-c", "import nnunetv2"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: {test} needs a Python with nnunetv2 (NNUNET_PYTHON)");
        return None;
    }
    let mut command = Command::new(program);
    command
        .env("nnUNet_raw", &trained.pipeline.layout.raw)
        .env("nnUNet_preprocessed", &trained.pipeline.layout.preprocessed)
        .env("nnUNet_results", trained.path("python"));
    Some(command)
}

fn run(mut command: Command, arguments: &[&str]) {
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[test]
fn the_python_program_takes_our_models_and_we_take_its() {
    let test = "the_python_program_takes_our_models_and_we_take_its";
    let trained = Trained::new();
    if python(&trained, test).is_none() {
        return;
    }
    let python = || python(&trained, test).unwrap();
    let text = |name: &str| trained.path(name).to_string_lossy().into_owned();
    trained.export(|_| {});
    fs::create_dir(trained.path("python")).unwrap();
    run(python(), &["-c", PYTHON_INSTALL, &text("models.zip")]);

    let script = text("predict.py");
    fs::write(&script, PYTHON_PREDICT).unwrap();
    let (images, formats) = (trained.images(), &trained.pipeline.formats);
    let mut segmented = 0;
    for name in CONFIGURATIONS {
        let output = text(&format!("python_{name}"));
        let images = images.to_string_lossy().into_owned();
        run(
            python(),
            &[
                &script, "-i", &images, "-o", &output, "-d", "900", "-c", name, "-f", "0",
                "-device", "cpu", "-npp", "1", "-nps", "1",
            ],
        );
        let model = (trained.pipeline.layout).model(&trained.dataset, TRAINER, DEFAULT_PLANS, name);
        let predictor = Predictor::load(&model, &[], PredictOptions::default()).unwrap();
        let own = trained.path(&format!("own_{name}"));
        let request = FolderRequest::new(&trained.images(), &own);
        predictor
            .predict_cases(&request, formats, &NoProgress)
            .unwrap();
        let [ours, theirs] = [own.as_path(), Path::new(&output)]
            .map(|folder| formats.read_labels(&only_label_map(folder)).unwrap().labels);
        let differing = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
        let foreground = theirs.iter().filter(|label| **label != 0).count();
        println!(
            "{name}: {differing} of {} labels differ, {foreground} foreground",
            ours.len()
        );
        assert!(differing * 1000 <= ours.len(), "{name}: {differing}");
        segmented += foreground;
    }

    assert!(
        segmented > 0,
        "everything is background, which proves little"
    );

    let archive = text("theirs.zip");
    run(
        python(),
        &[
            "-c",
            PYTHON_EXPORT,
            "-d",
            "900",
            "-o",
            &archive,
            "-c",
            "2d",
            "3d_fullres",
            "-f",
            "0",
        ],
    );
    let elsewhere = trained.elsewhere("elsewhere");
    let installed = install(&elsewhere, Path::new(&archive), Existing::Keep).unwrap();
    assert_eq!(installed.verification, Verification::ZipOnly);
    assert_eq!(installed.models.len(), 2);
    assert!(installed.selected.is_some(), "{:?}", installed.notes);
    let expected = trained.selected(&trained.pipeline, "expected");
    assert_eq!(trained.selected(&elsewhere, "found"), expected);
}
