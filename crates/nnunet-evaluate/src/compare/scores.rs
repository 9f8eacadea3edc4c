use std::collections::BTreeMap;

use nnunet_schema::Summary;

use crate::EvaluateError;
use crate::select::check_comparable;
use crate::summarise::{file_name, nan_mean};

/// What several methods scored on the cases of one dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetScores {
    dataset: String,
    cases: Vec<String>,
    methods: Vec<MethodScores>,
}

/// What one method scored.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodScores {
    /// The method.
    pub method: String,
    /// Dice per class and case, classes and cases in the same order for all methods; NaN where
    /// neither the reference nor the prediction has the class.
    pub dice: Vec<Vec<f64>>,
}

impl DatasetScores {
    /// The scores of methods that were evaluated on the same cases: each method's name and its
    /// `summary.json`.
    ///
    /// # Errors
    /// [`EvaluateError::DifferentCases`] and [`EvaluateError::DifferentClasses`] if the summaries
    /// are not of the same cases of one dataset, [`EvaluateError::CaseInTwoSummaries`] if one of
    /// them has a case twice, [`EvaluateError::NothingToSelect`] if there is no case, or two
    /// methods have one name.
    pub fn from_summaries(
        dataset: &str,
        methods: &[(String, Summary)],
    ) -> Result<Self, EvaluateError> {
        let nothing = |reason: String| EvaluateError::NothingToSelect { reason };
        let Some((_, first)) = methods.first() else {
            return Err(nothing(format!("no method was evaluated on {dataset}")));
        };
        for (i, (name, summary)) in methods.iter().enumerate() {
            if methods.iter().take(i).any(|(other, _)| other == name) {
                return Err(nothing(format!(
                    "two methods on {dataset} are named `{name}`"
                )));
            }
            if summary.metric_per_case.is_empty() {
                return Err(nothing(format!("`{name}` has no cases of {dataset}")));
            }
            // Finds a case that occurs twice.
            crate::merge(std::slice::from_ref(summary))?;
        }
        check_comparable(methods)?;
        let keys: Vec<&String> = first.mean.keys().filter(|key| *key != "0").collect();
        let mut cases: Vec<String> = (first.metric_per_case.iter())
            .map(|case| file_name(&case.prediction_file).to_owned())
            .collect();
        cases.sort();
        let scores = methods.iter().map(|(method, summary)| {
            let by_case: BTreeMap<&str, _> = (summary.metric_per_case.iter())
                .map(|case| (file_name(&case.prediction_file), &case.metrics))
                .collect();
            let dice = |key: &String, case: &String| {
                let metrics = by_case.get(case.as_str()).and_then(|case| case.get(key));
                metrics.map_or(f64::NAN, |metrics| metrics.dice)
            };
            MethodScores {
                method: method.clone(),
                dice: (keys.iter())
                    .map(|key| cases.iter().map(|case| dice(key, case)).collect())
                    .collect(),
            }
        });
        Ok(Self {
            dataset: dataset.to_owned(),
            methods: scores.collect(),
            cases,
        })
    }

    /// The dataset.
    #[must_use]
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// File names of the cases, sorted.
    #[must_use]
    pub fn cases(&self) -> &[String] {
        &self.cases
    }

    /// The methods.
    #[must_use]
    pub fn methods(&self) -> &[MethodScores] {
        &self.methods
    }

    pub(super) fn method_names(&self) -> Vec<String> {
        self.methods.iter().map(|m| m.method.clone()).collect()
    }

    /// The same scores with the methods in this order, which is that of the dataset `like`.
    pub(super) fn in_order_of(
        &self,
        methods: &[String],
        like: &str,
    ) -> Result<Self, EvaluateError> {
        let different = || EvaluateError::DifferentMethods {
            dataset: self.dataset.clone(),
            found: self.method_names(),
            expected_by: like.to_owned(),
            expected: methods.to_vec(),
        };
        if self.methods.len() != methods.len() {
            return Err(different());
        }
        let find = |name: &String| self.methods.iter().find(|m| m.method == *name).cloned();
        Ok(Self {
            methods: (methods.iter())
                .map(|name| find(name).ok_or_else(different))
                .collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    /// The foreground mean Dice of each method.
    pub(super) fn scores(&self) -> Vec<f64> {
        self.weighted_scores(&vec![1; self.cases.len()])
    }

    /// The foreground mean Dice of each method as if each case were there so many times.
    ///
    /// A class that has no Dice for some method is left out for all, so that they are compared on
    /// equal terms; NaN if nothing is left.
    pub(super) fn weighted_scores(&self, times: &[u32]) -> Vec<f64> {
        let means: Vec<Vec<f64>> = (self.methods.iter())
            .map(|method| {
                let classes = method.dice.iter();
                classes.map(|cases| weighted_mean(cases, times)).collect()
            })
            .collect();
        let classes = means.first().map_or(0, Vec::len);
        let common: Vec<usize> = (0..classes)
            .filter(|class| means.iter().all(|means| !means[*class].is_nan()))
            .collect();
        (means.iter())
            .map(|means| {
                let kept: Vec<f64> = common.iter().map(|class| means[*class]).collect();
                nan_mean(&kept)
            })
            .collect()
    }

    /// The mean Dice over the classes of each case, for each method; NaN where it has none.
    pub(super) fn case_scores(&self) -> Vec<Vec<f64>> {
        let of_case = |method: &MethodScores, case: usize| {
            let dice: Vec<f64> = method.dice.iter().map(|cases| cases[case]).collect();
            nan_mean(&dice)
        };
        (self.methods.iter())
            .map(|method| {
                (0..self.cases.len())
                    .map(|case| of_case(method, case))
                    .collect()
            })
            .collect()
    }
}

/// The mean of the values that are numbers.
fn weighted_mean(values: &[f64], times: &[u32]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (value, times) in values
        .iter()
        .zip(times)
        .filter(|(value, _)| !value.is_nan())
    {
        sum += value * f64::from(*times);
        count += f64::from(*times);
    }
    sum / count
}
