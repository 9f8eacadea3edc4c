//! The work on a dataset as jobs of a Slurm cluster, which is started here for the test.

mod cluster;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use cluster::Cluster;
use serde_json::Value;

use crate::program::{Ended, Program};

const RESULTS: &str = "results/Dataset900_Phantom";
/// Enough for a training to be caught in the middle.
const EPOCHS: u64 = 400;
/// How long one step of the work may take.
const PATIENCE: Duration = Duration::from_secs(120);

const PROFILE: &str = r#"
cpus = 1
checkpoint_seconds = 60
setup = ["echo \"setup for $SLURM_JOB_NAME\""]

[train]
time = "60"
"#;

/// Phantoms in folders whose names a shell, and Slurm, would misread.
struct Work<'a> {
    program: Program,
    cluster: Option<&'a Cluster>,
}

impl<'a> Work<'a> {
    fn new(cluster: Option<&'a Cluster>) -> Self {
        let folder = tempfile::Builder::new().prefix("it's %A \"my\" ").tempdir();
        let program = Program::with_phantoms_in(folder.unwrap());
        fs::write(program.path("cluster.toml"), PROFILE).unwrap();
        Self { program, cluster }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.program.command();
        command.args(words);
        if let Some(cluster) = self.cluster {
            command.env("SLURM_CONF", cluster.configuration());
        }
        command
    }

    fn submission(&self) -> Command {
        let mut command = self.command(&["run", "900", "--slurm"]);
        command.arg(self.program.path("cluster.toml"));
        let epochs = EPOCHS.to_string();
        command.args(["--configurations", "2d", "--folds", "0", "1", "2"]);
        command.args([
            "--epochs",
            &epochs,
            "--iterations",
            "2",
            "--loader-threads=1",
        ]);
        command.args(["--base-features", "4", "--batch-size", "2"]);
        command
    }

    fn submit(&self) -> String {
        let ended = Ended::from(self.submission().output().unwrap());
        assert_eq!(ended.code, Some(0), "{ended:?}{}", self.logs());
        ended.stdout
    }

    /// The jobs as `nnunet status` tells programs of them.
    fn statuses(&self) -> Vec<Value> {
        let ended = Ended::from(self.command(&["status", "900", "--json"]).output().unwrap());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        document["jobs"].as_array().unwrap().clone()
    }

    fn status(&self, job: &str) -> Value {
        let mut jobs = self.statuses().into_iter();
        jobs.find(|found| found["id"] == job).unwrap_or_default()
    }

    /// The number of a job in the queue, as soon as it was submitted.
    fn submitted(&self, job: &str) -> String {
        let record = self.program.path(&format!("{RESULTS}/jobs/slurm.json"));
        let mut id = String::new();
        self.wait_for(&format!("{job} in the queue"), || {
            let text = fs::read_to_string(&record).unwrap_or_default();
            let record: Value = serde_json::from_str(&text).unwrap_or_default();
            let found = record["jobs"][job]["id"].as_str();
            id = found.unwrap_or_default().to_owned();
            !id.is_empty()
        });
        id
    }

    /// The epochs that a fold has been trained for, in the order of the log.
    fn epochs(&self, fold: usize) -> Vec<u64> {
        let model = "nnUNetTrainer__nnUNetPlans__2d";
        let log = format!("{RESULTS}/{model}/fold_{fold}/training_log.jsonl");
        let text = fs::read_to_string(self.program.path(&log)).unwrap_or_default();
        let lines = text.lines();
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line["epoch"].as_u64()).collect()
    }

    fn stamp(&self, relative: &str) -> Value {
        let text = fs::read_to_string(self.program.path(relative)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn training_stamp(&self, fold: usize) -> Value {
        let model = "nnUNetTrainer__nnUNetPlans__2d";
        self.stamp(&format!("{RESULTS}/jobs/{model}-fold_{fold}.json"))
    }

    fn slurm(&self, program: &str, words: &[&str]) -> String {
        let cluster = self.cluster.unwrap();
        let said = cluster.ask(program, words);
        said.unwrap_or_else(|| panic!("{program} {words:?} failed{}", self.logs()))
    }

    fn wait_for(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            if begun.elapsed() > PATIENCE {
                panic!("{what}: not after {PATIENCE:?}{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("{what}: after {:.1} s", begun.elapsed().as_secs_f64());
    }

    /// Waits until a job that was submitted as this has ended, or is not known any more.
    fn wait_for_the_end_of(&self, job: &str, id: &str) {
        self.wait_for(&format!("{job} has ended"), || {
            let found = self.status(job)["slurm"].clone();
            assert_eq!(found["id"], id, "{found}");
            let state = found["state"].as_str().unwrap_or_default();
            !["pending", "running", "completing"].contains(&state)
        });
    }

    fn logs(&self) -> String {
        let mut text = self.cluster.map_or(String::new(), Cluster::logs);
        let folder = self.program.path(&format!("{RESULTS}/jobs/slurm"));
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path: PathBuf = entry.path();
            if path.extension().is_some_and(|ending| ending == "log") {
                let log = fs::read_to_string(&path).unwrap_or_default();
                text.push_str(&format!("\n{}:\n{log}", path.display()));
            }
        }
        text
    }
}

#[test]
fn the_graph_runs_on_a_cluster_and_survives_what_befalls_its_jobs() {
    let cluster = match Cluster::start() {
        Ok(cluster) => cluster,
        Err(reason) => {
            println!("the_graph_runs_on_a_cluster: skipped: {reason}");
            return;
        }
    };
    let work = Work::new(Some(&cluster));
    // What is in the queue is not submitted twice.
    let set_partition = |state: &str| {
        let state = format!("State={state}");
        work.slurm("scontrol", &["update", "PartitionName=main", &state]);
    };
    set_partition("DOWN");
    let said = work.submit();
    assert!(said.contains("prepare: Slurm job"), "{said}");
    assert!(
        said.contains("what follows is submitted by `prepare`"),
        "{said}"
    );
    let first = work.submitted("plan");
    let said = work.submit();
    assert!(said.contains("0 Slurm jobs submitted"), "{said}");
    set_partition("UP");

    // The rest is submitted from the node, an array for the folds.
    let ids = [0, 1, 2].map(|fold| work.submitted(&format!("train-2d-{fold}")));
    let array = ids[0].split('_').next().unwrap();
    assert_eq!(ids, [0, 1, 2].map(|fold| format!("{array}_{fold}")));
    let selection = work.submitted("select");
    assert_eq!(BTreeSet::from([&first, &ids[0], &selection]).len(), 3);
    let waiting = work.status("select");
    assert_eq!(waiting["slurm"]["state"], "pending", "{waiting}");
    assert_eq!(waiting["slurm"]["reason"], "Dependency", "{waiting}");

    // A signal before the time limit: a checkpoint, and back into the queue.
    work.wait_for("fold 0 trains", || !work.epochs(0).is_empty());
    work.slurm("scancel", &["--batch", "--signal=TERM", &ids[0]]);
    // Taken from its node: it goes on from the last checkpoint.
    work.wait_for("fold 1 trains", || !work.epochs(1).is_empty());
    work.slurm("scontrol", &["requeue", &ids[1]]);
    // Killed, as if it had taken too much memory: the job has failed, what waits for it is doomed.
    work.wait_for("fold 2 trains", || !work.epochs(2).is_empty());
    let pid = work.status("train-2d-2")["owner"]["pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-KILL", &pid])
            .status()
            .unwrap()
            .success()
    );
    work.wait_for_the_end_of("train-2d-2", &ids[2]);
    let shown = Ended::from(work.command(&["status", "900"]).output().unwrap());
    let log = format!("train-2d-{}.log", ids[2]);
    assert!(
        shown.stdout.contains("failed: see") && shown.stdout.contains(&log),
        "{shown:?}"
    );
    let said = work.submit();
    for expected in [
        "train-2d: Slurm job ",
        "_2\n",
        "select: Slurm job ",
        &selection,
    ] {
        assert!(said.contains(expected), "{expected}: {said}{}", work.logs());
    }
    let again = ["train-2d-2", "select"].map(|job| work.submitted(job));
    assert!(
        !again.contains(&ids[2]) && !again.contains(&selection),
        "{again:?}"
    );

    // Removed by a person: that it stops with a checkpoint does not bring it back.
    let before = work.epochs(2).len();
    work.wait_for("fold 2 trains again", || work.epochs(2).len() > before);
    work.slurm("scancel", &[&again[0]]);
    work.wait_for_the_end_of("train-2d-2", &again[0]);
    assert_eq!(work.status("train-2d-2")["slurm"]["state"], "cancelled");
    work.submit();

    work.wait_for("all is done", || {
        (work.statuses().iter()).all(|job| job["state"] == "done")
    });
    let chosen = work.stamp(&format!("{RESULTS}/inference_information.json"));
    assert_eq!(
        chosen["best_model_or_ensemble"]["selected_model_or_models"][0]["configuration"], "2d",
        "{chosen}"
    );
    for fold in 0..3 {
        let stamp = work.training_stamp(fold);
        let attempts = [2, 2, 3][fold];
        assert_eq!(stamp["attempts"], attempts, "{stamp}{}", work.logs());
    }
    // Stopped with a checkpoint: no epoch was trained twice.
    assert_eq!(work.epochs(0), (0..EPOCHS).collect::<Vec<_>>());
    let jobs = "preprocessed/Dataset900_Phantom/jobs";
    let stamp = work.stamp(&format!("{jobs}/preprocess-nnUNetPlans_2d.json"));
    assert_eq!(stamp["attempts"], 1, "{stamp}");
    let said = work.submit();
    let all = work.statuses().len();
    let expected = format!("0 Slurm jobs submitted for 0 jobs; {all} are done");
    assert!(said.contains(&expected), "{said}");
    let log = work.status("train-2d-0")["slurm"]["log"].clone();
    let log = fs::read_to_string(log.as_str().unwrap()).unwrap();
    let setups = log.matches("setup for nnunet-Dataset900_Phantom-train-2d");
    assert_eq!(setups.count(), 2, "{log}");
    let shown = Ended::from(work.command(&["status", "900"]).output().unwrap());
    assert!(shown.stdout.contains(&ids[0]), "{shown:?}");

    let _other = plans_here_where_nodes_may_not_submit(&cluster);
    // What still writes its last lines writes them into folders that are about to go.
    let queue = || cluster.ask("squeue", &["--noheader"]);
    work.wait_for("an empty queue", || {
        queue().is_some_and(|jobs| jobs.is_empty())
    });
}

fn plans_here_where_nodes_may_not_submit(cluster: &Cluster) -> Work<'_> {
    let work = Work::new(Some(cluster));
    let profile = format!("submit_from = \"here\"\n{PROFILE}");
    fs::write(work.program.path("cluster.toml"), profile).unwrap();
    let kinds = [
        "--only",
        "verify",
        "fingerprint",
        "plan",
        "split",
        "preprocess",
    ];
    let ended = Ended::from(work.submission().args(kinds).output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("4 jobs run"), "{ended:?}");
    assert!(
        ended.stdout.contains("preprocess-2d: Slurm job"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains("1 Slurm jobs submitted for 1 jobs"),
        "{ended:?}"
    );
    work.wait_for("preprocessing", || {
        work.status("preprocess-2d")["state"] == "done"
    });
    work
}

#[test]
fn without_slurm_it_shows_what_it_would_submit() {
    let work = Work::new(None);
    let without = |mut command: Command| {
        let folder = work.program.path("");
        command.env("PATH", &folder).env("XDG_CONFIG_HOME", &folder);
        Ended::from(command.output().unwrap())
    };
    let mut dry = work.submission();
    dry.args(["--threads", "3", "--dry-run"]);
    let dry = without(dry);
    assert_eq!(dry.code, Some(0), "{dry:?}");
    for said in [
        "#SBATCH --job-name=nnunet-Dataset900_Phantom-prepare\n",
        "#SBATCH --cpus-per-task=1\n",
        "#SBATCH --signal=B:TERM@60\n",
        "export OMP_NUM_THREADS=3\n",
        "it'\\''s %A",
        " --threads 3 run Dataset900_Phantom --only verify fingerprint plan split --",
        " --epochs 400 ",
        " --device cpu\n",
        "it'\\''s %%A",
        "1 Slurm jobs to be submitted for 4 jobs; 0 are done, 0 in the queue",
    ] {
        assert!(dry.stdout.contains(said), "{said}: {}", dry.stdout);
    }
    assert!(!work.program.path("results").exists());

    without(work.submission()).failed_with(&["cannot run `sbatch`", "PATH"]);
    let record = "{\"format\": 1, \"jobs\": {\"verify\": \
                  {\"id\": \"4711\", \"log\": \"v.log\", \"after\": {}, \"work\": \"\"}}}";
    fs::write(
        work.program.path(&format!("{RESULTS}/jobs/slurm.json")),
        record,
    )
    .unwrap();
    let status = without(work.command(&["status", "900"]));
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.contains("4711"), "{status:?}");
    assert!(status.stderr.contains("cannot run `squeue`"), "{status:?}");

    without(work.command(&["run", "900", "--slurm"])).failed_with(&["nnunet/slurm.toml"]);
    let mut two = work.submission();
    two.args(["--device", "cuda:0", "cuda:1"]);
    without(two).failed_with(&["one device"]);
    fs::write(work.program.path("cluster.toml"), "[train]\ngpu = 1\n").unwrap();
    without(work.submission()).failed_with(&["cluster.toml", "no `gpu` in [train]", "gpus"]);
}
