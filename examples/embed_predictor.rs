//! The predictor inside a program of one's own: no files but the model, images and label maps in
//! memory, and a thread that does nothing else. Also how to bring a network of one's own.
//! Give a model folder; without one, the example makes a small untrained model first.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use ndarray::{Array4, Axis};
use nnunet::image::{Geometry, Image, LabelMap};
use nnunet::infer::{Mirroring, PredictOptions, Predictor, WindowSum};
use nnunet::schema::{RuleSet, Shape, Spacing};

#[path = "support/small_model.rs"]
mod small_model;

fn main() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let model = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => small_model::write(folder.path(), RuleSet::V2)?,
    };
    let options = PredictOptions {
        mirroring: Mirroring::Off,
        ..PredictOptions::default()
    };
    let predictor = Predictor::load(&model, &[], options)?;
    let channels = predictor.recipe().channels();
    let recipe = predictor.recipe().clone();
    let pipeline = predictor.pipeline().clone();

    // A predictor is `Send`: a thread of its own serves the others.
    let (send_image, images) = mpsc::channel::<(String, Image)>();
    let (send_labels, labels) = mpsc::channel::<(String, LabelMap)>();
    let server = thread::spawn(move || -> anyhow::Result<()> {
        for (name, image) in images {
            let map = predictor.predict(&name, &image)?;
            send_labels.send((name, map))?;
        }
        Ok(())
    });
    for (name, edges) in [("first", [36, 50, 35]), ("second", [24, 40, 32])] {
        send_image.send((name.to_owned(), image(channels, edges)?))?;
    }
    drop(send_image);
    for (name, map) in labels {
        let foreground = map.labels.iter().filter(|label| **label > 0).count();
        println!(
            "{name}: {} voxels, {foreground} of them foreground",
            map.shape()
        );
    }
    server.join().ok().context("the thread failed")??;

    // A network of one's own: any function of windows. This one thresholds the first channel.
    let prepared = pipeline.run("third", image(channels, [30, 30, 30])?, None)?;
    let tiling = recipe.tiling(prepared.shape())?;
    let mut sum = WindowSum::new(&tiling, recipe.heads());
    let windows = tiling.cut(prepared.data.view())?;
    println!("third: {} windows of {}", windows.len(), tiling.window());
    for window in windows {
        let (_, z, y, x) = window.data.dim();
        let mut logits = Array4::zeros((recipe.heads(), z, y, x));
        let first = window.data.index_axis(Axis(0), 0);
        logits.index_axis_mut(Axis(0), 1).assign(&first);
        sum.add(window.position, logits.view())?;
    }
    let outputs = sum.finish()?;
    let map = recipe.label("third", outputs.view(), &prepared.properties, None)?;
    let bright = map.labels.iter().filter(|label| **label == 1).count();
    println!("third: {bright} voxels are brighter than the mean");
    Ok(())
}

/// A bright ball in a dark image, the same in all channels.
fn image(channels: usize, [z, y, x]: [usize; 3]) -> anyhow::Result<Image> {
    let centre = [z, y, x].map(|edge| edge as f32 / 2.0);
    let data = Array4::from_shape_fn((channels, z, y, x), |(_, k, j, i)| {
        let distances = [k, j, i].into_iter().zip(centre);
        let squares = distances.map(|(at, centre)| (at as f32 - centre).powi(2));
        100.0 / (1.0 + squares.sum::<f32>() / 50.0) + 1.0
    });
    let geometry = Geometry::axis_aligned(Spacing::new([1.0, 1.0, 1.2])?);
    let image = Image { data, geometry };
    anyhow::ensure!(
        image.shape() == Shape::new([z, y, x]),
        "an image of another shape"
    );
    Ok(image)
}
