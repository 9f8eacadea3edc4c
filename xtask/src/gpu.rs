//! Training on a GPU, timed, beside the Python program on the same card.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace::Workspace;
use crate::{libtorch, process};

/// Numbers of epochs for which the Python program has a trainer.
const PYTHON_EPOCHS: [usize; 7] = [1, 5, 10, 20, 50, 100, 250];
/// Epochs at the beginning that are left out: kernels are chosen and compiled in them.
const WARM_UP: usize = 2;

/// What to train.
#[derive(Args, Debug)]
pub(crate) struct GpuArgs {
    /// Folder of raw datasets, with Dataset004_Hippocampus or the one that is named
    #[arg(long, value_name = "DIR")]
    raw: PathBuf,
    /// Number of the dataset
    #[arg(long, default_value_t = 4, value_name = "N")]
    dataset: u16,
    /// Configuration
    #[arg(long, default_value = "3d_fullres", value_name = "NAME")]
    configuration: String,
    /// Epochs of 250 iterations
    #[arg(long, default_value_t = 5, value_name = "N")]
    epochs: usize,
    /// Folder for everything that is made
    #[arg(long, default_value = "target/gpu", value_name = "DIR")]
    output: PathBuf,
    /// Threads that prepare batches
    #[arg(long, default_value_t = 8, value_name = "N")]
    loader_threads: usize,
    /// A Python interpreter with the Python program: trains the same with it afterwards
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
}

/// How a training went.
struct Training {
    /// Seconds of each epoch.
    epochs: Vec<f64>,
    /// Mean validation Dice of the last epoch.
    dice: Option<f64>,
    /// Share of the samples of the driver in which the GPU was busy, percent on average.
    busy: Option<f64>,
}

/// Trains with both programs and compares the times of their epochs.
pub(crate) fn run(workspace: &Workspace, args: &GpuArgs) -> Result<()> {
    if args.python.is_some() && !PYTHON_EPOCHS.contains(&args.epochs) {
        bail!(
            "the Python program has trainers for {PYTHON_EPOCHS:?} epochs, not {}",
            args.epochs
        );
    }
    libtorch::provide(workspace, libtorch::Build::Cuda, false)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--locked", "--package", "nnunet-cli"]);
    process::run(&mut build)?;
    let ours = train(workspace, args)?;
    report("this program", &ours);
    if let Some(python) = &args.python {
        let theirs = train_python(python, args)?;
        report("Python program", &theirs);
        if let (Some(own), Some(other)) = (median(&ours.epochs), median(&theirs.epochs)) {
            println!(
                "epochs of this program take {:.2} of the other's time",
                own / other
            );
        }
    }
    Ok(())
}

fn folders(args: &GpuArgs, program: &str) -> [(&'static str, PathBuf); 3] {
    let own = args.output.join(program);
    [
        ("nnUNet_raw", args.raw.clone()),
        ("nnUNet_preprocessed", own.join("preprocessed")),
        ("nnUNet_results", own.join("results")),
    ]
}

fn train(workspace: &Workspace, args: &GpuArgs) -> Result<Training> {
    let program = workspace.root().join("target/release/nnunet");
    let (dataset, epochs) = (args.dataset.to_string(), args.epochs.to_string());
    let threads = args.loader_threads.to_string();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).envs(folders(args, "rust"));
        command
    };
    process::run(&mut command(&["fingerprint", &dataset]))?;
    process::run(&mut command(&["plan", &dataset]))?;
    process::run(&mut command(&[
        "preprocess",
        &dataset,
        "-c",
        &args.configuration,
    ]))?;
    let mut training = command(&["train", &dataset, &args.configuration, "0"]);
    training.args([
        "--epochs",
        &epochs,
        "--device",
        "cuda",
        "--loader-threads",
        &threads,
    ]);
    let (_, busy) = watched(|| process::run(&mut training))?;
    let results = args.output.join("rust/results");
    let log = only_file(&results, "training_log.jsonl")?;
    let mut times = Vec::new();
    let mut dice = None;
    for line in fs::read_to_string(&log)?.lines() {
        let epoch: serde_json::Value = serde_json::from_str(line)?;
        let number = |key: &str| epoch[key].as_f64();
        times.extend(
            number("finished")
                .zip(number("started"))
                .map(|(end, begin)| end - begin),
        );
        dice = number("mean_dice").or(dice);
    }
    Ok(Training {
        epochs: times,
        dice,
        busy,
    })
}

fn train_python(python: &Path, args: &GpuArgs) -> Result<Training> {
    let dataset = args.dataset.to_string();
    let scripts = python.parent().context("the interpreter has no folder")?;
    let command = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(scripts.join(name));
        command.args(arguments).envs(folders(args, "python"));
        command
    };
    process::run(&mut command(
        "nnUNetv2_extract_fingerprint",
        &["-d", &dataset],
    ))?;
    process::run(&mut command("nnUNetv2_plan_experiment", &["-d", &dataset]))?;
    let preprocess = ["-d", &dataset, "-c", &args.configuration];
    process::run(&mut command("nnUNetv2_preprocess", &preprocess))?;
    let ending = if args.epochs == 1 { "epoch" } else { "epochs" };
    let trainer = format!("nnUNetTrainer_{}{ending}", args.epochs);
    let training = [&dataset, &args.configuration, "0", "-tr", &trainer];
    let training = training.map(AsRef::as_ref);
    let (_, busy) = watched(|| process::run(&mut command("nnUNetv2_train", &training)))?;
    let log = only_file(&args.output.join("python/results"), ".txt")?;
    let text = fs::read_to_string(&log)?;
    let after = |line: &str, key: &str| {
        let (_, value) = line.split_once(key)?;
        value
            .trim()
            .trim_end_matches('s')
            .trim()
            .parse::<f64>()
            .ok()
    };
    Ok(Training {
        epochs: text
            .lines()
            .filter_map(|line| after(line, "Epoch time:"))
            .collect(),
        dice: None,
        busy,
    })
}

/// Runs something while the driver's tool writes down every second how busy the GPU is.
fn watched<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Option<f64>)> {
    let begin = Instant::now();
    let query = [
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-l",
        "1",
    ];
    let monitor: Option<Child> = Command::new("nvidia-smi")
        .args(query)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok();
    let done = work();
    println!("{:.0} s", begin.elapsed().as_secs_f64());
    let busy = monitor.and_then(|mut monitor| {
        monitor.kill().ok()?;
        let output = monitor.wait_with_output().ok()?;
        mean(&numbers(&String::from_utf8_lossy(&output.stdout)))
    });
    Ok((done?, busy))
}

fn numbers(text: &str) -> Vec<f64> {
    text.lines()
        .filter_map(|line| line.trim().parse().ok())
        .collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The median of the epochs after the first ones.
fn median(epochs: &[f64]) -> Option<f64> {
    let mut warm: Vec<f64> = epochs
        .iter()
        .skip(WARM_UP.min(epochs.len() / 2))
        .copied()
        .collect();
    warm.sort_by(f64::total_cmp);
    warm.get(warm.len() / 2).copied()
}

/// The only file below a folder whose name ends so.
fn only_file(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder);
        for entry in entries.with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    // The Python program begins a new log with each run.
    found
        .pop()
        .with_context(|| format!("{} has no file *{ending}", folder.display()))
}

fn report(program: &str, training: &Training) {
    let shown = |value: Option<f64>| value.map_or("unknown".to_owned(), |v| format!("{v:.3}"));
    println!(
        "{program}: {} epochs, median {} s, GPU busy {} %, Dice {}",
        training.epochs.len(),
        shown(median(&training.epochs)),
        shown(training.busy),
        shown(training.dice)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_leaves_out_the_first_epochs() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[9.0]), Some(9.0));
        assert_eq!(median(&[90.0, 50.0, 3.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn what_the_driver_says_is_averaged() {
        assert_eq!(mean(&numbers("10\n 30 \n[N/A]\n")), Some(20.0));
        assert_eq!(mean(&numbers("")), None);
    }

    #[test]
    fn the_last_log_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert!(only_file(folder.path(), ".txt").is_err());
        fs::write(inner.join("log_1.txt"), "").unwrap();
        fs::write(inner.join("log_2.txt"), "").unwrap();
        let found = only_file(folder.path(), ".txt").unwrap();
        assert!(found.ends_with("a/b/log_2.txt"));
    }
}
