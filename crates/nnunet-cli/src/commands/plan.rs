use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::bail;
use nnunet::pipeline::{PlanRequest, plan_quantities};
use nnunet::planner::draw::{Drawing, compact, svg};
use nnunet::planner::{Budget, PlanOutcome, Planner, Precision, Rules, Severity, check, footprint};
use nnunet::schema::plans::{PlanOverrides, TranspositionChoice};
use nnunet::schema::{
    Configuration, DatasetDescription, DatasetFingerprint, DatasetId, Plans, RuleSet, Spacing,
    atomic, layout,
};
use serde_json::{Map, Value, json};

use crate::args::{ExplainFormat, JsonArgs, PlanArgs, PlanningArgs, RulesChoice};
use crate::context::{Context, Need};
use crate::{Outcome, output};

/// What plans are called that are made without a dataset folder.
const UNNAMED: &str = "Dataset000_Unnamed";

pub(crate) fn run(context: &Context, args: &PlanArgs) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.check {
        return check_file(path, &args.json);
    }
    let request = request(&args.planning, args.plans.as_deref())?;
    let made = match (&args.dataset, &args.fingerprint, &args.dataset_json) {
        (Some(id), _, _) => plan_dataset(context, id, args, &request)?,
        (None, Some(fingerprint), Some(description)) => {
            plan_files(fingerprint, description, args, &request)?
        }
        _ => bail!("name a dataset, or give --fingerprint and --dataset-json"),
    };
    if args.json.json {
        output::document(&document(&made, args)?)?;
    } else {
        report(&made, args)?;
    }
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
        for drawn in draw(made, folder)? {
            output::line(format!("\n{}\n{}", drawn.configuration, drawn.stages));
            output::line(format!("drawing: {}", drawn.path.display()));
        }
    }
    if let Some(path) = &made.path {
        output::line(format!("plans: {}", path.display()));
    }
    Ok(())
}

/// The plan for programs.
fn document(made: &Made, args: &PlanArgs) -> anyhow::Result<Value> {
    let plans = &made.outcome.plans;
    let heads = made.description.label_scheme()?.segmentation_heads();
    let mut configurations = Map::new();
    for name in plans.configuration_names() {
        let configuration = plans.configuration(name)?;
        let channels = input_channels(&configuration, &made.description)?;
        let needs = footprint(&configuration, channels, heads, Precision::Mixed);
        let planned = json!({
            "spacing": configuration.spacing,
            "median_shape": configuration.median_image_size_in_voxels,
            "patch_size": configuration.patch_size,
            "batch_size": configuration.batch_size,
            "features": configuration.architecture.arch_kwargs.features_per_stage,
            "strides": configuration.architecture.arch_kwargs.strides,
            "kernels": configuration.architecture.arch_kwargs.kernel_sizes,
            "normalization": configuration.normalization_schemes,
            "previous_stage": configuration.previous_stage,
            "parameters": needs.parameters,
            "training_bytes": needs.training_bytes,
            "inference_bytes": needs.inference_bytes,
        });
        configurations.insert(name.to_owned(), planned);
    }
    let drawings = match &args.draw {
        Some(folder) => draw(made, folder)?,
        None => Vec::new(),
    };
    let notes = plans.planning.iter().flat_map(|planning| &planning.notes);
    Ok(json!({
        "dataset": plans.dataset_name,
        "plans": plans.plans_name,
        "file": made.path,
        "configurations": configurations,
        "notes": notes
            .map(|note| json!({ "configuration": note.configuration, "message": note.note }))
            .collect::<Vec<_>>(),
        "drawings": drawings.into_iter().map(|drawn| drawn.path).collect::<Vec<_>>(),
    }))
}

/// The picture of a network.
struct Drawn {
    configuration: String,
    path: PathBuf,
    /// Its stages in short.
    stages: String,
}

/// Draws each configuration.
fn draw(made: &Made, folder: &Path) -> anyhow::Result<Vec<Drawn>> {
    let plans = &made.outcome.plans;
    let heads = made.description.label_scheme()?.segmentation_heads();
    let mut drawn = Vec::new();
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
        drawn.push(Drawn {
            configuration: name.to_owned(),
            path,
            stages: compact(&configuration).to_string(),
        });
    }
    Ok(drawn)
}

/// The findings of plans that were edited by hand.
fn check_file(path: &Path, json: &JsonArgs) -> anyhow::Result<Outcome> {
    let plans = Plans::load(path)?;
    let findings = check(&plans);
    let errors = (findings.iter())
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    let warnings = findings.len() - errors;
    if json.json {
        let findings = findings.iter().map(|finding| {
            json!({
                "severity": finding.severity.to_string(),
                "configuration": finding.configuration,
                "place": finding.place,
                "message": finding.message,
            })
        });
        output::document(&json!({
            "file": path,
            "usable": errors == 0,
            "errors": errors,
            "warnings": warnings,
            "findings": findings.collect::<Vec<_>>(),
        }))?;
    } else {
        findings.iter().for_each(output::line);
        output::line(format!(
            "{}: {errors} errors, {warnings} warnings",
            path.display()
        ));
    }
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
    for (what, values) in plan_quantities(plans, description)? {
        table.add_row(std::iter::once(what).chain(values));
    }
    Ok(table)
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
