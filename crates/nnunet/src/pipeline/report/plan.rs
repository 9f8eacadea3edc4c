//! The plan, why it is so, and what its networks look like.

use nnunet_planner::draw::{Drawing, compact, svg};
use nnunet_planner::{Footprint, Planner, Precision, footprint};
use nnunet_report::data::{self, Fact, Part, Reasons};
use nnunet_schema::{Configuration, DatasetDescription, DatasetFingerprint, Plans, SchemaError};

use super::{Sources, described};
use crate::pipeline::graph::GraphRequest;
use crate::pipeline::graph::Planning;

impl Sources<'_> {
    pub(super) fn plan(&self) -> Part<data::Plan> {
        let read = || -> Result<data::Plan, String> {
            let (plans, description) = (described(&self.plans)?, described(&self.description)?);
            let quantities = plan_quantities(plans, description).map_err(|e| e.to_string())?;
            let names = plans.configuration_names();
            Ok(data::Plan {
                name: plans.plans_name.clone(),
                made_by: made_by(plans),
                notes: (plans.planning.iter().flat_map(|record| &record.notes))
                    .map(|note| format!("{}: {}", note.configuration, note.note))
                    .collect(),
                configurations: names.iter().map(|name| (*name).to_owned()).collect(),
                quantities,
                reasons: self.reasons(plans, description).into(),
                drawings: drawings(plans, description).map_err(|e| e.to_string())?,
            })
        };
        read().into()
    }

    /// The planner asked once more, as the plans say that it was asked.
    fn reasons(
        &self,
        plans: &Plans,
        description: &DatasetDescription,
    ) -> Result<Vec<Reasons>, String> {
        let request = GraphRequest {
            planning: Planning::AsFound {
                plans_name: plans.plans_name.clone(),
            },
            ..GraphRequest::new(self.request.dataset.clone())
        };
        let asked = (request.plan_request(Some(plans))).map_err(|error| error.to_string())?;
        let asked = asked.ok_or(
            "Another program made these plans, or they do not say how they were made: their reasons \
             are not known.",
        )?;
        let path = self.pipeline.layout.fingerprint(&self.dataset);
        let fingerprint = DatasetFingerprint::load(&path).map_err(|error| error.to_string())?;
        let outcome = Planner::new(asked.rules)
            .plan_with_searches(
                &fingerprint,
                description,
                &self.dataset,
                &asked.budget,
                &asked.overrides,
            )
            .map_err(|error| error.to_string())?;
        let is_same = (outcome.plans.configurations.iter())
            .all(|(name, planned)| plans.configurations.get(name) == Some(planned));
        if !is_same {
            return Err(
                "The planner would plan otherwise now: the plans were edited by hand, or the \
                 dataset has changed since. Their reasons are not known."
                    .to_owned(),
            );
        }
        let explanation = outcome.explain().map_err(|error| error.to_string())?;
        let mut groups = vec![Reasons {
            about: "All configurations".to_owned(),
            decisions: explanation.dataset.iter().map(decision).collect(),
        }];
        groups.extend(explanation.configurations.iter().map(|one| Reasons {
            about: one.name.clone(),
            decisions: one.decisions.iter().map(decision).collect(),
        }));
        Ok(groups)
    }
}

fn decision(decision: &nnunet_planner::explain::Decision) -> data::Decision {
    data::Decision {
        subject: decision.subject.to_string(),
        value: decision.value_text(),
        rule: decision.rule.clone(),
        source: decision.source.to_owned(),
        inputs: (decision.inputs.iter())
            .map(|input| Fact::new(input.name, input.value_text()))
            .collect(),
    }
}

fn made_by(plans: &Plans) -> Vec<Fact> {
    let Some(record) = &plans.planning else {
        return vec![Fact::new("planner", &plans.experiment_planner_used)];
    };
    let overrides = &record.overrides;
    let mut facts = vec![
        Fact::new("rules", record.rules.to_string()),
        Fact::new("GPU memory", format!("{} GB", record.gpu_memory_gb)),
    ];
    let mut fixed = Vec::new();
    if let Some(features) = overrides.base_features {
        fixed.push(format!("base features {features}"));
    }
    if let Some(size) = overrides.batch_size {
        fixed.push(format!("batch size {size}"));
    }
    if let Some(patch) = &overrides.patch_size {
        fixed.push(format!("patch size {}", joined(patch, " × ")));
    }
    if let Some(spacing) = &overrides.target_spacing {
        fixed.push(format!(
            "target spacing {} mm",
            joined(&spacing.mm(), " × ")
        ));
    }
    if overrides.transposition.is_fixed() {
        fixed.push("order of the axes".to_owned());
    }
    if !fixed.is_empty() {
        facts.push(Fact::new("fixed by hand", fixed.join(", ")));
    }
    facts
}

fn drawings(
    plans: &Plans,
    description: &DatasetDescription,
) -> Result<Vec<data::Drawing>, SchemaError> {
    let heads = description.label_scheme()?.segmentation_heads();
    let draw = |name: &str| {
        let configuration = plans.configuration(name)?;
        let drawing = Drawing {
            dataset: &plans.dataset_name,
            name,
            configuration: &configuration,
            input_channels: input_channels(&configuration, description)?,
            output_channels: heads,
        };
        Ok(data::Drawing {
            configuration: name.to_owned(),
            svg: svg(&drawing),
            description: compact(&configuration),
        })
    };
    plans.configuration_names().into_iter().map(draw).collect()
}

/// Channels that enter a network: those of the image, and one per label that the stage before found.
fn input_channels(
    configuration: &Configuration,
    description: &DatasetDescription,
) -> Result<usize, SchemaError> {
    let before = match configuration.previous_stage {
        Some(_) => description.label_scheme()?.foreground_labels().len(),
        None => 0,
    };
    Ok(description.channels() + before)
}

/// What the configurations of plans are, in a few rows for people: the name of each with a value
/// per configuration, in the order of [`Plans::configuration_names`]. Memory is the least that a
/// network takes in mixed precision.
///
/// # Errors
/// If a configuration cannot be resolved or the labels contradict each other.
pub fn plan_quantities(
    plans: &Plans,
    description: &DatasetDescription,
) -> Result<Vec<(String, Vec<String>)>, SchemaError> {
    let heads = description.label_scheme()?.segmentation_heads();
    let mut configurations = Vec::new();
    let mut footprints = Vec::new();
    for name in plans.configuration_names() {
        let configuration = plans.configuration(name)?;
        let channels = input_channels(&configuration, description)?;
        footprints.push(footprint(&configuration, channels, heads, Precision::Mixed));
        configurations.push(configuration);
    }
    let mut rows: Vec<(String, Vec<String>)> = (ROWS.iter())
        .map(|(what, show)| {
            (
                (*what).to_owned(),
                configurations.iter().map(show).collect(),
            )
        })
        .collect();
    rows.extend(
        (FOOTPRINT_ROWS.iter())
            .map(|(what, show)| ((*what).to_owned(), footprints.iter().map(show).collect())),
    );
    Ok(rows)
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
        let texts: Vec<String> = c.spacing.iter().map(|v| format!("{v:.4}")).collect();
        joined(&texts, " ")
    }),
    ("median shape", |c| {
        joined(&c.median_image_size_in_voxels, " ")
    }),
    ("patch size", |c| joined(&c.patch_size, " ")),
    ("batch size", |c| c.batch_size.to_string()),
    ("features", |c| {
        joined(&c.architecture.arch_kwargs.features_per_stage, " ")
    }),
    ("strides", |c| {
        per_stage(&c.architecture.arch_kwargs.strides)
    }),
    ("kernels", |c| {
        per_stage(&c.architecture.arch_kwargs.kernel_sizes)
    }),
    ("normalisation", |c| {
        let names = c.normalization_schemes.iter().cloned();
        joined(&names.map(String::from).collect::<Vec<_>>(), " ")
    }),
];

/// `[[1, 2, 2], [2, 2, 2]]` as `122 222`, the way the paper writes strides and kernels.
fn per_stage(stages: &[Vec<usize>]) -> String {
    let digits = stages.iter().map(|stage| joined(stage, ""));
    joined(&digits.collect::<Vec<_>>(), " ")
}

fn joined<T: ToString>(values: &[T], between: &str) -> String {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(between)
}
