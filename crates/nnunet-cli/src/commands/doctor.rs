//! What the program finds on this machine, and where each setting comes from.

use std::env;
use std::fs;
use std::path::PathBuf;

use clap::ValueEnum as _;
use nnunet::infer::LIBTORCH;
use nnunet::model::{DeviceChoice, libtorch_folder};
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};
use serde::Serialize;
use serde_json::json;

use crate::args::DoctorArgs;
use crate::context::Context;
use crate::settings::{Origin, Setting};
use crate::{Outcome, output};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    found: String,
    /// Where it comes from.
    source: String,
    /// What is wrong with it, and what to do.
    problem: Option<String>,
}

impl Finding {
    fn new(what: &'static str, found: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            what,
            found: found.into(),
            source: source.into(),
            problem: None,
        }
    }

    fn but(mut self, problem: Option<String>) -> Self {
        self.problem = problem;
        self
    }
}

pub(crate) fn run(context: &Context, args: &DoctorArgs) -> anyhow::Result<Outcome> {
    let mut findings = vec![
        Finding::new("version", env!("CARGO_PKG_VERSION"), "the program"),
        libtorch(),
        settings_file(context),
        device(context, args.device.device),
        precision(context),
        threads(context),
        processor(),
        memory(),
    ];
    findings.extend(["OMP_NUM_THREADS", "OMP_WAIT_POLICY"].map(variable));
    let set = &context.settings;
    findings.extend([
        root("raw datasets", set.raw.as_ref(), "--raw", ENV_RAW),
        root(
            "preprocessed cases",
            set.preprocessed.as_ref(),
            "--preprocessed",
            ENV_PREPROCESSED,
        ),
        root("models", set.results.as_ref(), "--results", ENV_RESULTS),
    ]);
    let is_fine = findings.iter().all(|finding| finding.problem.is_none());
    if args.json.json {
        output::document(&json!({ "fine": is_fine, "findings": findings }))?;
    } else {
        show(&findings);
    }
    Ok(match is_fine {
        true => Outcome::Complete,
        false => Outcome::Partial,
    })
}

fn show(findings: &[Finding]) {
    let width = findings.iter().map(|f| f.what.len()).max().unwrap_or(0);
    for Finding {
        what,
        found,
        source,
        ..
    } in findings
    {
        output::line(format!("{what:width$}  {found} ({source})"));
    }
    for finding in findings {
        if let Some(problem) = &finding.problem {
            output::line(format!("{}: {problem}", finding.what));
        }
    }
}

fn libtorch() -> Finding {
    let found = match libtorch_folder() {
        Some(folder) => folder.display().to_string(),
        None => "linked in".to_owned(),
    };
    Finding::new("libtorch", found, format!("built for {LIBTORCH}"))
}

fn settings_file(context: &Context) -> Finding {
    let what = "settings file";
    match &context.settings.file {
        None => Finding::new(what, "none", "--config, ./nnunet.toml or the user's own"),
        Some(file) => {
            let found = file.value.display().to_string();
            Finding::new(
                what,
                found,
                match &file.origin {
                    Origin::File(_) => "found where it is looked for".to_owned(),
                    origin => origin.to_string(),
                },
            )
        }
    }
}

/// The device that networks run on, and why it is no GPU if it is none.
fn device(context: &Context, typed: Option<DeviceChoice>) -> Finding {
    let stored = context.settings.device.as_ref();
    let asked = typed.or(stored.map(|setting| setting.value));
    let choice = asked.unwrap_or(DeviceChoice::Cuda(0));
    let source = match (typed, stored) {
        (Some(_), _) => "--device".to_owned(),
        (None, Some(setting)) => setting.origin.to_string(),
        (None, None) => "the first GPU, or the CPU if there is none".to_owned(),
    };
    match choice.open() {
        Ok(_) => Finding::new("device", choice.to_string(), source),
        Err(error) if asked.is_some() => {
            Finding::new("device", choice.to_string(), source).but(Some(error.to_string()))
        }
        Err(error) => Finding::new("device", "cpu", format!("{source}; {error}")),
    }
}

/// The numbers that commands compute in unless they are told otherwise.
fn precision(context: &Context) -> Finding {
    match &context.settings.precision {
        None => Finding::new("precision", "by device", "no settings file sets it"),
        Some(setting) => {
            let value = setting.value.to_possible_value();
            let name = value.map_or_else(String::new, |value| value.get_name().to_owned());
            Finding::new("precision", name, setting.origin.to_string())
        }
    }
}

fn threads(context: &Context) -> Finding {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let source = match &context.settings.threads {
        None => "all that are available".to_owned(),
        Some(setting) => format!("{}; {available} are available", setting.origin),
    };
    Finding::new("threads", context.threads.to_string(), source)
}

/// The instructions that make networks and augmentation fast.
fn processor() -> Finding {
    let mut found: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        let have = [
            ("AVX2", is_x86_feature_detected!("avx2")),
            ("AVX-512", is_x86_feature_detected!("avx512f")),
            ("AVX-512 BF16", is_x86_feature_detected!("avx512bf16")),
        ];
        found.extend(have.iter().filter(|(_, has)| *has).map(|(name, _)| name));
    }
    if found.is_empty() {
        found.push("nothing special");
    }
    Finding::new("vector instructions", found.join(", "), env::consts::ARCH)
}

/// Memory of the machine, and of the group that the process is confined to.
fn memory() -> Finding {
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let document = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of = |key: &str| -> Option<u64> {
        let line = document.lines().find(|line| line.starts_with(key))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024)
    };
    let (Some(total), Some(available)) = (of("MemTotal:"), of("MemAvailable:")) else {
        return Finding::new("memory", "unknown", env::consts::OS);
    };
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse::<u64>().ok());
    let mut found = format!("{}, {} of it free", gigabytes(total), gigabytes(available));
    if let Some(limit) = limit.filter(|limit| *limit < total) {
        found = format!("{found}; this process may use {}", gigabytes(limit));
    }
    Finding::new("memory", found, env::consts::OS)
}

fn variable(name: &'static str) -> Finding {
    match env::var(name) {
        Ok(value) => Finding::new(name, value, "the environment"),
        Err(_) => Finding::new(name, "not set", "the environment"),
    }
}

/// One of the root folders.
fn root(
    what: &'static str,
    given: Option<&Setting<PathBuf>>,
    option: &str,
    variable: &str,
) -> Finding {
    let Some(Setting { value, origin }) = given else {
        let means = format!("{option}, a settings file or {variable}");
        return Finding::new(what, "not given", means);
    };
    let (path, source) = (value.as_path(), origin.to_string());
    let names = match fs::read_dir(path) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("Dataset"))
            .count(),
        Err(error) => {
            let problem = format!(
                "{} cannot be read ({error}): make it, or name another folder with {option}",
                path.display()
            );
            return Finding::new(what, path.display().to_string(), source).but(Some(problem));
        }
    };
    let read_only = fs::metadata(path).is_ok_and(|found| found.permissions().readonly());
    let problem = (read_only && option != "--raw").then(|| {
        format!(
            "{} cannot be written to: change its permissions, or name another folder with \
             {option}",
            path.display()
        )
    });
    let found = format!("{}: {names} datasets", path.display());
    Finding::new(what, found, source).but(problem)
}
