//! Steps with a heading each, timed, and summed up in a table.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What has been done so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
}

/// A step that has come to an end.
#[derive(Debug)]
struct Done {
    name: &'static str,
    took: Duration,
    outcome: String,
}

impl Steps {
    /// Runs one step; what it returns is its line in the summary. If it
    /// fails, the summary is printed at once and the error names the step.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<String>,
    ) -> Result<()> {
        println!("\n==> {name}");
        let start = Instant::now();
        let result = step();
        let took = start.elapsed();
        let outcome = match &result {
            Ok(outcome) => outcome.clone(),
            Err(_) => "FAILED".to_owned(),
        };
        println!("<== {name}: {outcome} ({})", seconds(took));
        self.done.push(Done {
            name,
            took,
            outcome,
        });
        if result.is_err() {
            println!("\n{}", self.summary());
        }
        result
            .map(drop)
            .with_context(|| format!("step `{name}` failed"))
    }

    /// A table of the steps with their times.
    pub(crate) fn summary(&self) -> String {
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        let last = Done {
            name: "total",
            took: total,
            outcome: String::new(),
        };
        let steps = || self.done.iter().chain([&last]);
        let width = steps().map(|step| step.name.len()).max().unwrap_or(0);
        let mut table = format!("{:width$}  {:>9}\n", "step", "time");
        for step in steps() {
            let line = format!(
                "{:width$}  {:>9}  {}",
                step.name,
                seconds(step.took),
                step.outcome
            );
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        table
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn summary_lists_the_steps_in_order() {
        let mut steps = Steps::default();
        steps.run("one", || Ok("ok".to_owned())).unwrap();
        steps
            .run("longer name", || Ok("7 passed".to_owned()))
            .unwrap();
        let summary = steps.summary();
        let lines: Vec<&str> = summary.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "step              time");
        assert!(lines[1].starts_with("one  "), "{summary}");
        assert!(lines[1].ends_with(" s  ok"), "{summary}");
        assert!(lines[2].ends_with("7 passed"), "{summary}");
        assert!(lines[3].starts_with("total"), "{summary}");
    }

    #[test]
    fn failure_names_the_step() {
        let mut steps = Steps::default();
        let error = steps.run("lints", || bail!("no")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step `lints` failed: no");
        assert!(steps.summary().contains("FAILED"));
    }
}
