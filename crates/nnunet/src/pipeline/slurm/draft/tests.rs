//! What the commands of a script are, and what `sbatch` is called with.

use std::collections::BTreeMap;

use super::*;
use crate::pipeline::graph::Accelerator;
use crate::pipeline::slurm::JobClass;

const PROFILE: &str = "[train]\ncpus = 8\n";

fn layout() -> Layout {
    Layout {
        raw: "/data/raw".into(),
        preprocessed: "/data/preprocessed".into(),
        results: "/data/100% sure".into(),
    }
}

fn draft_with(threads: Option<usize>, content: BatchContent, class: JobClass) -> Draft {
    let variable = |name: &str, value: &str| Variable {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let program = Program {
        executable: "/opt/nnunet".into(),
        options: vec!["--epochs".to_owned(), "10".to_owned()],
        threads: threads.and_then(NonZeroUsize::new),
        environment: vec![
            variable("LD_LIBRARY_PATH", "/lib"),
            variable(OMP_THREADS, "3"),
        ],
    };
    let profile = Profile::parse(PROFILE, Path::new("cluster.toml")).unwrap();
    let drafter = Drafter {
        layout: &layout(),
        dataset: "Dataset004_A",
        profile: &profile,
        program: &program,
    };
    let batch = Batch {
        content,
        class,
        accelerator: Accelerator::None,
        after: vec![
            After::Batch(0),
            After::Task(1, 3),
            After::Queued(SlurmId::task(7, 1)),
        ],
    };
    drafter.draft(batch).unwrap()
}

fn folds() -> BatchContent {
    BatchContent::Array {
        prefix: "train-2d-".to_owned(),
        tasks: BTreeMap::from([(0, JobId::new("train-2d-0")), (2, JobId::new("train-2d-2"))]),
    }
}

fn preparation(rest: Rest) -> BatchContent {
    BatchContent::Preparation {
        jobs: vec![JobId::new("plan"), JobId::new("split")],
        kinds: vec![JobKind::Plan, JobKind::Split],
        rest,
    }
}

/// The lines of a script that set variables or run something.
fn lines(draft: &Draft) -> Vec<&str> {
    let is_wanted = |line: &&str| line.starts_with("export") || line.contains("attempt /");
    draft.script.lines().filter(is_wanted).collect()
}

#[test]
fn sbatch_is_told_what_to_wait_for_and_where_to_write() {
    let draft = draft_with(None, folds(), JobClass::Train);
    let arguments = draft.arguments(|batch| (100 + batch).to_string());
    assert_eq!(
        arguments,
        [
            "--output=/data/100%% sure/Dataset004_A/jobs/slurm/train-2d-%A_%a.log",
            "--dependency=afterok:100:101_3:7_1",
            "--kill-on-invalid-dep=yes",
        ]
    );
    let folder = "/data/100% sure/Dataset004_A/jobs/slurm";
    assert_eq!(draft.path, Path::new(folder).join("train-2d.sh"));
    let submitted = draft.submitted_as(200);
    let fold_2 = (
        JobId::new("train-2d-2"),
        SlurmId::task(200, 2),
        Path::new(folder).join("train-2d-200_2.log"),
    );
    assert_eq!(submitted[1], fold_2);
}

#[test]
fn the_tasks_of_an_array_have_one_command_and_the_threads_that_they_ask_for() {
    let run = "--job train-2d-\"$SLURM_ARRAY_TASK_ID\" --epochs 10";
    let roots = "--raw /data/raw --preprocessed /data/preprocessed --results '/data/100% sure'";
    let draft = draft_with(None, folds(), JobClass::Train);
    assert!(
        draft.script.contains("#SBATCH --array=0,2\n"),
        "{}",
        draft.script
    );
    assert_eq!(
        lines(&draft),
        [
            "export LD_LIBRARY_PATH=/lib",
            "export OMP_NUM_THREADS=8",
            &format!("attempt /opt/nnunet {roots} --threads 8 run Dataset004_A {run}"),
        ]
    );
    // Those of the command line go before.
    let draft = draft_with(Some(4), folds(), JobClass::Train);
    assert!(draft.script.contains("--threads 4 run"));
    assert!(draft.script.contains("--cpus-per-task=8\n"));
    // Where nothing is known of them, nothing is changed.
    let draft = draft_with(
        None,
        BatchContent::Single(JobId::new("report")),
        JobClass::Light,
    );
    assert!(!draft.script.contains("--threads"));
    assert!(draft.script.contains("export OMP_NUM_THREADS=3\n"));
}

#[test]
fn a_preparation_ends_with_the_submission_of_what_was_asked_for() {
    let commands = |rest: Rest| {
        let draft = draft_with(None, preparation(rest), JobClass::Prepare);
        let lines = lines(&draft)
            .into_iter()
            .filter(|line| line.contains("attempt"));
        let after_run = lines.filter_map(|line| Some(line.split_once(" run ")?.1.to_owned()));
        after_run.collect::<Vec<_>>()
    };
    let first = "Dataset004_A --only plan split --epochs 10";
    let submission = "Dataset004_A --slurm '/data/100% sure/Dataset004_A/jobs/slurm/profile.toml'";
    assert_eq!(commands(Rest::None), [first]);
    assert_eq!(
        commands(Rest::All),
        [first.to_owned(), format!("{submission} --epochs 10")]
    );
    assert_eq!(
        commands(Rest::Kinds(vec![JobKind::Preprocess])),
        [
            first.to_owned(),
            format!("{submission} --only preprocess --epochs 10")
        ]
    );
}

#[test]
#[cfg(unix)]
fn a_path_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/data/\xff"));
    let said = text(path).unwrap_err();
    assert!(matches!(said, SlurmError::NotText { .. }), "{said}");
}
