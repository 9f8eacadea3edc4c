//! The designs of all configurations of one dataset.

use nnunet_schema::plans::PlanningNote;

use crate::assignment::Assignment;
use crate::batch::BatchReason;
use crate::cascade::find_lowres;
use crate::facts::{DatasetFacts, MedianCase};
use crate::memory::Channels;
use crate::outcome::LowresSearch;
use crate::overrides::{CheckedOverrides, check_patch, refuse_volume_patch};
use crate::search::{Design, StepLimit};
use crate::{Budget, CaseCount, DimensionRules, PlanError, ResampledShapes, Rules};

pub(crate) const SLICES: &str = "2d";
pub(crate) const LOWRES: &str = "3d_lowres";
pub(crate) const FULLRES: &str = "3d_fullres";

/// The designs of a dataset, and what to say of them.
#[derive(Debug)]
pub(crate) struct Designs {
    pub(crate) slices: Option<Design<2>>,
    pub(crate) lowres: Option<Design<3>>,
    pub(crate) lowres_search: Option<LowresSearch>,
    pub(crate) fullres: Option<Design<3>>,
    pub(crate) notes: Vec<PlanningNote>,
}

/// Everything that the designs of one dataset share.
#[derive(Debug)]
pub(crate) struct Designer<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) facts: &'a DatasetFacts,
    pub(crate) budget: &'a Budget,
    pub(crate) overrides: CheckedOverrides,
}

impl Designer<'_> {
    /// Designs `2d`, `3d_fullres` unless the cases are single slices, and `3d_lowres` where the
    /// rules ask for it.
    pub(crate) fn design_all(&self) -> Result<Designs, PlanError> {
        let mut limit = StepLimit::new();
        let single_slices = self.facts.volumes.shape[0] == 1.0;
        if let (true, Some(patch)) = (single_slices, self.overrides.patch_3d) {
            return Err(refuse_volume_patch(patch));
        }
        let slices = self.design_slices(&mut limit);
        let fullres = if single_slices {
            None
        } else {
            Some(self.design_volumes(FULLRES, &self.facts.volumes, &mut limit))
        };
        self.collect(slices, fullres, &mut limit)
    }

    /// Keeps what could be designed. A dimensionality whose cases are too small for a U-Net is
    /// left out, with a note, as long as the other remains.
    fn collect(
        &self,
        slices: Result<Design<2>, PlanError>,
        fullres: Option<Result<Design<3>, PlanError>>,
        limit: &mut StepLimit,
    ) -> Result<Designs, PlanError> {
        let mut notes = Vec::new();
        let (slices, fullres) = match (slices, fullres) {
            (slices, None) => (Some(slices?), None),
            (Err(error @ PlanError::TooSmall { .. }), Some(Ok(fullres)))
                if self.overrides.patch_2d.is_none() =>
            {
                notes.push(note(SLICES, format!("left out: {error}")));
                (None, Some(fullres))
            }
            (Ok(slices), Some(Err(error @ PlanError::TooSmall { .. })))
                if self.overrides.patch_3d.is_none() =>
            {
                notes.push(note(FULLRES, format!("left out: {error}")));
                (Some(slices), None)
            }
            (slices, Some(fullres)) => (Some(slices?), Some(fullres?)),
        };
        let (lowres, lowres_search) = match &fullres {
            Some(fullres) => {
                let (lowres, search) = self.find_lowres(fullres, limit)?;
                (lowres, Some(search))
            }
            None => (None, None),
        };
        notes.extend(slices.as_ref().and_then(|d| small_batch_note(SLICES, d)));
        notes.extend(lowres.as_ref().and_then(|d| small_batch_note(LOWRES, d)));
        notes.extend(fullres.as_ref().and_then(|d| small_batch_note(FULLRES, d)));
        Ok(Designs {
            slices,
            lowres,
            lowres_search,
            fullres,
            notes,
        })
    }

    fn design_slices(&self, limit: &mut StepLimit) -> Result<Design<2>, PlanError> {
        let case = &self.facts.slices;
        let [depth, height, width] = case.shape;
        let [_, y, x] = case.spacing;
        let median = [height, width];
        self.check_patch(self.overrides.patch_2d.as_ref(), &median)?;
        let voxels_per_case = match self.rules.case_count {
            CaseCount::Fingerprint => depth * height * width,
            CaseCount::Description => self.facts.volumes.volume(),
        };
        Assignment {
            configuration: SLICES,
            rules: self.rules,
            dimension: &self.rules.two_d,
            spacing: [y, x],
            median,
            dataset_voxels: voxels_per_case * self.facts.cases as f64,
            channels: self.channels(&self.rules.two_d),
            gpu_memory_gb: self.budget.gpu_memory_gb,
            patch: self.overrides.patch_2d,
            batch_size: self.overrides.batch_size,
        }
        .design(limit)
    }

    fn design_volumes(
        &self,
        configuration: &'static str,
        case: &MedianCase,
        limit: &mut StepLimit,
    ) -> Result<Design<3>, PlanError> {
        let median = case.shape;
        self.check_patch(self.overrides.patch_3d.as_ref(), &median)?;
        let voxels_per_case = match self.rules.resampled_shapes {
            ResampledShapes::Exact => median.iter().product(),
            ResampledShapes::Whole => case.volume(),
        };
        Assignment {
            configuration,
            rules: self.rules,
            dimension: &self.rules.three_d,
            spacing: case.spacing,
            median,
            dataset_voxels: voxels_per_case * self.facts.cases as f64,
            channels: self.channels(&self.rules.three_d),
            gpu_memory_gb: self.budget.gpu_memory_gb,
            patch: self.overrides.patch_3d,
            batch_size: self.overrides.batch_size,
        }
        .design(limit)
    }

    fn find_lowres(
        &self,
        fullres: &Design<3>,
        limit: &mut StepLimit,
    ) -> Result<(Option<Design<3>>, LowresSearch), PlanError> {
        find_lowres(
            self.rules,
            &self.facts.volumes,
            fullres.topology.patch,
            |case| {
                limit.take(LOWRES, &case.shape.map(|edge| edge as usize))?;
                self.design_volumes(LOWRES, case, limit)
            },
        )
    }

    fn check_patch<const N: usize>(
        &self,
        patch: Option<&[usize; N]>,
        median: &[f64; N],
    ) -> Result<(), PlanError> {
        patch.map_or(Ok(()), |patch| check_patch(self.rules, patch, median))
    }

    fn channels(&self, dimension: &DimensionRules) -> Channels {
        Channels {
            ends: self.facts.ends,
            base_features: (self.overrides.base_features).unwrap_or(self.rules.base_features),
            feature_cap: dimension.feature_cap,
        }
    }
}

fn small_batch_note<const N: usize>(
    configuration: &str,
    design: &Design<N>,
) -> Option<PlanningNote> {
    (design.batch.reason == BatchReason::BelowMinimum).then(|| {
        let patch = design.topology.patch;
        note(
            configuration,
            format!(
                "a patch of {patch:?} voxels leaves memory for a batch of {} only",
                design.batch.chosen
            ),
        )
    })
}

fn note(configuration: &str, note: String) -> PlanningNote {
    PlanningNote {
        configuration: configuration.to_owned(),
        note,
    }
}
