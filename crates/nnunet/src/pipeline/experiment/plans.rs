//! The plans of a variant.

use nnunet_planner::{Encoder, Planner, Rules};
use nnunet_schema::{DatasetId, Plans, layout};
use serde_json::Value;

use super::{EncoderChoice, Experiment, NormChoice, Variant};
use crate::pipeline::{Existing, Pipeline, PipelineError};

impl Pipeline {
    /// Makes the plans of a variant, if they are not there; their name.
    ///
    /// Preprocessed cases are shared with the plans of the method, which differ in the network
    /// alone.
    pub(super) fn plan_variant(
        &self,
        experiment: &Experiment,
        variant: &Variant,
        dataset: &str,
    ) -> Result<String, PipelineError> {
        let rules = rules(experiment, variant)?;
        let name = rules.plans_name.clone();
        let path = self.layout.plans(dataset, &name);
        if path.exists() {
            let found = Plans::load(&path)?;
            let is_same = found.planning.is_some_and(|planning| {
                planning.rules == rules.set && planning.overrides == experiment.planning
            });
            return match is_same {
                true => Ok(name),
                false => Err(PipelineError::OtherPlans { path }),
            };
        }
        let id = DatasetId::Name(dataset.to_owned());
        let description = self.description(dataset)?;
        let fingerprint = self.fingerprint(&id, rules.set.into(), Existing::Keep)?;
        let budget = rules.reference_budget();
        let outcome = Planner::new(rules).plan_with_searches(
            &fingerprint,
            &description,
            dataset,
            &budget,
            &experiment.planning,
        )?;
        let mut plans = outcome.plans;
        if variant.norm == NormChoice::Batch {
            normalise_over_the_batch(&mut plans);
        }
        let folder = self.layout.preprocessed_dataset(dataset);
        description.save(&layout::dataset_json(&folder))?;
        self.adopt_splits(dataset)?;
        // Last: where the plans are, everything is.
        plans.save(&path)?;
        Ok(name)
    }
}

fn rules(experiment: &Experiment, variant: &Variant) -> Result<Rules, PipelineError> {
    let mut rules = Rules::of(experiment.rules)?;
    let suffix = variant.plans_suffix();
    if suffix.is_empty() {
        return Ok(rules);
    }
    if rules.shared_data_plans.is_none() {
        rules.shared_data_plans = Some(rules.plans_name.clone());
    }
    rules.plans_name.push_str(&suffix);
    if variant.encoder == EncoderChoice::Residual {
        let published = Rules::resenc_m();
        rules.encoder = Encoder::Residual;
        rules.encoder_depths = published.encoder_depths;
        rules.decoder_convolutions = published.decoder_convolutions;
    }
    if let Some(convolutions) = variant.convolutions {
        rules.encoder_depths = vec![convolutions];
        rules.decoder_convolutions = convolutions;
    }
    Ok(rules)
}

/// Replaces the instance norms of all configurations by batch norms.
fn normalise_over_the_batch(plans: &mut Plans) {
    let architectures = plans.configurations.values_mut();
    for architecture in architectures.filter_map(|c| c.get_mut("architecture")) {
        if let Some(Value::String(name)) = architecture.pointer_mut("/arch_kwargs/norm_op") {
            *name = name.replace("instancenorm.InstanceNorm", "batchnorm.BatchNorm");
        }
    }
}
