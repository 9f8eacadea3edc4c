//! The Dice estimated after each epoch on validation patches.

use nnunet_schema::LabelScheme;
use tch::{Device, Kind, Tensor};

use crate::TrainError;
use crate::loss::{region_table, region_truth};

/// Weight of the past in the moving average.
const EMA_DECAY: f64 = 0.9;

/// Counts of true and false voxels over batches, as if all patches were one volume.
#[derive(Debug)]
pub struct OnlineDice {
    ignore: Option<i64>,
    regions: Option<Tensor>,
    labels: i64,
    /// Per class: both, prediction, truth.
    both: Vec<f64>,
    predicted: Vec<f64>,
    true_voxels: Vec<f64>,
}

impl OnlineDice {
    /// Counts for the foreground classes or regions of `labels`.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if memory does not suffice.
    pub fn new(labels: &LabelScheme, device: Device) -> Result<Self, TrainError> {
        let classes = labels.names().len();
        let regions = labels
            .is_region_based()
            .then(|| region_table(labels))
            .transpose()?;
        Ok(Self {
            ignore: labels.ignore_label().map(i64::from),
            regions: regions.map(|table| table.f_to_device(device)).transpose()?,
            labels: labels.segmentation_heads() as i64,
            both: vec![0.0; classes],
            predicted: vec![0.0; classes],
            true_voxels: vec![0.0; classes],
        })
    }

    /// Counts one batch: logits `(batch, head, …)` at full resolution and labels `(batch, …)`.
    ///
    /// # Errors
    /// [`TrainError::Torch`] if shapes differ.
    pub fn add(&mut self, logits: &Tensor, labels: &Tensor) -> Result<(), TrainError> {
        let _guard = tch::no_grad_guard();
        let labels = labels.f_to_kind(Kind::Int64)?;
        let valid = match self.ignore {
            None => None,
            Some(ignore) => Some(labels.f_ne(ignore)?),
        };
        let counts = match &self.regions {
            None => self.count_labels(logits, &labels, valid.as_ref())?,
            Some(table) => count_regions(logits, &labels, valid.as_ref(), table)?,
        };
        for (i, [both, predicted, truth]) in counts.into_iter().enumerate() {
            self.both[i] += both;
            self.predicted[i] += predicted;
            self.true_voxels[i] += truth;
        }
        Ok(())
    }

    fn count_labels(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        valid: Option<&Tensor>,
    ) -> Result<Vec<[f64; 3]>, TrainError> {
        let n = self.labels;
        // Where labels and prediction meet in an n × n table of pairs.
        let mut pairs = labels.f_mul_scalar(n)?.f_add(&logits.f_argmax(1, false)?)?;
        pairs = match valid {
            None => pairs.f_view([-1])?,
            Some(valid) => pairs.f_masked_select(valid)?,
        };
        let table = pairs.f_bincount(None::<&Tensor>, n * n)?.f_view([n, n])?;
        let table = read(&table.f_to_kind(Kind::Double)?)?;
        let n = n as usize;
        let row = |t: usize| (0..n).map(|p| table[t * n + p]).sum();
        let column = |p: usize| (0..n).map(|t| table[t * n + p]).sum();
        Ok((1..n)
            .map(|c| [table[c * n + c], column(c), row(c)])
            .collect())
    }

    /// The Dice of each class so far; none for a class that neither occurs nor is predicted.
    #[must_use]
    pub fn per_class(&self) -> Vec<Option<f64>> {
        (self.both.iter().zip(&self.predicted).zip(&self.true_voxels))
            .map(|((both, predicted), truth)| {
                let size = predicted + truth;
                (size > 0.0).then(|| 2.0 * both / size)
            })
            .collect()
    }
}

fn count_regions(
    logits: &Tensor,
    labels: &Tensor,
    valid: Option<&Tensor>,
    table: &Tensor,
) -> Result<Vec<[f64; 3]>, TrainError> {
    let mut truth = region_truth(labels, table)?.f_gt(0.5)?;
    // A probability above one half is a logit above zero.
    let mut predicted = logits.f_gt(0.0)?;
    if let Some(valid) = valid {
        let valid = valid.f_unsqueeze(1)?;
        truth = truth.f_logical_and(&valid)?;
        predicted = predicted.f_logical_and(&valid)?;
    }
    let axes: Vec<i64> = std::iter::once(0).chain(2..logits.dim() as i64).collect();
    let sum = |t: &Tensor| read(&t.f_sum_dim_intlist(axes.as_slice(), false, Kind::Double)?);
    let both = sum(&truth.f_logical_and(&predicted)?)?;
    let counts = (both.into_iter()).zip(sum(&predicted)?).zip(sum(&truth)?);
    Ok(counts.map(|((b, p), t)| [b, p, t]).collect())
}

fn read(tensor: &Tensor) -> Result<Vec<f64>, TrainError> {
    let mut values = vec![0.0; tensor.numel()];
    let plain = tensor.f_to_device(Device::Cpu)?.f_contiguous()?;
    plain.f_copy_data(&mut values, tensor.numel())?;
    Ok(values)
}

/// The mean of the classes that have a value; none if no class has.
#[must_use]
pub fn mean(per_class: &[Option<f64>]) -> Option<f64> {
    let values: Vec<f64> = per_class.iter().flatten().copied().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The moving average after one more epoch: 0.9 of the last and 0.1 of the new value. An epoch
/// without a value leaves it as it is.
#[must_use]
pub fn moving_average(last: Option<f64>, new: Option<f64>) -> Option<f64> {
    match (last, new) {
        (Some(last), Some(new)) => Some(EMA_DECAY * last + (1.0 - EMA_DECAY) * new),
        (last, new) => new.or(last),
    }
}
