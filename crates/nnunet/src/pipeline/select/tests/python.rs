//! The same selection by the Python program, where it is installed.

use std::process::Command;

use nnunet_infer::ProbabilityStore;
use nnunet_planner::Rules;

use super::*;

/// What the Python program keeps of a case beside its probabilities.
const PROPERTIES: &str = r"
import pickle, sys
import SimpleITK as sitk
for path in sys.argv[1:]:
    image = sitk.ReadImage(path)
    stuff = {'spacing': image.GetSpacing(), 'origin': image.GetOrigin(),
             'direction': image.GetDirection()}
    with open(path[:-len('.nii.gz')] + '.pkl', 'wb') as file:
        pickle.dump({'sitk_stuff': stuff, 'spacing': list(image.GetSpacing())[::-1]}, file)
";

const SELECT: &str = r"
import sys
from nnunetv2.evaluation.find_best_configuration import find_best_configuration
if __name__ == '__main__':
    models = [{'plans': 'nnUNetPlans', 'configuration': c, 'trainer': 'nnUNetTrainer'}
              for c in ('2d', '3d_fullres')]
    find_best_configuration(sys.argv[1], models, folds=(0, 1), num_processes=1)
";

fn python(trained: &Trained) -> Command {
    let program = std::env::var_os("NNUNET_PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(program);
    let layout = &trained.pipeline.layout;
    command
        .env("nnUNet_raw", &layout.raw)
        .env("nnUNet_preprocessed", &layout.preprocessed)
        .env("nnUNet_results", &layout.results);
    command
}

#[test]
fn the_python_program_selects_the_same() {
    let trained = Trained::planned(&PlanRequest::by(Rules::v2()));
    let has_it = (python(&trained).args(["-c", "import nnunetv2"]).output())
        .is_ok_and(|output| output.status.success());
    if !has_it {
        println!(
            "skipped: the_python_program_selects_the_same needs Python with nnunetv2: name one in \
             NNUNET_PYTHON"
        );
        return;
    }
    trained.model("2d", 7, 0.5);
    trained.model("3d_fullres", 5, 0.5);
    let contest = trained.pipeline.select(&trained.request()).unwrap();
    let winner = contest.winner().unwrap();
    let ours = fs::read_to_string(winner.folder.join("postprocessing.json")).unwrap();
    let maps: Vec<(PathBuf, Vec<u8>)> = FOLDS
        .map(|fold| {
            let ending = &trained.description.file_ending;
            let path = (winner.folder).join(format!("{}{ending}", trained.held_out(fold)));
            let map = trained.pipeline.formats.read_labels(&path).unwrap();
            (
                path,
                map.labels
                    .iter()
                    .map(|l| u8::try_from(*l).unwrap())
                    .collect(),
            )
        })
        .into();

    for configuration in ["2d", "3d_fullres"] {
        for fold in FOLDS {
            let folder = trained.validation(configuration, fold);
            let case = trained.held_out(fold);
            let store = ProbabilityStore::open(&folder.join(format!("{case}.zarr"))).unwrap();
            store
                .write_npz(&folder.join(format!("{case}.npz")))
                .unwrap();
            let map = folder.join(format!("{case}.nii.gz"));
            let written = python(&trained).args(["-c", PROPERTIES]).arg(map).output();
            assert!(written.unwrap().status.success());
        }
    }
    let layout = &trained.pipeline.layout;
    let copies = layout
        .preprocessed_dataset(&trained.dataset)
        .join("gt_segmentations");
    fs::create_dir(&copies).unwrap();
    let labels = layout::training_labels(&layout.raw_dataset(&trained.dataset));
    for name in files(&labels) {
        fs::copy(labels.join(&name), copies.join(&name)).unwrap();
    }
    // Processes that are spawned need a file to begin with.
    let script = layout.results.join("best_configuration.py");
    fs::write(&script, SELECT).unwrap();
    let output = python(&trained)
        .arg(&script)
        .arg(&trained.dataset)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");

    let theirs = InferenceInformation::load(&contest.information_path).unwrap();
    assert_eq!(theirs, contest.information);
    let document = winner.folder.join("postprocessing.json");
    assert_ne!(fs::read_to_string(&document).unwrap(), ours);
    let theirs = Postprocessing::load(&document).unwrap();
    let plain = Postprocessing {
        decisions: Vec::new(),
        ..contest.postprocessing.clone()
    };
    assert_eq!(theirs, plain);
    assert!(!plain.steps().is_empty());
    for (path, ours) in maps {
        let map = trained.pipeline.formats.read_labels(&path).unwrap();
        let theirs: Vec<u8> = map
            .labels
            .iter()
            .map(|l| u8::try_from(*l).unwrap())
            .collect();
        assert_eq!(theirs, ours, "{path:?}");
    }
}
