use serde::Serialize;

/// A training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Training {
    /// The model: its configuration, with what sets it apart where there are several.
    pub model: String,
    /// The fold: `0`, `all`.
    pub fold: String,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
}

/// An epoch of a training. NaN where a value is not known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Its number, from 0.
    pub number: usize,
    /// Mean loss of the training patches.
    pub training_loss: f64,
    /// Mean loss of the patches of the held-out cases.
    pub validation_loss: f64,
    /// Mean Dice over the classes, of the patches of the held-out cases taken as one volume.
    pub dice: f64,
    /// Moving average of that.
    pub dice_average: f64,
    /// How long it took.
    pub seconds: f64,
}

impl Training {
    /// Seconds of all epochs.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        let seconds = self.epochs.iter().map(|epoch| epoch.seconds);
        seconds.filter(|seconds| seconds.is_finite()).sum()
    }
}
