//! A model of the Python program without Python: give its folder and an image (all channels in
//! one file, or one channel). Without arguments the example writes a small untrained model with a
//! `.pth` itself and predicts a phantom.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::collections::BTreeMap;
use std::path::PathBuf;

use nnunet::image::FormatRegistry;
use nnunet::infer::{PredictOptions, Predictor};
use nnunet::model::Device;
use nnunet::phantom::{Phantom, PhantomConfig};
use nnunet::schema::RuleSet;

#[path = "support/small_model.rs"]
mod small_model;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let formats = FormatRegistry::default();
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (model, image) = match (arguments.next(), arguments.next()) {
        (Some(model), Some(image)) => (model, formats.read_image(&image)?),
        _ => (
            small_model::write(folder.path(), RuleSet::V2)?,
            Phantom::generate(&PhantomConfig::default(), 0)?.image,
        ),
    };

    let predictor = Predictor::load(&model, &[], PredictOptions::default())?;
    let recipe = predictor.recipe();
    let plan = recipe.memory_plan(image.shape(), image.shape(), Device::Cpu)?;
    println!(
        "{} of {}: folds {:?}, {} passes per window",
        recipe.name(),
        predictor.plans().plans_name,
        predictor.folds(),
        recipe.passes()
    );
    println!("a case of {} takes about {plan}", image.shape());

    let (labels, probabilities) = predictor.predict_probabilities("image", &image)?;
    println!("probabilities {:?}", probabilities.dim());
    let mut voxels: BTreeMap<i16, usize> = BTreeMap::new();
    for label in &labels.labels {
        *voxels.entry(*label).or_default() += 1;
    }
    for (label, count) in voxels {
        println!("label {label}: {count} voxels");
    }
    let output = folder.path().join("labels.nii.gz");
    formats.write_labels(&output, &labels)?;
    println!(
        "written with the geometry of the image: {}",
        output.display()
    );
    Ok(())
}
