//! One image with its labels, from the files to what the network sees: cropped, normalised,
//! resampled, stored, and a patch of it read back.
//!
//! `cargo run --release --example preprocess_case -- image.nii.gz labels.nii.gz`; without files a
//! phantom is preprocessed. The plan is the one that this case alone would get.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nnunet::fingerprint::{ExtractOptions, extract};
use nnunet::image::{CropBox, FormatRegistry, RawCase, RawDataset};
use nnunet::phantom::{PhantomDataset, write_dataset};
use nnunet::planner::{PlanOverrides, Planner, Rules};
use nnunet::preprocess::{CasePipeline, CaseStore, StoreHeader};
use nnunet::schema::{DatasetDescription, NoProgress};
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let formats = FormatRegistry::default();
    let temporary = tempfile::tempdir()?;
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let raw = match files.as_slice() {
        [] => phantom(temporary.path(), &formats)?,
        [image, labels] => single(image, labels, &formats)?,
        _ => anyhow::bail!("usage: preprocess_case [IMAGE LABELS]"),
    };
    let case = raw.cases.first().context("there is no case")?;

    // What a dataset of this case alone would be planned to.
    let facts = extract(&raw, &formats, &ExtractOptions::default(), &NoProgress)?;
    let rules = Rules::v2();
    let (budget, overrides) = (rules.reference_budget(), PlanOverrides::default());
    let plans =
        Planner::new(rules).plan(&facts, &raw.description, &raw.name, &budget, &overrides)?;
    let names = plans.configuration_names();
    let name = if names.contains(&"3d_fullres") {
        "3d_fullres"
    } else {
        "2d"
    };

    let pipeline = CasePipeline::new(&plans, name, &raw.description)?;
    let image = case.read_image(&formats)?;
    let labels = case.read_labels(&formats)?;
    println!(
        "case {}, {name}: {} voxels of {:?} mm",
        case.id,
        image.shape(),
        image.geometry.spacing.mm()
    );
    let preprocessed = pipeline.run(&case.id, image, labels)?;
    let properties = &preprocessed.properties;
    println!(
        "cropped to {:?}, resampled to {}",
        properties.bbox_used_for_cropping,
        preprocessed.shape()
    );
    for (channel, values) in preprocessed.data.outer_iter().enumerate() {
        let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), v| {
            (low.min(*v), high.max(*v))
        });
        println!("channel {channel}: {low:.3} to {high:.3}");
    }
    for class in &properties.class_locations.classes {
        println!(
            "labels {:?}: {} voxels to sample patches at",
            class.members,
            class.voxels.len()
        );
    }

    let header = StoreHeader::new(&plans, name, &raw.description)?;
    let store = CaseStore::create(&temporary.path().join("store"), header)?;
    store.write(&case.id, &preprocessed)?;
    let stored = store.open_case(&case.id)?;
    let patch = stored.shape().voxels().map(|edge| edge.min(32));
    let corner = CropBox::between([0; 3], patch).context("the case has no voxels")?;
    println!(
        "stored in {} bytes; its first corner reads as {:?}",
        store.bytes_on_disk()?,
        stored.read_data(corner)?.shape()
    );
    Ok(())
}

/// A dataset of one image in one file, with the labels that occur.
fn single(image: &Path, labels: &Path, formats: &FormatRegistry) -> anyhow::Result<RawDataset> {
    let channels = formats.read_image(image)?.channels();
    let found: BTreeSet<i16> = formats.read_labels(labels)?.labels.into_iter().collect();
    let channel_names: serde_json::Map<_, _> = (0..channels)
        .map(|channel| (channel.to_string(), json!("image")))
        .collect();
    let mut label_values = serde_json::Map::new();
    label_values.insert("background".to_owned(), json!(0));
    // The labels of a dataset follow each other without gaps.
    for label in 1..=found.last().copied().unwrap_or(0) {
        label_values.insert(format!("label {label}"), json!(label));
    }
    let description: DatasetDescription = serde_json::from_value(json!({
        "channel_names": channel_names,
        "labels": label_values,
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }))?;
    let id = image.file_name().unwrap_or_default().to_string_lossy();
    Ok(RawDataset {
        folder: PathBuf::new(),
        name: "Dataset001_Single".to_owned(),
        description,
        cases: vec![RawCase {
            id: id.into_owned(),
            images: vec![image.to_path_buf()],
            label: Some(labels.to_path_buf()),
        }],
        misnamed: Vec::new(),
    })
}

fn phantom(folder: &Path, formats: &FormatRegistry) -> anyhow::Result<RawDataset> {
    let dataset = PhantomDataset {
        training_cases: 1,
        test_cases: 0,
        ..PhantomDataset::default()
    };
    write_dataset(folder, &dataset, formats, &NoProgress)?;
    Ok(RawDataset::open(&folder.join(&dataset.name))?)
}
