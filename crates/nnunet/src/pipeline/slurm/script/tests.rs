//! The scripts, word for word; and what bash makes of them, with programs that stand in for
//! Slurm's and ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::super::profile::{JobClass, Profile};
use super::*;

const PROFILE: &str = r#"
partition = "cpu,cpu-long"
account = "lab"
time = "4:00:00"
memory = "16G"
setup = ["module load gcc/12", "ulimit -c 0"]

[train]
partition = "gpu"
qos = "long"
time = "2-00:00:00"
memory = "64G"
cpus = 8
gpus = 1
gpu_type = "a100"
at_once = 2
checkpoint_seconds = 120
sbatch = ["--constraint=ib", "--mail-type=FAIL"]
"#;

fn settings(class: JobClass) -> Settings {
    let profile = Profile::parse(PROFILE, Path::new("cluster.toml"));
    profile.unwrap().settings(class)
}

fn words(words: &[&str]) -> Vec<Word> {
    words
        .iter()
        .map(|word| Word::Plain((*word).to_owned()))
        .collect()
}

fn training() -> Script {
    let mut command = words(&[
        "/opt/nn unet/nnunet",
        "--raw",
        "/data/it's raw",
        "run",
        "Dataset004_Hippocampus",
        "--job",
    ]);
    command.push(Word::WithTask("train-3d_fullres-".to_owned()));
    command.extend(words(&["--epochs", "100"]));
    Script {
        name: "nnunet-Dataset004_Hippocampus-train 3d_fullres".to_owned(),
        settings: settings(JobClass::Train),
        tasks: vec![0, 1, 2, 3, 4],
        accelerator: Accelerator::Gpu,
        environment: vec![
            Variable {
                name: "LD_LIBRARY_PATH".to_owned(),
                value: "/opt/lib torch/lib:$ORIGIN".to_owned(),
            },
            Variable {
                name: "OMP_NUM_THREADS".to_owned(),
                value: "8".to_owned(),
            },
        ],
        commands: vec![command],
    }
}

#[test]
fn a_training_is_an_array() {
    let golden = include_str!("golden/train.sh");
    assert_eq!(training().render(), golden);
}

#[test]
fn a_preparation_submits_what_follows_if_it_succeeds() {
    let script = Script {
        name: "nnunet-Dataset004_Hippocampus-prepare".to_owned(),
        settings: settings(JobClass::Prepare),
        tasks: Vec::new(),
        accelerator: Accelerator::None,
        environment: Vec::new(),
        commands: vec![
            words(&["nnunet", "run", "Dataset004_Hippocampus", "--only", "plan"]),
            words(&[
                "nnunet",
                "run",
                "Dataset004_Hippocampus",
                "--slurm",
                "a.toml",
            ]),
        ],
    };
    assert_eq!(script.render(), include_str!("golden/prepare.sh"));
}

#[test]
fn what_has_no_use_for_a_gpu_gets_none() {
    let with = |accelerator, gpus| {
        let mut script = training();
        script.accelerator = accelerator;
        script.settings.gpus = gpus;
        script.render()
    };
    assert!(with(Accelerator::Gpu, None).contains("--gres=gpu:a100:1\n"));
    assert!(with(Accelerator::Gpu, Some(2)).contains("--gres=gpu:a100:2\n"));
    assert!(!with(Accelerator::Gpu, Some(0)).contains("gres"));
    assert!(!with(Accelerator::None, Some(1)).contains("gres"));
}

#[test]
fn indices_are_a_range_where_they_are_one() {
    assert_eq!(indices(&[0, 1, 2]), "0-2");
    assert_eq!(indices(&[0, 2, 3]), "0,2,3");
    assert_eq!(indices(&[3]), "3");
}

/// A script that runs beside stand-ins for `squeue`, `scontrol` and the program.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// With a program that does this, in a queue that says this of the job.
    fn new(program: &str, state: &str) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        stage.put("program", program);
        stage.put(
            "squeue",
            &format!("echo \"$@\" >> squeue.log; echo {state}"),
        );
        stage.put("scontrol", "echo \"$@\" >> scontrol.log");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), format!("#!/bin/bash\n{text}\n")).unwrap();
        let all = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path(name), all).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs the script, with a signal when the program has begun if there is to be one; how it
    /// ended.
    fn run(&self, mut script: Script, signal: Option<&str>) -> Option<i32> {
        script.settings.setup = None;
        let program = self.path("program").display().to_string();
        for command in &mut script.commands {
            command[0] = Word::Plain(program.clone());
        }
        self.put("script", &script.render());
        let path = std::env::var("PATH").unwrap();
        let mut child = Command::new("bash")
            .arg(self.path("script"))
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().display()))
            .env("SLURM_JOB_ID", "12")
            .env("SLURM_ARRAY_JOB_ID", "12")
            .env("SLURM_ARRAY_TASK_ID", "3")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        if let Some(signal) = signal {
            let begun = Instant::now();
            while !self.path("begun").exists() {
                assert!(
                    begun.elapsed() < Duration::from_secs(20),
                    "it did not begin"
                );
                std::thread::sleep(Duration::from_millis(5));
            }
            let pid = child.id().to_string();
            let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
            assert!(sent.success());
        }
        child.wait().unwrap().code()
    }
}

const STOPS: &str = "trap 'echo told >> told; sleep 0.2; exit 75' TERM
touch begun
for i in {1..100}; do sleep 0.1; done";

#[test]
fn bash_gives_the_words_to_the_program_as_they_are() {
    let stage = Stage::new(
        "printf '%s|' \"$@\" \"$LD_LIBRARY_PATH\" > words",
        "RUNNING",
    );
    assert_eq!(stage.run(training(), None), Some(0));
    assert_eq!(
        stage.read("words"),
        "--raw|/data/it's raw|run|Dataset004_Hippocampus|--job|train-3d_fullres-3|--epochs|100|\
         /opt/lib torch/lib:$ORIGIN|"
    );
    assert_eq!(stage.read("scontrol.log"), "");
}

#[test]
fn a_signal_is_passed_on_and_the_job_goes_back_into_the_queue() {
    let stage = Stage::new(STOPS, "RUNNING");
    assert_eq!(stage.run(training(), Some("-TERM")), Some(75));
    assert_eq!(stage.read("told"), "told\n");
    assert_eq!(stage.read("scontrol.log"), "requeue 12_3\n");
    assert!(stage.read("squeue.log").contains("--jobs=12_3"));
    // What is no array is requeued by its own number.
    let stage = Stage::new(STOPS, "RUNNING");
    let single = Script {
        tasks: Vec::new(),
        commands: vec![words(&["nnunet", "run", "4"])],
        ..training()
    };
    assert_eq!(stage.run(single, Some("-TERM")), Some(75));
    assert_eq!(stage.read("scontrol.log"), "requeue 12\n");
}

#[test]
fn a_program_that_ends_well_in_spite_of_a_signal_is_done() {
    let ends_well =
        "trap 'echo told > told' TERM\ntouch begun\nwhile [ ! -e told ]; do sleep 0.05; done";
    let stage = Stage::new(ends_well, "RUNNING");
    assert_eq!(stage.run(training(), Some("-TERM")), Some(0));
    assert_eq!(stage.read("told"), "told\n");
    assert_eq!(stage.read("scontrol.log"), "");
}

#[test]
fn a_job_that_was_removed_stays_so() {
    for state in ["COMPLETING", "CANCELLED"] {
        let stage = Stage::new("exit 75", state);
        assert_eq!(stage.run(training(), None), Some(75));
        assert_eq!(stage.read("scontrol.log"), "", "{state}");
    }
}

#[test]
fn a_failure_is_one() {
    let stage = Stage::new("exit 2", "RUNNING");
    assert_eq!(stage.run(training(), None), Some(2));
    assert_eq!(stage.read("scontrol.log"), "");
    // What follows is not begun.
    let stage = Stage::new("echo \"$1\" >> begun; exit 1", "RUNNING");
    let two = Script {
        commands: vec![words(&["x", "first"]), words(&["x", "second"])],
        ..training()
    };
    assert_eq!(stage.run(two, None), Some(1));
    assert_eq!(stage.read("begun"), "first\n");
}
