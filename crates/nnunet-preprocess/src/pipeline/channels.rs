//! What the plans say of each channel and of resampling.

use std::sync::Arc;

use nnunet_schema::plans::{NormalizationScheme, ResamplingArguments, ResamplingFunction};
use nnunet_schema::{Configuration, IntensityProperties, Plans, Spacing};

use crate::PreprocessError;
use crate::normalize::{Normalizer, Normalizers, Region};
use crate::resample::ResampleMethod;

/// How one channel is normalised.
#[derive(Clone, Debug)]
pub(super) struct ChannelRule {
    pub(super) scheme: String,
    pub(super) normalizer: Arc<dyn Normalizer>,
    pub(super) region: Region,
    pub(super) intensities: Option<IntensityProperties>,
}

/// A resampling function with its arguments.
#[derive(Clone, Debug)]
pub(super) struct ResamplingRule {
    pub(super) function: ResamplingFunction,
    arguments: ResamplingArguments,
}

impl ResamplingRule {
    /// How it resamples from one spacing to another.
    pub(super) fn method(
        &self,
        current: Spacing,
        new: Spacing,
    ) -> Result<ResampleMethod, PreprocessError> {
        ResampleMethod::planned(self.function, current, new, &self.arguments)
    }
}

/// The rules for images and for labels, if they are such that can be carried out.
pub(super) fn resampling_rules(
    name: &str,
    configuration: &Configuration,
) -> Result<[ResamplingRule; 2], PreprocessError> {
    let fail = |key: &str, problem| PreprocessError::Configuration {
        configuration: name.to_owned(),
        key: key.to_owned(),
        problem,
    };
    let rule = |key, function: &str, arguments: &ResamplingArguments| {
        let known = ResamplingFunction::from_name(function)
            .map_err(|unknown| fail(key, unknown.to_string()))?;
        let rule = ResamplingRule {
            function: known,
            arguments: arguments.clone(),
        };
        // Any spacing will do: what is checked are the orders.
        rule.method(Spacing::ISOTROPIC_1MM, Spacing::ISOTROPIC_1MM)?;
        Ok::<_, PreprocessError>(rule)
    };
    let Configuration {
        resampling_fn_data: data,
        resampling_fn_data_kwargs: data_arguments,
        resampling_fn_seg: seg,
        resampling_fn_seg_kwargs: seg_arguments,
        ..
    } = configuration;
    let rules = [
        rule("resampling_fn_data", data, data_arguments)?,
        rule("resampling_fn_seg", seg, seg_arguments)?,
    ];
    let keeps = rules
        .each_ref()
        .map(|rule| rule.function == ResamplingFunction::Keep);
    if keeps[0] != keeps[1] {
        let problem = format!(
            "is `{seg}`, but `resampling_fn_data` is `{data}`: images and labels must keep their \
             voxels both or neither"
        );
        return Err(fail("resampling_fn_seg", problem));
    }
    Ok(rules)
}

/// One rule per channel.
pub(super) fn channel_rules(
    plans: &Plans,
    name: &str,
    configuration: &Configuration,
    normalizers: &Normalizers,
) -> Result<Vec<ChannelRule>, PreprocessError> {
    let fail = |key: &str, problem: String| PreprocessError::Configuration {
        configuration: name.to_owned(),
        key: key.to_owned(),
        problem,
    };
    let schemes = &configuration.normalization_schemes;
    let masks = &configuration.use_mask_for_norm;
    if schemes.len() != masks.len() {
        let problem = format!("has {} entries, expected {}", masks.len(), schemes.len());
        return Err(fail("use_mask_for_norm", problem));
    }
    let rule = |(channel, (scheme, masked)): (usize, (&NormalizationScheme, &bool))| {
        let normalizer = normalizers.get(scheme).ok_or_else(|| {
            let known = normalizers.names().join(", ");
            let scheme = String::from(scheme.clone());
            let problem = format!("is `{scheme}`, expected one of {known}");
            fail(&format!("normalization_schemes[{channel}]"), problem)
        })?;
        let intensities = &plans.foreground_intensity_properties_per_channel;
        Ok(ChannelRule {
            scheme: scheme.clone().into(),
            normalizer: Arc::clone(normalizer),
            region: if *masked {
                Region::Nonzero
            } else {
                Region::WholeImage
            },
            intensities: intensities.get(&channel.to_string()).copied(),
        })
    };
    schemes.iter().zip(masks).enumerate().map(rule).collect()
}
