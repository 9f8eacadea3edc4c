//! The whole pipeline on phantoms made on the spot: what a newcomer runs first.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use nnunet::draw::overlay::{self, Overlay, OverlayOptions};
use nnunet::evaluate::{EvaluateOptions, evaluate_folder};
use nnunet::fingerprint::IntensitySampling;
use nnunet::image::find_cases;
use nnunet::infer::{FolderRequest, PredictOptions};
use nnunet::phantom::{PhantomConfig, PhantomDataset, write_dataset};
use nnunet::pipeline::{
    AugmentationChoice, Contest, DEFAULT_PLANS, Existing, Pipeline, PlanRequest, ReportRequest,
    SelectRequest, SelectedRequest, TrainOutcome, TrainRequest,
};
use nnunet::schema::plans::PlanOverrides;
use nnunet::schema::{
    DatasetDescription, DatasetId, Fold, Layout, Plans, Progress, Summary, layout,
};
use nnunet::train::{ProgressObserver, TrainingConfig};

use super::{plan, select, train};
use crate::args::DemoArgs;
use crate::context::Context;
use crate::{Outcome, output};

/// Marks a folder as one that the demo made, and so may make anew.
const MARKER: &str = ".nnunet-demo";
const DATASET: &str = "Dataset900_Phantom";
const FOLD: Fold = Fold::Number(0);
const TRAINING_CASES: usize = 25;
const TEST_CASES: usize = 4;

/// How a configuration is trained: small enough for two processor cores.
struct Budget {
    configuration: &'static str,
    epochs: usize,
    iterations: usize,
}

const BUDGETS: [Budget; 2] = [
    Budget {
        configuration: "2d",
        epochs: 12,
        iterations: 40,
    },
    Budget {
        configuration: "3d_fullres",
        epochs: 12,
        iterations: 40,
    },
];

pub(crate) fn run(context: &Context, args: &DemoArgs) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    let stop = train::stop_on_signal()?;
    let demo = Demo::new(context, args)?;
    demo.make_phantoms(args.channels)?;
    if args.data_only {
        demo.say_where();
        return Ok(Outcome::Complete);
    }
    demo.prepare()?;
    for budget in &BUDGETS {
        if demo.train(budget, &stop)?.is_none() {
            return Ok(Outcome::Interrupted);
        }
    }
    let contest = demo.select()?;
    let test = demo.predict()?;
    let pictures = demo.draw()?;
    demo.report(&contest, &test, &pictures)?;
    output::line(format!(
        "took {}",
        output::seconds(start.elapsed().as_secs_f64())
    ));
    Ok(Outcome::Complete)
}

struct Demo<'a> {
    context: &'a Context,
    folder: PathBuf,
    pipeline: Pipeline,
    id: DatasetId,
    device: nnunet::model::DeviceChoice,
}

impl<'a> Demo<'a> {
    fn new(context: &'a Context, args: &DemoArgs) -> anyhow::Result<Self> {
        let folder = args.output.clone();
        empty_folder(&folder)?;
        let layout = Layout {
            raw: folder.join("raw"),
            preprocessed: folder.join("preprocessed"),
            results: folder.join("results"),
        };
        Ok(Self {
            context,
            pipeline: context.pipeline_over(layout),
            folder,
            id: DatasetId::Name(DATASET.to_owned()),
            device: context.device(args.device.device),
        })
    }

    fn progress(&self) -> &dyn Progress {
        self.context.progress.as_ref()
    }

    fn make_phantoms(&self, channels: u8) -> anyhow::Result<()> {
        let dataset = PhantomDataset {
            name: DATASET.to_owned(),
            training_cases: TRAINING_CASES,
            test_cases: TEST_CASES,
            config: match channels {
                2 => PhantomConfig::two_channels(),
                _ => PhantomConfig::default(),
            },
            ..PhantomDataset::default()
        };
        let raw = &self.pipeline.layout.raw;
        write_dataset(raw, &dataset, &self.pipeline.formats, self.progress())?;
        Ok(())
    }

    /// Where the phantoms lie, and how other commands find them.
    fn say_where(&self) {
        let roots = &self.pipeline.layout;
        output::line(format!(
            "{TRAINING_CASES} labelled phantoms to train on, {TEST_CASES} to test: {}",
            roots.raw.join(DATASET).display()
        ));
        for (name, root) in [
            (layout::ENV_RAW, &roots.raw),
            (layout::ENV_PREPROCESSED, &roots.preprocessed),
            (layout::ENV_RESULTS, &roots.results),
        ] {
            output::line(format!("export {name}={}", root.display()));
        }
    }

    /// Verify, fingerprint, plan and preprocess.
    fn prepare(&self) -> anyhow::Result<()> {
        let report = self.pipeline.verify(&self.id)?;
        for finding in &report.findings {
            output::line(format!("{}: {finding}", finding.severity()));
        }
        ensure!(report.is_usable(), "the phantoms are not a valid dataset");
        let request = PlanRequest {
            overrides: PlanOverrides {
                base_features: Some(8),
                ..PlanOverrides::default()
            },
            ..PlanRequest::default()
        };
        (self.pipeline).fingerprint(&self.id, IntensitySampling::Paper, Existing::Replace)?;
        let plans = self.small_plan(request)?;
        output::line(plan::describe(&plans, &self.description()?)?);
        for budget in &BUDGETS {
            let report =
                (self.pipeline).preprocess(&self.id, DEFAULT_PLANS, budget.configuration)?;
            if let Some((case, error)) = report.failed.first() {
                bail!("case `{case}`: {error}");
            }
        }
        Ok(())
    }

    /// Networks and batches that two processor cores can train in minutes.
    fn small_plan(&self, request: PlanRequest) -> anyhow::Result<Plans> {
        Ok(self.pipeline.plan(&self.id, &request)?.plans)
    }

    fn train(&self, budget: &Budget, stop: &AtomicBool) -> anyhow::Result<Option<Summary>> {
        let name = budget.configuration;
        let request = TrainRequest {
            dataset: self.id.clone(),
            plans_name: DEFAULT_PLANS.to_owned(),
            configuration: name.to_owned(),
            training: TrainingConfig {
                epochs: budget.epochs,
                iterations_per_epoch: budget.iterations,
                validation_iterations: 4,
                fold: FOLD,
                ..TrainingConfig::default()
            },
            device: self.device,
            loader_threads: self.context.threads,
            augmentation: AugmentationChoice::Planned,
            pretrained: None,
            existing: Existing::Replace,
        };
        let what = format!("train {name}");
        let observer = ProgressObserver::new(self.progress(), &what, budget.epochs);
        Ok(match self.pipeline.train(&request, &observer, stop)? {
            TrainOutcome::Finished { validation, .. } => Some(validation),
            TrainOutcome::Stopped { .. } => None,
        })
    }

    fn select(&self) -> anyhow::Result<Contest> {
        let request = SelectRequest {
            folds: vec![FOLD],
            device: self.device,
            ..SelectRequest::new(self.id.clone())
        };
        Ok(self.pipeline.select(&request)?)
    }

    /// Segments the test images with what won and evaluates them.
    fn predict(&self) -> anyhow::Result<Summary> {
        let output = self.predictions();
        let request = SelectedRequest {
            dataset: self.id.clone(),
            folder: FolderRequest::new(&self.raw("imagesTs"), &output),
            options: PredictOptions {
                device: self.device,
                ..PredictOptions::default()
            },
        };
        let report = self.pipeline.predict_selected(&request)?;
        if let Some((case, error)) = report.failed.first() {
            bail!("case `{case}`: {error}");
        }
        let summary = evaluate_folder(
            &self.raw("labelsTs"),
            &output,
            &self.description()?,
            &self.pipeline.formats,
            &EvaluateOptions::default(),
            self.progress(),
        )?;
        summary.save(&layout::summary(&output))?;
        Ok(summary)
    }

    /// One picture per test image: the image, its reference, the prediction.
    fn draw(&self) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join("overlays");
        let description = self.description()?;
        let formats = &self.pipeline.formats;
        let labels = overlay::label_names(&description)?;
        let ending = &description.file_ending;
        let cases = find_cases(&self.raw("imagesTs"), ending, description.channels())?;
        for case in &cases {
            let file = format!("{}{ending}", case.id);
            let picture = overlay::draw(
                &Overlay {
                    image: &case.read_image(formats)?,
                    reference: Some(&formats.read_labels(&self.raw("labelsTs").join(&file))?),
                    prediction: Some(&formats.read_labels(&self.predictions().join(&file))?),
                    labels: &labels,
                },
                &OverlayOptions::default(),
            )?;
            picture.save(&folder.join(format!("{}.png", case.id)))?;
        }
        Ok(folder)
    }

    fn report(&self, contest: &Contest, test: &Summary, pictures: &Path) -> anyhow::Result<()> {
        let description = self.description()?;
        let scheme = description.label_scheme()?;
        let mut heads = vec!["Dice"];
        heads.extend(scheme.names().iter().map(String::as_str));
        heads.push("mean");
        let mut table = output::table(&heads);
        let mut row = |what: String, summary: &Summary| {
            let mut cells = vec![what];
            cells.extend(summary.mean.values().map(|m| output::score(m.dice)));
            cells.push(output::score(summary.foreground_mean.dice));
            table.add_row(cells);
        };
        let winner = contest.winner().context("nobody won")?;
        for contestant in &contest.contestants {
            let name = select::short_name(&contestant.candidate);
            let is_winner = contestant.candidate == winner.candidate;
            let mark = if is_winner { " ← best" } else { "" };
            row(format!("{name}, validation{mark}"), &contestant.summary);
        }
        let name = select::short_name(&winner.candidate);
        row(format!("{name}, unseen images"), test);
        output::line(table);
        let request = ReportRequest::new(self.id.clone());
        let page = self.pipeline.save_report(&request, None)?;
        for (what, path) in [
            ("models", self.pipeline.layout.results.join(DATASET)),
            ("predictions", self.predictions()),
            (
                "pictures (image, reference, prediction)",
                pictures.to_path_buf(),
            ),
            ("report, a page about all of it", page),
        ] {
            output::line(format!("{what}: {}", path.display()));
        }
        Ok(())
    }

    fn description(&self) -> anyhow::Result<DatasetDescription> {
        let folder = self.pipeline.layout.raw_dataset(DATASET);
        Ok(DatasetDescription::load(&layout::dataset_json(&folder))?)
    }

    fn raw(&self, part: &str) -> PathBuf {
        self.pipeline.layout.raw_dataset(DATASET).join(part)
    }

    fn predictions(&self) -> PathBuf {
        self.folder.join("predictions")
    }
}

/// Makes the folder, or empties one that an earlier demo made; any other is left alone.
fn empty_folder(folder: &Path) -> anyhow::Result<()> {
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    let marker = folder.join(MARKER);
    if occupied && !marker.is_file() {
        bail!(
            "{} is not empty and was not made by the demo: give another folder with `--output`",
            folder.display()
        );
    }
    let describe = || format!("cannot prepare {}", folder.display());
    for part in ["raw", "preprocessed", "results", "predictions", "overlays"] {
        let path = folder.join(part);
        if path.exists() {
            fs::remove_dir_all(path).with_context(describe)?;
        }
    }
    fs::create_dir_all(folder).with_context(describe)?;
    fs::write(
        marker,
        "made by `nnunet demo`, which empties this folder when it runs again\n",
    )
    .with_context(describe)
}
