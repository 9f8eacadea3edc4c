//! Whether plans that somebody edited by hand can be followed.

use std::fmt;

use nnunet_schema::plans::StageNames;
use nnunet_schema::{Configuration, Plans, SchemaError};

use crate::Rules;

mod budget;
mod channels;
mod keys;
mod network;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The plans can be followed, but probably not as they were meant.
    Warning,
    /// The plans cannot be followed.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Something in the plans that is wrong or looks wrong. Its `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The configuration that it is about; `None` for what all of them share.
    pub configuration: Option<String>,
    /// Where in the document, e.g. `configurations.3d_fullres.patch_size[0]`.
    pub place: String,
    /// What was found, what was expected and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}: `{}` {}", self.severity, self.place, self.message);
        // Names come from the file, where they may hold anything.
        f.write_str(&line.replace(char::is_control, " "))
    }
}

/// Checks plans that somebody edited by hand: everything that reading them as JSON lets pass.
///
/// An error is what no network can be trained with: lists that do not fit together, a patch that
/// the strides do not divide, names that nothing is known by. A warning is what works, but not
/// well or not as intended: a key that is ignored, feature maps shorter than the rules allow, a
/// batch of one, more memory than the plans are made for.
///
/// The shared values come first, then the configurations in the order of the file. What one of
/// them inherits is reported once, for the one that it is inherited from. One that cannot be read
/// at all ([`Plans::configuration`]) has a single error, which may hide others.
///
/// The number of classes is not in the plans, and the memory estimate (paper, online methods)
/// counts the fewest possible, two.
#[must_use]
pub fn check(plans: &Plans) -> Vec<Finding> {
    let mut findings = check_shared(plans);
    let rules = rules_of(plans);
    let reports: Vec<Report<'_>> = (plans.configurations.keys())
        .map(|name| check_configuration(plans, name, &rules))
        .collect();
    for report in &reports {
        let parent = (plans.configurations.get(report.configuration))
            .and_then(|own| own.get("inherits_from")?.as_str())
            .and_then(|parent| reports.iter().find(|r| r.configuration == parent));
        let own = (report.entries.iter())
            .filter(|entry| !parent.is_some_and(|parent| parent.entries.contains(entry)));
        findings.extend(own.map(|entry| entry.finding(report.configuration)));
    }
    findings
}

/// What was found in one configuration.
#[derive(Debug)]
struct Report<'a> {
    configuration: &'a str,
    entries: Vec<Entry>,
}

/// A finding before it has a place in the document.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    severity: Severity,
    /// Below the configuration; empty for itself.
    key: String,
    message: String,
}

impl Report<'_> {
    fn error(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Error, key.into(), message.into());
    }

    fn warning(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.push(Severity::Warning, key.into(), message.into());
    }

    fn push(&mut self, severity: Severity, key: String, message: String) {
        self.entries.push(Entry {
            severity,
            key,
            message,
        });
    }

    fn has_errors(&self) -> bool {
        (self.entries.iter()).any(|entry| entry.severity == Severity::Error)
    }
}

impl Entry {
    fn finding(&self, configuration: &str) -> Finding {
        let mut place = format!("configurations.{configuration}");
        if !self.key.is_empty() {
            place.push('.');
            place.push_str(&self.key);
        }
        Finding {
            severity: self.severity,
            configuration: Some(configuration.to_owned()),
            place,
            message: self.message.clone(),
        }
    }
}

/// The rules that the plans were made by. Plans of the Python program keep no record, but name
/// the planner.
fn rules_of(plans: &Plans) -> Rules {
    let by_planner = || match plans.experiment_planner_used.as_str() {
        // The predecessor of the others has the references of the smallest.
        "ResEncUNetPlanner" => Some(Rules::resenc_m()),
        name => [Rules::resenc_m(), Rules::resenc_l(), Rules::resenc_xl()]
            .into_iter()
            .find(|rules| rules.planner_name == name),
    };
    (plans.planning.is_none().then(by_planner).flatten())
        .or_else(|| Rules::of(plans.rule_set()).ok())
        .unwrap_or_else(Rules::v2)
}

fn check_shared(plans: &Plans) -> Vec<Finding> {
    let error = |place: &str, message: String| Finding {
        severity: Severity::Error,
        configuration: None,
        place: place.to_owned(),
        message,
    };
    let mut findings = Vec::new();
    let expected = plans.transpose_forward.inverse();
    if plans.transpose_backward != expected {
        findings.push(error(
            "transpose_backward",
            format!(
                "is {:?}, which does not undo transpose_forward {:?}: set it to {:?}",
                plans.transpose_backward.forward(),
                plans.transpose_forward.forward(),
                expected.forward()
            ),
        ));
    }
    if plans.configurations.is_empty() {
        let message = "is empty, expected at least one configuration: plan the dataset again";
        findings.push(error("configurations", message.to_owned()));
    }
    findings
}

fn check_configuration<'a>(plans: &Plans, name: &'a str, rules: &Rules) -> Report<'a> {
    let mut report = Report {
        configuration: name,
        entries: Vec::new(),
    };
    if let Some(own) = plans.configurations.get(name) {
        keys::check(&mut report, own);
    }
    match plans.configuration(name) {
        Ok(configuration) => {
            check_batch(&mut report, &configuration);
            check_stages(&mut report, plans, &configuration);
            channels::check(&mut report, plans, &configuration);
            network::check(&mut report, &configuration, rules);
            budget::check(&mut report, plans, &configuration, rules);
        }
        Err(error) => add_schema_error(&mut report, error),
    }
    report
}

/// What kept a configuration from being read.
fn add_schema_error(report: &mut Report<'_>, error: SchemaError) {
    match error {
        SchemaError::Configuration {
            json_path, message, ..
        }
        | SchemaError::Invalid {
            json_path, message, ..
        } => {
            // Otherwise it is about one that is inherited from, and reported there.
            if let Some(key) = own_key(report.configuration, &json_path) {
                report.error(key, message);
            }
        }
        other => report.error("", other.to_string()),
    }
}

/// The part of a place that is below the configuration, if it is.
fn own_key<'p>(configuration: &str, json_path: &'p str) -> Option<&'p str> {
    let key = (json_path.strip_prefix("configurations."))?.strip_prefix(configuration)?;
    (key.is_empty() || key.starts_with('.')).then(|| key.trim_start_matches('.'))
}

fn check_batch(report: &mut Report<'_>, configuration: &Configuration) {
    if configuration.batch_size < 2 {
        let message = format!(
            "is {}, expected at least 2, or gradients get very noisy: reduce patch_size instead",
            configuration.batch_size
        );
        report.warning("batch_size", message);
    }
    let axes = configuration.patch_size.len();
    let found = configuration.median_image_size_in_voxels.len();
    if found != axes {
        let message = format!("has {found} entries, expected {axes}, one per axis");
        report.error("median_image_size_in_voxels", message);
    }
}

fn check_stages(report: &mut Report<'_>, plans: &Plans, configuration: &Configuration) {
    let next: &[String] = match &configuration.next_stage {
        None => &[],
        Some(StageNames::One(name)) => std::slice::from_ref(name),
        Some(StageNames::Many(names)) => names,
    };
    let previous = configuration.previous_stage.iter();
    let named = (next.iter().map(|name| ("next_stage", name)))
        .chain(previous.map(|name| ("previous_stage", name)));
    for (key, name) in named {
        if name == report.configuration {
            let message = "names the configuration itself, expected another one";
            report.error(key, message);
        } else if !plans.configurations.contains_key(name) {
            let known = plans.configuration_names();
            let message = format!(
                "is `{name}`, which is no configuration{}; there are: {}",
                keys::did_you_mean(name, &known),
                known.join(", ")
            );
            report.error(key, message);
        }
    }
}
