use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use nnunet::pipeline::PlanRequest;
use nnunet::planner::draw::{Drawing, compact, svg};
use nnunet::planner::{
    Budget, Footprint, PlanOutcome, Planner, Precision, Rules, Severity, check, footprint,
};
use nnunet::schema::plans::{PlanOverrides, TranspositionChoice};
use nnunet::schema::{
    Configuration, DatasetDescription, DatasetFingerprint, DatasetId, Plans, RuleSet, Spacing,
    atomic, layout,
};

use crate::args::{ExplainFormat, PlanArgs, PlanningArgs, RulesChoice};
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// What plans are called that are made without a dataset folder.
const UNNAMED: &str = "Dataset000_Unnamed";

pub(crate) fn run(context: &Context, args: &PlanArgs) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.check {
        return check_file(path);
    }
    let request = request(&args.planning, args.plans.as_deref())?;
    let made = match (&args.dataset, &args.fingerprint, &args.dataset_json) {
        (Some(id), _, _) => plan_dataset(context, id, args, &request)?,
        (None, Some(fingerprint), Some(description)) => {
            plan_files(fingerprint, description, args, &request)?
        }
        _ => bail!("name a dataset, or give --fingerprint and --dataset-json"),
    };
    report(&made, args)?;
    Ok(Outcome::Complete)
}

/// Plans, and what else is known of the dataset.
struct Made {
    outcome: PlanOutcome,
    description: DatasetDescription,
    /// Where the plans were written.
    path: Option<PathBuf>,
}

/// What these options ask of the planner, for plans of this name.
pub(crate) fn request(args: &PlanningArgs, plans: Option<&str>) -> anyhow::Result<PlanRequest> {
    let mut rules = Rules::of(args.rules.unwrap_or(RulesChoice::Paper).into())?;
    if let Some(name) = plans {
        name.clone_into(&mut rules.plans_name);
    }
    let mut request = PlanRequest::by(rules);
    if let Some(gpu_memory_gb) = args.gpu_memory {
        request.budget = Budget { gpu_memory_gb };
    }
    let target_spacing = match args.target_spacing.as_deref() {
        None => None,
        Some(&[z, y, x]) => Some(Spacing::new([z, y, x])?),
        Some(other) => bail!(
            "--target-spacing has {} numbers, expected three: z,y,x in millimetres",
            other.len()
        ),
    };
    request.overrides = PlanOverrides {
        base_features: args.base_features,
        batch_size: args.batch_size,
        patch_size: args.patch_size.clone(),
        target_spacing,
        transposition: if args.suppress_transpose {
            TranspositionChoice::AsInFiles
        } else {
            TranspositionChoice::CoarsestFirst
        },
    };
    Ok(request)
}

fn plan_dataset(
    context: &Context,
    id: &DatasetId,
    args: &PlanArgs,
    request: &PlanRequest,
) -> anyhow::Result<Made> {
    let pipeline = context.pipeline(Need::RawAndPreprocessed)?;
    let outcome = pipeline.plan(id, request)?;
    let plans = &outcome.plans;
    let path = (pipeline.layout).plans(&plans.dataset_name, &plans.plans_name);
    if let Some(copy) = &args.output {
        plans.save(copy)?;
    }
    let folder = pipeline.layout.preprocessed_dataset(&plans.dataset_name);
    Ok(Made {
        description: DatasetDescription::load(&layout::dataset_json(&folder))?,
        outcome,
        path: Some(path),
    })
}

/// Plans from two files alone.
fn plan_files(
    fingerprint: &Path,
    description: &Path,
    args: &PlanArgs,
    request: &PlanRequest,
) -> anyhow::Result<Made> {
    let facts = DatasetFingerprint::load(fingerprint)?;
    let description = DatasetDescription::load(description)?;
    let outcome = Planner::new(request.rules.clone()).plan_with_searches(
        &facts,
        &description,
        &dataset_name(fingerprint),
        &request.budget,
        &request.overrides,
    )?;
    if let Some(path) = &args.output {
        outcome.plans.save(path)?;
    }
    Ok(Made {
        outcome,
        description,
        path: args.output.clone(),
    })
}

/// The name of the folder that a fingerprint lies in, if that is a dataset's.
fn dataset_name(fingerprint: &Path) -> String {
    let folder = fingerprint.canonicalize().ok();
    let folder = folder.as_deref().and_then(Path::parent);
    (folder.and_then(Path::file_name))
        .and_then(|name| name.to_str())
        .filter(|name| name.starts_with("Dataset"))
        .unwrap_or(UNNAMED)
        .to_owned()
}

fn report(made: &Made, args: &PlanArgs) -> anyhow::Result<()> {
    let plans = &made.outcome.plans;
    match args.explain {
        None => output::line(describe(plans, &made.description)?),
        Some(ExplainFormat::Text) => output::line(made.outcome.explain()?),
        Some(ExplainFormat::Json) => {
            let text = serde_json::to_string_pretty(&made.outcome.explain()?)?;
            output::line(text);
            return Ok(());
        }
    }
    for note in plans.planning.iter().flat_map(|planning| &planning.notes) {
        output::line(format!("note: {}: {}", note.configuration, note.note));
    }
    if let Some(folder) = &args.draw {
        draw(made, folder)?;
    }
    if let Some(path) = &made.path {
        output::line(format!("plans: {}", path.display()));
    }
    Ok(())
}

/// Draws each configuration and prints its stages in short.
fn draw(made: &Made, folder: &Path) -> anyhow::Result<()> {
    let plans = &made.outcome.plans;
    let heads = made.description.label_scheme()?.segmentation_heads();
    for name in plans.configuration_names() {
        let configuration = plans.configuration(name)?;
        let drawing = Drawing {
            dataset: &plans.dataset_name,
            name,
            configuration: &configuration,
            input_channels: input_channels(&configuration, &made.description)?,
            output_channels: heads,
        };
        let path = folder.join(format!("{}_{name}.svg", plans.plans_name));
        atomic::write_with(&path, |file| file.write_all(svg(&drawing).as_bytes()))?;
        output::line(format!("\n{name}\n{}", compact(&configuration)));
        output::line(format!("drawing: {}", path.display()));
    }
    Ok(())
}

/// One line per finding of plans that were edited by hand.
fn check_file(path: &Path) -> anyhow::Result<Outcome> {
    let plans = Plans::load(path)?;
    let findings = check(&plans);
    for finding in &findings {
        output::line(finding);
    }
    let errors = (findings.iter())
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    let warnings = findings.len() - errors;
    output::line(format!(
        "{}: {errors} errors, {warnings} warnings",
        path.display()
    ));
    if errors > 0 {
        bail!("{} cannot be followed", path.display());
    }
    Ok(Outcome::Complete)
}

impl From<RulesChoice> for RuleSet {
    fn from(choice: RulesChoice) -> Self {
        match choice {
            RulesChoice::Paper => Self::Paper,
            RulesChoice::V2 => Self::V2,
            RulesChoice::ResencM => Self::ResencM,
            RulesChoice::ResencL => Self::ResencL,
            RulesChoice::ResencXl => Self::ResencXl,
        }
    }
}

/// The decisions of a plan, a column per configuration.
pub(crate) fn describe(
    plans: &Plans,
    description: &DatasetDescription,
) -> anyhow::Result<comfy_table::Table> {
    let names = plans.configuration_names();
    let mut heads = vec![""];
    heads.extend(&names);
    let mut table = output::table(&heads);
    let configurations = (names.iter())
        .map(|name| plans.configuration(name))
        .collect::<Result<Vec<_>, _>>()?;
    for (what, show) in ROWS {
        let mut row = vec![(*what).to_owned()];
        row.extend(configurations.iter().map(show));
        table.add_row(row);
    }
    let footprints = (configurations.iter())
        .map(|configuration| needs(configuration, description))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for (what, show) in FOOTPRINT_ROWS {
        let mut row = vec![(*what).to_owned()];
        row.extend(footprints.iter().map(show));
        table.add_row(row);
    }
    Ok(table)
}

/// What the network of a configuration needs at the very least, in mixed precision.
fn needs(
    configuration: &Configuration,
    description: &DatasetDescription,
) -> anyhow::Result<Footprint> {
    let heads = description.label_scheme()?.segmentation_heads();
    let channels = input_channels(configuration, description)?;
    Ok(footprint(configuration, channels, heads, Precision::Mixed))
}

fn input_channels(
    configuration: &Configuration,
    description: &DatasetDescription,
) -> anyhow::Result<usize> {
    let before = match configuration.previous_stage {
        // One per label that the stage before found.
        Some(_) => description.label_scheme()?.foreground_labels().len(),
        None => 0,
    };
    Ok(description.channels() + before)
}

type ShowFootprint = fn(&Footprint) -> String;

const FOOTPRINT_ROWS: &[(&str, ShowFootprint)] = &[
    ("parameters (million)", |f| {
        format!("{:.2}", f.parameters as f64 / 1e6)
    }),
    ("training needs more than (GB)", |f| {
        gigabytes(f.training_bytes)
    }),
    ("inference needs more than (GB)", |f| {
        gigabytes(f.inference_bytes)
    }),
];

fn gigabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 / 1e9)
}

type Show = fn(&Configuration) -> String;

const ROWS: &[(&str, Show)] = &[
    ("target spacing (mm)", |c| {
        join(c.spacing.iter().map(|v| format!("{v:.4}")))
    }),
    ("median shape", |c| join(&c.median_image_size_in_voxels)),
    ("patch size", |c| join(&c.patch_size)),
    ("batch size", |c| c.batch_size.to_string()),
    ("features", |c| {
        join(&c.architecture.arch_kwargs.features_per_stage)
    }),
    ("strides", |c| {
        join(c.architecture.arch_kwargs.strides.iter().map(|s| digits(s)))
    }),
    ("kernels", |c| {
        join(
            c.architecture
                .arch_kwargs
                .kernel_sizes
                .iter()
                .map(|s| digits(s)),
        )
    }),
    ("normalisation", |c| {
        join((c.normalization_schemes.iter()).map(|s| String::from(s.clone())))
    }),
];

fn join<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = values.into_iter().map(|v| v.to_string()).collect();
    texts.join(" ")
}

/// `[1, 2, 2]` as `122`, the way the paper writes strides and kernels.
fn digits(values: &[usize]) -> String {
    values.iter().map(usize::to_string).collect()
}
