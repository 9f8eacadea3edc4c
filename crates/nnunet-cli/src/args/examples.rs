//! Examples for the help of each command.

/// A heading and examples: what each is for, and the command.
macro_rules! examples {
    ($($what:literal => $command:literal),+ $(,)?) => {
        concat!("Examples:", $("\n  ", $command, "\n      ", $what),+)
    };
}

pub(super) const CONVERT_MSD: &str = examples!(
    "a task of the decathlon becomes Dataset004_Hippocampus" =>
        "nnunet convert-msd Task04_Hippocampus --raw raw",
);
pub(super) const VERIFY: &str = examples!(
    "every finding in every case" => "nnunet verify 4",
    "the same for a program" => "nnunet verify Dataset004_Hippocampus --json",
);
pub(super) const FINGERPRINT: &str = examples!(
    "what the planner works from" => "nnunet fingerprint 4",
    "anew, sampled as nnU-Net v2 does it" => "nnunet fingerprint 4 --rules v2 --clean",
);
pub(super) const PLAN: &str = examples!(
    "by the rules of the paper, with the reason for each value" => "nnunet plan 4 --explain",
    "for a residual encoder on a GPU of 16 GB" =>
        "nnunet plan 4 --rules resenc-l --gpu-memory 16",
    "small enough for a processor" =>
        "nnunet plan 4 --base-features 8 --batch-size 2 --patch-size 40,56,40",
    "without any images" =>
        "nnunet plan --fingerprint dataset_fingerprint.json --dataset-json dataset.json --draw pictures",
    "mistakes in plans that were edited by hand" => "nnunet plan --check nnUNetPlans.json",
);
pub(super) const SPLIT: &str = examples!(
    "five random folds" => "nnunet split 4",
    "the cases of a patient in the same fold" =>
        "nnunet split 4 --group-pattern '^(patient[0-9]+)_'",
);
pub(super) const PREPROCESS: &str = examples!(
    "the cases for one configuration" => "nnunet preprocess 4 -c 3d_fullres",
    "for all, in half the space" => "nnunet preprocess 4 --half",
);
pub(super) const PREVIEW_AUGMENTATION: &str = examples!(
    "four patches, each as it is and augmented five times" =>
        "nnunet preview-augmentation 4 3d_fullres -o augmentation.png",
);
pub(super) const MODEL_INFO: &str = examples!(
    "the planned networks, stage by stage" => "nnunet model-info 4",
    "what another patch would cost" =>
        "nnunet model-info 4 -c 3d_fullres --patch-size 64,128,128",
);
pub(super) const TRAIN: &str = examples!(
    "one fold of five" => "nnunet train 4 3d_fullres 0",
    "on with it after an interruption" => "nnunet train 4 3d_fullres 0 --continue",
    "with little compute" =>
        "nnunet train 4 3d_fullres 0 --epochs 60 --iterations 50 --device cpu",
    "from the weights of another training" =>
        "nnunet train 4 3d_fullres 0 --pretrained checkpoint_final.pth --matching-only",
);
pub(super) const PREDICT: &str = examples!(
    "with what a selection chose" => "nnunet predict --selected 4 -i images -o segmentations",
    "with one model, all its folds averaged" =>
        "nnunet predict -m results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_fullres -i images -o segmentations",
    "what each case would take" => "nnunet predict -m MODEL -i images -o segmentations --dry-run",
    "a quarter of the cases, so that four machines share them" =>
        "nnunet predict -m MODEL -i images -o segmentations --shard 0/4 --continue",
);
pub(super) const ENSEMBLE: &str = examples!(
    "the mean of two predictions with --save-probabilities" =>
        "nnunet ensemble -i by_2d by_3d -o segmentations",
);
pub(super) const EXPORT_CHECKPOINT: &str = examples!(
    "a model folder that the Python program predicts with" =>
        "nnunet export-checkpoint -m results/Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__2d",
);
pub(super) const EXPORT_MODEL: &str = examples!(
    "what a selection chose, for others to predict with" =>
        "nnunet export-model 4 --selected -o hippocampus.zip",
    "two folds of one configuration" =>
        "nnunet export-model 4 -c 3d_fullres -f 0 1 -o hippocampus.zip",
);
pub(super) const INSTALL_MODEL: &str = examples!(
    "into the folder of results" => "nnunet install-model hippocampus.zip",
    "over an older version" => "nnunet install-model hippocampus.zip --overwrite",
);
pub(super) const EVALUATE: &str = examples!(
    "Dice and others, and distances of surfaces" =>
        "nnunet evaluate --references labels --predictions segmentations --dataset-json dataset.json --surface",
    "for a program, and all cases as a table" =>
        "nnunet evaluate --references labels --predictions segmentations --dataset-json dataset.json --json --csv cases.csv",
);
pub(super) const SELECT: &str = examples!(
    "between all configurations whose five folds are trained" => "nnunet select 4",
    "between two, on the folds that there are" =>
        "nnunet select 4 -c 2d 3d_fullres -f 0 1 --no-ensembling",
);
pub(super) const POSTPROCESS: &str = examples!(
    "what a selection found to help" =>
        "nnunet postprocess -i predictions -o segmentations --postprocessing postprocessing.json",
);
pub(super) const COMPARE: &str = examples!(
    "two methods on two datasets" =>
        "nnunet compare ours=Liver=a.json theirs=Liver=b.json ours=Lung=c.json theirs=Lung=d.json",
    "the same from a file" => "nnunet compare --list results.toml -o comparison",
);
pub(super) const COMPARE_FINGERPRINTS: &str = examples!(
    "three datasets, one by its file" =>
        "nnunet compare-fingerprints 4 5 other/dataset_fingerprint.json",
);
pub(super) const EXPERIMENT: &str = examples!(
    "what the file describes; repeated, it goes on" => "nnunet experiment norms.toml --device cuda",
);
pub(super) const RUN: &str = examples!(
    "everything; repeated, it goes on" => "nnunet run 4",
    "what it would do, and how long that may take" => "nnunet run 4 --dry-run",
    "one network instead of all" => "nnunet run 4 --fast",
    "one training at a time on each of two GPUs" => "nnunet run 4 --device cuda:0 cuda:1",
    "as jobs of a Slurm cluster" => "nnunet run 4 --slurm cluster.toml",
);
pub(super) const JOBS: &str = examples!(
    "an object of JSON per job and line" => "nnunet jobs 4 --format jsonl",
);
pub(super) const STATUS: &str = examples!(
    "how far it is" => "nnunet status 4",
    "the same for a program" => "nnunet status 4 --json",
);
pub(super) const REPORT: &str = examples!(
    "a page to open in a browser" => "nnunet report 4 -o hippocampus.html",
);
pub(super) const DEMO: &str = examples!(
    "a few minutes on two processor cores" => "nnunet demo --output demo",
);
pub(super) const DOCTOR: &str = examples!(
    "what is there, and where each setting comes from" => "nnunet doctor",
    "with another settings file" => "nnunet doctor --config cluster.toml --json",
);
pub(super) const COMPLETIONS: &str = examples!(
    "to be read by bash when it starts" => "nnunet completions bash",
);
pub(super) const MAN_PAGES: &str = examples!(
    "where man looks for them" => "nnunet man-pages ~/.local/share/man/man1",
);

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::args::Arguments;

    /// The words of a line, as a shell has them; only single quotes are known here.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for (index, part) in line.split('\'').enumerate() {
            let mut pieces = part.split(|c: char| c == ' ' && index % 2 == 0);
            words.last_mut().unwrap().push_str(pieces.next().unwrap());
            words.extend(pieces.map(str::to_owned));
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn options_are_called_the_same_everywhere() {
        let program = Arguments::command();
        for command in program.get_subcommands() {
            for option in command.get_arguments() {
                let Some(long) = option.get_long() else {
                    continue;
                };
                let place = format!("{} --{long}", command.get_name());
                let mut names = vec![long];
                names.extend(option.get_all_aliases().unwrap_or_default());
                let expected: &[&str] = match option.get_short() {
                    Some('c') => &["configuration", "configurations"],
                    Some('f') => &["folds"],
                    Some('i') => &["input"],
                    Some('m') => &["model"],
                    Some('o') => &["output"],
                    Some('p') => &["plans"],
                    Some('h') => &["help"],
                    Some(other) => panic!("{place}: -{other} is no short option of the program"),
                    None => &[],
                };
                names.sort_unstable();
                assert!(
                    expected.is_empty() || names == expected,
                    "{place}: {names:?}"
                );
                let has_short = [
                    "configuration",
                    "configurations",
                    "folds",
                    "input",
                    "model",
                    "output",
                ]
                .contains(&long);
                assert!(!has_short || option.get_short().is_some(), "{place}");
            }
        }
    }

    #[test]
    fn every_command_has_examples_that_are_understood() {
        assert_eq!(words("a  'b c'd e"), ["a", "b cd", "e"]);
        let program = Arguments::command();
        for command in program.get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_else(|| panic!("`{name}` has no examples"));
            let examples: Vec<&str> = (help.lines())
                .filter_map(|line| line.strip_prefix("  "))
                .filter(|line| line.starts_with("nnunet "))
                .collect();
            assert!(!examples.is_empty(), "`{name}` has no examples");
            for example in examples {
                let words = words(example);
                assert_eq!(words[1], name, "{example}");
                if let Err(error) = Arguments::try_parse_from(words) {
                    panic!("{example}: {error}");
                }
            }
        }
    }
}
