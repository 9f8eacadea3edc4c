//! What the plans say of each channel and of resampling.

use std::sync::Arc;

use nnunet_schema::plans::NormalizationScheme;
use nnunet_schema::{Configuration, IntensityProperties, Plans, Spacing};

use crate::PreprocessError;
use crate::normalize::{Normalizer, Normalizers, Region};
use crate::resample::ResampleMethod;

/// The resampling function of the plans that is implemented here.
const RESAMPLING_FUNCTION: &str = "resample_data_or_seg_to_shape";

/// How one channel is normalised.
#[derive(Clone, Debug)]
pub(super) struct ChannelRule {
    pub(super) scheme: String,
    pub(super) normalizer: Arc<dyn Normalizer>,
    pub(super) region: Region,
    pub(super) intensities: Option<IntensityProperties>,
}

/// Checks that the configuration's resampling is one that is implemented.
pub(super) fn check_resampling(
    name: &str,
    configuration: &Configuration,
) -> Result<(), PreprocessError> {
    let functions = [
        ("resampling_fn_data", &configuration.resampling_fn_data),
        ("resampling_fn_seg", &configuration.resampling_fn_seg),
    ];
    for (key, function) in functions {
        if function != RESAMPLING_FUNCTION {
            return Err(PreprocessError::Configuration {
                configuration: name.to_owned(),
                key: key.to_owned(),
                problem: format!("is `{function}`, expected `{RESAMPLING_FUNCTION}`"),
            });
        }
    }
    // Any spacing will do: what is checked are the orders.
    let any = Spacing::ISOTROPIC_1MM;
    ResampleMethod::new(any, any, &configuration.resampling_fn_data_kwargs)?;
    ResampleMethod::new(any, any, &configuration.resampling_fn_seg_kwargs)?;
    Ok(())
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
