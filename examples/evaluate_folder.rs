//! How good predictions are: overlap and surface distances per class, and whether removing small
//! components helps.
//!
//! `cargo run --release --example evaluate_folder -- REFERENCES PREDICTIONS DATASET_JSON`; without
//! folders it makes a few phantoms and spoils their labels.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::path::{Path, PathBuf};

use nnunet::evaluate::postprocessing::{PostprocessingRules, determine_postprocessing};
use nnunet::evaluate::surface::{SurfaceOptions, evaluate_surfaces};
use nnunet::evaluate::{CasePair, CaseTable, Classes, EvaluateOptions, measure_pairs, write_csv};
use nnunet::image::FormatRegistry;
use nnunet::phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet::schema::{DatasetDescription, NoProgress, layout};

fn main() -> anyhow::Result<()> {
    let formats = FormatRegistry::default();
    let temporary = tempfile::tempdir()?;
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [references, predictions, description] = match <[PathBuf; 3]>::try_from(arguments) {
        Ok(folders) => folders,
        Err(_) => spoilt_phantoms(temporary.path(), &formats)?,
    };
    let description = DatasetDescription::load(&description)?;
    let classes = Classes::of(&description)?;
    let options = EvaluateOptions::default();
    let ending = &description.file_ending;
    let pairs = CasePair::find(&references, &predictions, ending, &options)?;

    let measured = measure_pairs(&pairs, &classes, &formats, &NoProgress)?;
    let summary = &measured.summary;
    let tolerance = SurfaceOptions::default();
    let surfaces = evaluate_surfaces(&pairs, &classes, &tolerance, &formats, &NoProgress)?;
    for class in classes.classes() {
        let (overlap, surface) = (&summary.mean[class.key()], &surfaces.mean[class.key()]);
        println!(
            "{}: Dice {:.4}, Hausdorff 95 {:.2} mm, surface Dice within 1 mm {:.4}",
            class.name(),
            overlap.dice,
            surface.hausdorff_95,
            surface.surface_dice
        );
    }
    let table = temporary.path().join("cases.csv");
    let columns = CaseTable {
        summary,
        voxel_mm3: Some(&measured.voxel_mm3),
        surfaces: Some(&surfaces),
    };
    write_csv(&table, &columns)?;
    println!("{} rows", std::fs::read_to_string(table)?.lines().count());

    let rules = PostprocessingRules::paper();
    let found = determine_postprocessing(&pairs, &classes, &rules, &formats, &NoProgress)?;
    for decision in &found.decisions {
        println!(
            "largest component of {:?}: Dice {:.4} to {:.4}, accepted: {}",
            decision.labels_or_regions.members(),
            decision.foreground.before,
            decision.foreground.after,
            decision.accepted
        );
    }
    Ok(())
}

/// References, predictions with an island each, and the description.
fn spoilt_phantoms(folder: &Path, formats: &FormatRegistry) -> anyhow::Result<[PathBuf; 3]> {
    let dataset = PhantomDataset {
        training_cases: 3,
        test_cases: 0,
        config: PhantomConfig::tiny(),
        ..PhantomDataset::default()
    };
    write_dataset(folder, &dataset, formats, &NoProgress)?;
    let raw = folder.join(&dataset.name);
    let (references, predictions) = (layout::training_labels(&raw), folder.join("predictions"));
    for entry in std::fs::read_dir(&references)? {
        let path = entry?.path();
        let mut map = formats.read_labels(&path)?;
        let [z, y, x] = map.shape().voxels();
        map.labels[[z - 1, y - 1, x - 1]] = 1;
        map.labels[[0, 0, 0]] = 2;
        let name = path.file_name().unwrap_or_default();
        formats.write_labels(&predictions.join(name), &map)?;
    }
    Ok([references, predictions, layout::dataset_json(&raw)])
}
