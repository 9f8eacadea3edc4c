//! What the program finds on this machine, and where each setting comes from.

use std::env;
use std::fs;
use std::path::Path;

use nnunet::infer::LIBTORCH;
use nnunet::model::{DeviceChoice, libtorch_folder};
use nnunet::schema::layout::{ENV_PREPROCESSED, ENV_RAW, ENV_RESULTS};
use serde::Serialize;

use crate::args::DoctorArgs;
use crate::context::Context;
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
        device(args.device.device),
        threads(context),
        processor(),
        memory(),
    ];
    findings.extend(["OMP_NUM_THREADS", "OMP_WAIT_POLICY"].map(variable));
    let roots = context.roots();
    findings.extend([
        root("raw datasets", roots.raw.as_deref(), "--raw", ENV_RAW),
        root(
            "preprocessed cases",
            roots.preprocessed.as_deref(),
            "--preprocessed",
            ENV_PREPROCESSED,
        ),
        root("models", roots.results.as_deref(), "--results", ENV_RESULTS),
    ]);
    if args.json {
        output::line(serde_json::to_string_pretty(&findings)?);
    } else {
        show(&findings);
    }
    Ok(match findings.iter().all(|f| f.problem.is_none()) {
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

/// The device that networks run on, and why it is no GPU if it is none.
fn device(asked: Option<DeviceChoice>) -> Finding {
    let choice = asked.unwrap_or(DeviceChoice::Cuda(0));
    let source = match asked {
        Some(_) => "--device",
        None => "the first GPU, or the CPU if there is none",
    };
    match choice.open() {
        Ok(_) => Finding::new("device", choice.to_string(), source),
        Err(error) if asked.is_some() => {
            Finding::new("device", choice.to_string(), source).but(Some(error.to_string()))
        }
        Err(error) => Finding::new("device", "cpu", format!("{source}; {error}")),
    }
}

fn threads(context: &Context) -> Finding {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let source = format!("--threads; {available} are available");
    let source = if context.threads.get() == available {
        "all that are available".to_owned()
    } else {
        source
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
fn root(what: &'static str, given: Option<&Path>, option: &str, variable: &str) -> Finding {
    let Some(path) = given else {
        return Finding::new(what, "not given", format!("{option} or {variable}"));
    };
    // An option that repeats the variable cannot be told from it, and need not.
    let from_environment = env::var_os(variable).is_some_and(|value| Path::new(&value) == path);
    let source = if from_environment { variable } else { option };
    let names = match fs::read_dir(path) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("Dataset"))
            .count(),
        Err(error) => {
            let problem = format!(
                "{} cannot be read ({error}): make it, or name another folder with {option} or \
                 {variable}",
                path.display()
            );
            return Finding::new(what, path.display().to_string(), source).but(Some(problem));
        }
    };
    let read_only = fs::metadata(path).is_ok_and(|found| found.permissions().readonly());
    let problem = (read_only && option != "--raw").then(|| {
        format!(
            "{} cannot be written to: change its permissions, or name another folder with \
             {option} or {variable}",
            path.display()
        )
    });
    let found = format!("{}: {names} datasets", path.display());
    Finding::new(what, found, source).but(problem)
}
