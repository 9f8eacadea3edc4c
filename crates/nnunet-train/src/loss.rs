//! Dice and cross-entropy at several resolutions.
//!
//! Per output the loss is the sum of both (Online Methods, "Training"): cross-entropy over all
//! voxels, and the negative soft Dice averaged over the foreground classes, each with the same
//! weight. Outputs of lower resolution count half as much from each to the next.

use nnunet_schema::LabelScheme;
use tch::{Device, Kind, Reduction, Tensor};

use crate::{LossKind, TrainError};

/// Added to numerator and denominator of the Dice, which makes it 1 for a class that neither
/// occurs nor is predicted.
const SMOOTHING: f64 = 1e-5;
const SMALLEST_DENOMINATOR: f64 = 1e-8;
/// A label that never occurs.
const NO_LABEL: i64 = -100;

/// Whether the Dice is computed per sample or over the batch as one volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DicePooling {
    /// Per sample, then averaged.
    Sample,
    /// Over the batch as one volume (`batch_dice` of the plans).
    Batch,
}

impl DicePooling {
    /// As the key `batch_dice` of the plans says.
    #[must_use]
    pub const fn from_plans(batch_dice: bool) -> Self {
        if batch_dice {
            Self::Batch
        } else {
            Self::Sample
        }
    }
}

/// What the outputs of the network stand for.
#[derive(Debug)]
enum Heads {
    /// One per label, background first; they exclude each other.
    Labels { count: i64 },
    /// One per region; they may overlap. Row `v` of the table says which regions hold label
    /// `v`.
    Regions { table: Tensor },
}

/// The loss of all outputs of a network against the labels.
#[derive(Debug)]
pub struct SegmentationLoss {
    heads: Heads,
    ignore: Option<i64>,
    pooling: DicePooling,
    weights: Vec<f64>,
    /// The voxels whose cross-entropy counts, if it is part of the loss.
    entropy: Option<Voxels>,
    has_dice: bool,
}

/// The voxels that a cross-entropy is the mean of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voxels {
    All,
    /// Those in which it is highest; ignored ones have none.
    WorstTenth,
}

impl SegmentationLoss {
    /// The loss for these labels on this device; `weights` are those of the outputs, full
    /// resolution first ([`crate::schedule::deep_supervision_weights`]).
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn new(
        labels: &LabelScheme,
        pooling: DicePooling,
        weights: Vec<f64>,
        device: Device,
    ) -> Result<Self, TrainError> {
        let heads = if labels.is_region_based() {
            Heads::Regions {
                table: region_table(labels)?.f_to_device(device)?,
            }
        } else {
            Heads::Labels {
                count: labels.segmentation_heads() as i64,
            }
        };
        Ok(Self {
            heads,
            ignore: labels.ignore_label().map(i64::from),
            pooling,
            weights,
            entropy: Some(Voxels::All),
            has_dice: true,
        })
    }

    /// The same with another loss for each output.
    #[must_use]
    pub const fn of_kind(mut self, kind: LossKind) -> Self {
        self.entropy = match kind {
            LossKind::DiceAndCrossEntropy | LossKind::CrossEntropy => Some(Voxels::All),
            LossKind::TopTenth | LossKind::DiceAndTopTenth => Some(Voxels::WorstTenth),
            LossKind::Dice => None,
        };
        self.has_dice = kind.has_dice();
        self
    }

    /// Number of outputs that have a weight: the others need not be computed.
    #[must_use]
    pub fn weighted_outputs(&self) -> usize {
        self.weights.iter().take_while(|w| **w > 0.0).count()
    }

    /// The weighted sum over the outputs, a scalar. `outputs` are logits
    /// `(batch, head, …)`, `labels` label values `(batch, …)` of any integer type.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if shapes differ.
    pub fn total(&self, outputs: &[Tensor], labels: &[Tensor]) -> Result<Tensor, TrainError> {
        let mut total: Option<Tensor> = None;
        for ((logits, labels), weight) in outputs.iter().zip(labels).zip(&self.weights) {
            if *weight <= 0.0 {
                continue;
            }
            let loss = self.single(logits, labels)?.f_mul_scalar(*weight)?;
            total = Some(match total {
                None => loss,
                Some(sum) => sum.f_add(&loss)?,
            });
        }
        match total {
            Some(total) => Ok(total),
            None => Ok(Tensor::f_zeros([], (Kind::Float, Device::Cpu))?),
        }
    }

    /// The loss of one output.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if shapes differ.
    pub fn single(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        let logits = logits.f_to_kind(Kind::Float)?;
        let labels = labels.f_to_kind(Kind::Int64)?;
        let valid = match self.ignore {
            None => None,
            Some(ignore) => Some(labels.f_ne(ignore)?.f_to_kind(Kind::Float)?),
        };
        match &self.heads {
            Heads::Labels { count } => self.of_labels(&logits, &labels, valid.as_ref(), *count),
            Heads::Regions { table } => self.of_regions(&logits, &labels, valid.as_ref(), table),
        }
    }

    fn of_labels(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        valid: Option<&Tensor>,
        count: i64,
    ) -> Result<Tensor, TrainError> {
        let log_probabilities = logits.f_log_softmax(1, Kind::Float)?;
        let entropy = match self.entropy {
            None => None,
            Some(voxels) => {
                let ignore = self.ignore.unwrap_or(NO_LABEL);
                let of = |reduction| {
                    log_probabilities.f_nll_loss_nd(labels, None::<&Tensor>, reduction, ignore)
                };
                Some(match (voxels, valid) {
                    (Voxels::All, None) => of(Reduction::Mean)?,
                    (Voxels::All, Some(valid)) => {
                        // Zero where every voxel is ignored.
                        let count = valid.f_sum(Kind::Float)?.f_clamp_min(1.0)?;
                        of(Reduction::Sum)?.f_div(&count)?
                    }
                    (Voxels::WorstTenth, _) => worst_tenth(&of(Reduction::None)?)?,
                })
            }
        };
        if !self.has_dice {
            return self.sum(entropy, None);
        }
        // The background has no part in the Dice.
        let foreground = log_probabilities.f_narrow(1, 1, count - 1)?.f_exp()?;
        let mut per_class = vec![1_i64; logits.dim()];
        per_class[1] = count - 1;
        let classes = Tensor::f_arange_start(1, count, (Kind::Int64, logits.device()))?
            .f_view(per_class.as_slice())?;
        let truth = labels
            .f_unsqueeze(1)?
            .f_eq_tensor(&classes)?
            .f_to_kind(Kind::Float)?;
        self.sum(entropy, Some(self.dice(&foreground, &truth, valid)?))
    }

    fn of_regions(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        valid: Option<&Tensor>,
        table: &Tensor,
    ) -> Result<Tensor, TrainError> {
        let truth = region_truth(labels, table)?;
        let entropy = match self.entropy {
            None => None,
            Some(voxels) => {
                let mask = valid.map(|valid| valid.f_unsqueeze(1)).transpose()?;
                let of = |reduction| {
                    logits.f_binary_cross_entropy_with_logits(
                        &truth,
                        mask.as_ref(),
                        None::<&Tensor>,
                        reduction,
                    )
                };
                Some(match (voxels, valid) {
                    (Voxels::All, None) => of(Reduction::Mean)?,
                    (Voxels::All, Some(valid)) => {
                        let voxels = valid.f_sum(Kind::Float)?;
                        let count = voxels.f_clamp_min(SMALLEST_DENOMINATOR)?;
                        of(Reduction::Sum)?.f_div(&count)?
                    }
                    (Voxels::WorstTenth, _) => worst_tenth(&of(Reduction::None)?)?,
                })
            }
        };
        let dice = match self.has_dice {
            true => Some(self.dice(&logits.f_sigmoid()?, &truth, valid)?),
            false => None,
        };
        self.sum(entropy, dice)
    }

    /// Cross-entropy minus Dice, as far as they are wanted.
    fn sum(&self, entropy: Option<Tensor>, dice: Option<Tensor>) -> Result<Tensor, TrainError> {
        match (entropy, dice) {
            (Some(entropy), Some(dice)) => Ok(entropy.f_sub(&dice)?),
            (Some(entropy), None) => Ok(entropy),
            (None, Some(dice)) => Ok(dice.f_neg()?),
            (None, None) => Ok(Tensor::f_zeros([], (Kind::Float, Device::Cpu))?),
        }
    }

    /// The mean soft Dice of `(batch, class, …)` probabilities and truth.
    fn dice(
        &self,
        probabilities: &Tensor,
        truth: &Tensor,
        valid: Option<&Tensor>,
    ) -> Result<Tensor, TrainError> {
        let first = match self.pooling {
            DicePooling::Batch => Some(0),
            DicePooling::Sample => None,
        };
        let axes: Vec<i64> = first
            .into_iter()
            .chain(2..probabilities.dim() as i64)
            .collect();
        let sum = |t: &Tensor| t.f_sum_dim_intlist(axes.as_slice(), false, Kind::Float);
        let (masked_p, masked_t);
        let (p, t) = match valid {
            None => (probabilities, truth),
            Some(valid) => {
                let valid = valid.f_unsqueeze(1)?;
                masked_p = probabilities.f_mul(&valid)?;
                masked_t = truth.f_mul(&valid)?;
                (&masked_p, &masked_t)
            }
        };
        let intersection = sum(&p.f_mul(t)?)?;
        let sizes = sum(p)?.f_add(&sum(t)?)?;
        let numerator = intersection.f_mul_scalar(2.0)?.f_add_scalar(SMOOTHING)?;
        let denominator = sizes
            .f_add_scalar(SMOOTHING)?
            .f_clamp_min(SMALLEST_DENOMINATOR)?;
        Ok(numerator.f_div(&denominator)?.f_mean(Kind::Float)?)
    }
}

/// The mean of the highest tenth of the values, at least of one.
fn worst_tenth(values: &Tensor) -> Result<Tensor, TrainError> {
    let flat = values.f_reshape([-1])?;
    let count = (flat.numel() / 10).max(1) as i64;
    let (worst, _) = flat.f_topk(count, 0, true, false)?;
    Ok(worst.f_mean(Kind::Float)?)
}

/// Row `v`, column `r`: 1 if region `r` holds label `v`. The ignore label has a row of zeros.
pub(crate) fn region_table(labels: &LabelScheme) -> Result<Tensor, TrainError> {
    let regions = labels.targets();
    let highest = labels.all_labels().last().copied().unwrap_or(0);
    let rows = usize::from(highest) + 2;
    let mut table = vec![0.0_f32; rows * regions.len()];
    for (r, members) in regions.iter().enumerate() {
        for member in members {
            table[usize::from(*member) * regions.len() + r] = 1.0;
        }
    }
    Ok(Tensor::f_from_slice(&table)?.f_view([rows as i64, regions.len() as i64])?)
}

/// `(batch, …)` label values as `(batch, region, …)` zeros and ones.
pub(crate) fn region_truth(labels: &Tensor, table: &Tensor) -> Result<Tensor, TrainError> {
    let mut shape = labels.size();
    shape.push(table.size()[1]);
    let rows = table.f_index_select(0, &labels.f_reshape([-1])?)?;
    Ok(rows.f_view(shape.as_slice())?.f_movedim_int(-1, 1)?)
}
