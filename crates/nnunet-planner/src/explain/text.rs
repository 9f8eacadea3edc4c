//! Explanations for people.

use std::fmt;

use serde_json::Value;

use super::{ConfigurationExplanation, Decision, Explanation, Input, Subject};
use crate::{ConfigurationSearch, LowresSearch};

/// Steps of a search that are printed at its beginning and at its end.
const STEPS_SHOWN: usize = 4;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: rules `{}`, {} GB of GPU memory",
            self.dataset_name, self.rules, self.gpu_memory_gb
        )?;
        writeln!(f, "\nAll configurations")?;
        for decision in &self.dataset {
            write!(f, "{decision}")?;
            if decision.subject == Subject::Cascade
                && let Some(search) = &self.lowres
            {
                write_lowres(f, search)?;
            }
        }
        for configuration in &self.configurations {
            write!(f, "\n{configuration}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigurationExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for decision in &self.decisions {
            write!(f, "{decision}")?;
            if decision.subject == Subject::PatchSize
                && let Some(search) = &self.search
            {
                write_search(f, search)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}: {}", self.subject, self.value_text())?;
        writeln!(f, "      {} [{}]", self.rule, self.source)?;
        for input in &self.inputs {
            writeln!(f, "      {}: {}", input.name, input.value_text())?;
        }
        Ok(())
    }
}

impl Decision {
    /// The value in short: numbers per axis joined by ×.
    #[must_use]
    pub fn value_text(&self) -> String {
        match self.subject {
            // Lists that are not one number per axis.
            Subject::Transposition | Subject::Features => spaced(&self.value),
            _ => per_axis(&self.value),
        }
    }
}

impl Input {
    /// The value in short: numbers per axis joined by ×.
    #[must_use]
    pub fn value_text(&self) -> String {
        per_axis(&self.value)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TargetSpacing => "target spacing (mm)",
            Self::Transposition => "order of the axes",
            Self::MedianShape => "median shape at the target spacing",
            Self::Normalization => "normalisation",
            Self::NonzeroMask => "statistics inside the nonzero mask",
            Self::Resampling => "resampling",
            Self::ImageReader => "image reader",
            Self::Cascade => "low resolution and cascade",
            Self::PatchSize => "patch size",
            Self::Strides => "strides",
            Self::Kernels => "kernels",
            Self::Features => "features",
            Self::Depths => "convolutions or blocks",
            Self::BatchSize => "batch size",
            Self::BatchDice => "Dice over the batch",
            Self::SliceWiseAugmentation => "augmentation slice by slice",
            Self::Inheritance => "refines the output of",
        })
    }
}

fn write_search(f: &mut fmt::Formatter<'_>, search: &ConfigurationSearch) -> fmt::Result {
    let rows = search.steps.iter().map(|step| {
        let part = step.estimate / search.allowed * 100.0;
        let patch = per_axis(&serde_json::json!(step.patch));
        format!("{patch:<20} {part:>8.1} % of the budget")
    });
    write_steps(f, &rows.collect::<Vec<_>>())
}

fn write_lowres(f: &mut fmt::Formatter<'_>, search: &LowresSearch) -> fmt::Result {
    let rows = search.steps.iter().map(|step| {
        let patch: f64 = step.patch.iter().map(|edge| *edge as f64).product();
        format!(
            "{:<24} mm  {:>8.1} times the patch {}",
            per_axis(&serde_json::json!(step.spacing)),
            step.voxels / patch,
            per_axis(&serde_json::json!(step.patch)),
        )
    });
    write_steps(f, &rows.collect::<Vec<_>>())
}

/// The first and the last steps of a search, numbered.
fn write_steps(f: &mut fmt::Formatter<'_>, rows: &[String]) -> fmt::Result {
    let hidden = STEPS_SHOWN..rows.len().saturating_sub(STEPS_SHOWN);
    for (number, row) in rows.iter().enumerate() {
        if hidden.len() > 1 && hidden.contains(&number) {
            if number == hidden.start {
                writeln!(f, "        … {} more", hidden.len())?;
            }
            continue;
        }
        writeln!(f, "        {:>5}. {row}", number + 1)?;
    }
    Ok(())
}

/// A value in short: numbers per axis joined by ×, lists of them by spaces.
pub(super) fn per_axis(value: &Value) -> String {
    match value {
        Value::Array(values) if values.iter().all(Value::is_array) => {
            join(values.iter().map(digits), " ")
        }
        Value::Array(values) if values.iter().all(Value::is_number) => {
            join(values.iter().map(per_axis), " × ")
        }
        Value::Array(values) => join(values.iter().map(per_axis), ", "),
        Value::Object(map) => join(
            map.iter()
                .map(|(key, value)| format!("{key} {}", spaced(value))),
            ", ",
        ),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => shortened(float),
            _ => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Null => "unknown".into(),
    }
}

fn spaced(value: &Value) -> String {
    match value {
        Value::Array(values) => join(values.iter().map(per_axis), " "),
        other => per_axis(other),
    }
}

/// `[1, 2, 2]` as `1×2×2`.
fn digits(value: &Value) -> String {
    match value {
        Value::Array(values) => join(values.iter().map(per_axis), "×"),
        other => per_axis(other),
    }
}

/// At most five decimals; whole numbers without any.
fn shortened(float: f64) -> String {
    let text = format!("{float:.5}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn join(texts: impl Iterator<Item = String>, separator: &str) -> String {
    texts.collect::<Vec<_>>().join(separator)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_short() {
        for (value, expected) in [
            (json!([1.0, 0.767_600_02, 36]), "1 × 0.7676 × 36"),
            (json!([[1, 2, 2], [2, 2, 2]]), "1×2×2 2×2×2"),
            (
                json!({"encoder": [2, 2], "decoder": [2]}),
                "encoder 2 2, decoder 2",
            ),
            (json!(["CT", "PET"]), "CT, PET"),
            (json!(false), "no"),
        ] {
            assert_eq!(per_axis(&value), expected);
        }
    }

    #[test]
    fn lists_that_are_not_one_number_per_axis_are_not_joined_as_such() {
        let features = Decision::new(Subject::Features, json!([32, 64]), "");
        assert_eq!(features.value_text(), "32 64");
        let patch = Decision::new(Subject::PatchSize, json!([32, 64]), "").with("a", json!([1, 2]));
        assert_eq!(patch.value_text(), "32 × 64");
        assert_eq!(patch.inputs[0].value_text(), "1 × 2");
    }
}
