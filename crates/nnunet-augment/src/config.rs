//! What a loader is told.

use nnunet_schema::{Configuration, Fold, Shape};
use serde::{Deserialize, Serialize};

use crate::setup::AugmentationSetup;
use crate::{AugmentError, Augmentation, output_divisors};

/// The share of a batch that need not hold foreground, in the published rule.
const FOREGROUND_SHARE: f64 = 0.33;

/// Which samples of a batch are centred on a foreground voxel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForegroundRule {
    /// The last ones of each batch, so many that about this share of all samples is: sample `j`
    /// of `B` is if `j ≥ round(B · (1 − share))`, half to even, and the last one in any case
    /// unless the share is 0. The method's rule has 0.33.
    Share(f64),
    /// Each with this probability.
    Probability(f64),
}

/// Where samples that need not hold foreground are cropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FreeCrops {
    /// Anywhere, all positions equally likely.
    Anywhere,
    /// Around an annotated voxel, for datasets with an ignore label.
    Annotated,
}

/// What is done to the samples of a loader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoaderMode {
    /// Crops of the initial patch size, augmented.
    Training(Augmentation),
    /// Crops of the final patch size, as they are.
    Validation,
}

/// What a [`BatchLoader`](crate::BatchLoader) makes.
#[derive(Clone, Debug, PartialEq)]
pub struct LoaderConfig {
    /// Training or validation.
    pub mode: LoaderMode,
    /// The patch and its geometry.
    pub setup: AugmentationSetup,
    /// Samples per batch.
    pub batch_size: usize,
    /// Which samples are centred on foreground.
    pub foreground: ForegroundRule,
    /// Where the others are cropped.
    pub free_crops: FreeCrops,
    /// By what the edges `(z, y, x)` of the patch are divided for each output of the network,
    /// highest resolution first.
    pub output_divisors: Vec<[usize; 3]>,
    /// The channels that are 0 outside the nonzero region (`use_mask_for_norm`); channels
    /// beyond the list are not.
    pub masked_channels: Vec<bool>,
    /// The labels of the previous stage of a cascade that become channels of the input, one each
    /// in this order, after those of the image; empty without a cascade.
    pub previous_labels: Vec<u16>,
    /// Seed of the training run.
    pub seed: u64,
    /// Fold that is trained.
    pub fold: Fold,
    /// Batches that may be finished or in the making before they are asked for, at least 1; four
    /// per thread if that is more.
    pub prefetch: usize,
    /// Bytes that these batches may take together; one batch is made however large it is.
    pub prefetch_bytes: usize,
}

impl LoaderConfig {
    /// A loader for patches of this setup, with the method's sampling, one output, no masked
    /// channels, no cascade, seed 0, fold 0 and four batches ahead (for each thread), at most 1 GiB of them; set
    /// the fields that differ.
    #[must_use]
    pub fn new(mode: LoaderMode, setup: AugmentationSetup, batch_size: usize) -> Self {
        Self {
            mode,
            setup,
            batch_size,
            foreground: ForegroundRule::Share(FOREGROUND_SHARE),
            free_crops: FreeCrops::Anywhere,
            output_divisors: vec![[1; 3]],
            masked_channels: Vec::new(),
            previous_labels: Vec::new(),
            seed: 0,
            fold: Fold::Number(0),
            prefetch: 4,
            prefetch_bytes: 1 << 30,
        }
    }

    /// A loader for a planned configuration: its patch, batch size, outputs and masks.
    #[must_use]
    pub fn for_configuration(mode: LoaderMode, configuration: &Configuration) -> Self {
        let setup = AugmentationSetup::for_configuration(configuration);
        Self {
            output_divisors: output_divisors(configuration),
            masked_channels: configuration.use_mask_for_norm.clone(),
            ..Self::new(mode, setup, configuration.batch_size)
        }
    }

    /// The patch that is cropped from a case.
    #[must_use]
    pub fn crop_shape(&self) -> Shape {
        match &self.mode {
            LoaderMode::Training(augmentation) if augmentation.is_spatial() => {
                self.setup.initial_patch
            }
            LoaderMode::Training(_) | LoaderMode::Validation => self.setup.patch,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`AugmentError::Setting`] that names the first one out of its range.
    pub fn check(&self) -> Result<(), AugmentError> {
        let patch = self.setup.patch;
        if patch.volume() == 0 {
            return Err(AugmentError::setting(
                "setup.patch",
                patch,
                "two or three edges of at least one voxel",
            ));
        }
        let initial = self.setup.initial_patch;
        if (0..3).any(|a| initial[a] < patch[a]) {
            return Err(AugmentError::setting(
                "setup.initial_patch",
                initial,
                "no edge shorter than the patch's",
            ));
        }
        if !(0.0..=std::f64::consts::TAU).contains(&self.setup.max_angle) {
            return Err(AugmentError::setting(
                "setup.max_angle",
                self.setup.max_angle,
                "an angle from 0 to 2π, in radians",
            ));
        }
        let (ForegroundRule::Share(share) | ForegroundRule::Probability(share)) = self.foreground;
        if !(0.0..=1.0).contains(&share) {
            return Err(AugmentError::setting(
                "foreground",
                share,
                "a number from 0 to 1",
            ));
        }
        for (setting, found) in [("batch_size", self.batch_size), ("prefetch", self.prefetch)] {
            if found == 0 {
                return Err(AugmentError::setting(setting, found, "at least 1"));
            }
        }
        if self.output_divisors.as_flattened().contains(&0) {
            let found = format!("{:?}", self.output_divisors);
            let expected = "numbers of at least 1";
            return Err(AugmentError::setting("output_divisors", found, expected));
        }
        if !self.previous_labels.iter().all(is_foreground) {
            return Err(AugmentError::setting(
                "previous_labels",
                format!("{:?}", self.previous_labels),
                "labels from 1 to 32767",
            ));
        }
        match &self.mode {
            LoaderMode::Training(augmentation) => augmentation.check(),
            LoaderMode::Validation => Ok(()),
        }
    }
}

fn is_foreground(label: &u16) -> bool {
    (1..=i16::MAX as u16).contains(label)
}
