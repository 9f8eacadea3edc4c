//! Resamples one `(z, y, x)` array to another spacing, as preprocessing does.
//!
//! `cargo run --release --example resample_volume -- IN.npy OUT.npy --spacing 3,1,1 --target 1,1,1`;
//! with `--labels` the array is a label map. Spacings are millimetres, `z,y,x`. Without arguments
//! a phantom is resampled.
#![allow(clippy::print_stdout)] // an example shows what it found

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};
use ndarray::Array3;
use ndarray_npy::{ReadableElement, read_npy, write_npy};
use nnunet::phantom::{Phantom, PhantomConfig};
use nnunet::preprocess::resample::{ResampleMethod, resample_labels, resample_owned_image};
use nnunet::schema::plans::ResamplingArguments;
use nnunet::schema::{Shape, Spacing};

const USAGE: &str =
    "usage: resample_volume IN.npy OUT.npy --spacing a,b,c --target a,b,c [--labels]";

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        return phantom();
    }
    let request = Request::parse(&arguments)?;
    let (from, to) = (request.spacing, request.target);
    if request.labels {
        let labels = read_labels(&request.input)?;
        write_npy(&request.output, &labels_to(&labels, from, to)?)?;
    } else {
        let image = read_image(&request.input)?;
        write_npy(&request.output, &image_to(image, from, to)?)?;
    }
    Ok(())
}

/// What the user asked for.
struct Request {
    input: PathBuf,
    output: PathBuf,
    spacing: Spacing,
    target: Spacing,
    labels: bool,
}

impl Request {
    fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let (mut files, mut spacing, mut target) = (Vec::new(), None, None);
        let mut labels = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || millimetres(rest.next().map_or("", String::as_str));
            match argument.as_str() {
                "--spacing" => spacing = Some(value()?),
                "--target" => target = Some(value()?),
                "--labels" => labels = true,
                option if option.starts_with("--") => bail!("unknown option `{option}`; {USAGE}"),
                file => files.push(PathBuf::from(file)),
            }
        }
        let [input, output] = files.try_into().ok().context(USAGE)?;
        Ok(Self {
            input,
            output,
            spacing: spacing.context(USAGE)?,
            target: target.context(USAGE)?,
            labels,
        })
    }
}

fn millimetres(text: &str) -> anyhow::Result<Spacing> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    let numbers = numbers.with_context(|| format!("`{text}` is not three numbers a,b,c"))?;
    let numbers = numbers.try_into().ok();
    let numbers = numbers.with_context(|| format!("`{text}` is not three numbers a,b,c"))?;
    Ok(Spacing::new(numbers)?)
}

/// An array of any of the usual types.
fn read_image(path: &Path) -> anyhow::Result<Array3<f32>> {
    let image = read_npy::<_, Array3<f32>>(path);
    image
        .or_else(|error| match read_npy::<_, Array3<f64>>(path) {
            Ok(image) => Ok(image.mapv(|v| v as f32)),
            Err(_) => read_small(path).map(|a| a.mapv(f32::from)).ok_or(error),
        })
        .with_context(|| path.display().to_string())
}

fn read_labels(path: &Path) -> anyhow::Result<Array3<i16>> {
    let wanted = || format!("{}: expected integers of at most 16 bits", path.display());
    read_small(path).with_context(wanted)
}

/// Integers that fit, of any type.
fn read_small(path: &Path) -> Option<Array3<i16>> {
    narrowed::<i16>(path)
        .or_else(|| narrowed::<u8>(path))
        .or_else(|| narrowed::<i8>(path))
        .or_else(|| narrowed::<u16>(path))
        .or_else(|| narrowed::<i32>(path))
        .or_else(|| narrowed::<i64>(path))
}

fn narrowed<T: ReadableElement + TryInto<i16>>(path: &Path) -> Option<Array3<i16>> {
    let array: Array3<T> = read_npy(path).ok()?;
    let shape = array.dim();
    let values: Option<Vec<i16>> = array.into_iter().map(|v| v.try_into().ok()).collect();
    Array3::from_shape_vec(shape, values?).ok()
}

/// How plans have images resampled by default, and labels.
fn arguments(is_seg: bool) -> ResamplingArguments {
    ResamplingArguments {
        is_seg,
        order: if is_seg { 1 } else { 3 },
        order_z: 0,
        force_separate_z: None,
        extra: serde_json::Map::new(),
    }
}

fn image_to(image: Array3<f32>, from: Spacing, to: Spacing) -> anyhow::Result<Array3<f32>> {
    let method = ResampleMethod::new(from, to, &arguments(false))?;
    let old = shape_of(&image);
    let start = Instant::now();
    let image = resample_owned_image(image, old.resampled(from, to), &method)?;
    report("image", old, shape_of(&image), &method, start);
    Ok(image)
}

fn labels_to(labels: &Array3<i16>, from: Spacing, to: Spacing) -> anyhow::Result<Array3<i16>> {
    let method = ResampleMethod::new(from, to, &arguments(true))?;
    let old = shape_of(labels);
    let start = Instant::now();
    let labels = resample_labels(labels.view(), old.resampled(from, to), &method)?;
    report("labels", old, shape_of(&labels), &method, start);
    Ok(labels)
}

fn shape_of<T>(array: &Array3<T>) -> Shape {
    let (z, y, x) = array.dim();
    Shape::new([z, y, x])
}

fn report(what: &str, from: Shape, to: Shape, method: &ResampleMethod, start: Instant) {
    let apart = method
        .separate
        .map(|apart| format!(", axis {} apart", apart.axis));
    println!(
        "{what}: {from} to {to} voxels in {:.3} s ({:?}{})",
        start.elapsed().as_secs_f64(),
        method.order,
        apart.unwrap_or_default()
    );
}

fn phantom() -> anyhow::Result<()> {
    let phantom = Phantom::generate(&PhantomConfig::default(), 0)?;
    let from = phantom.image.geometry.spacing;
    let image = phantom.image.data.index_axis_move(ndarray::Axis(0), 0);
    for to in [Spacing::ISOTROPIC_1MM, Spacing::new([4.0, 1.0, 1.0])?] {
        image_to(image.clone(), from, to)?;
        labels_to(&phantom.labels.labels, from, to)?;
    }
    Ok(())
}
