use std::fs;

use super::*;

fn load(text: &str) -> Result<Experiment, PipelineError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("experiment.toml");
    fs::write(&path, text).unwrap();
    Experiment::load(&path)
}

const HEAD: &str = "datasets = [4, \"Dataset005_B\"]\nconfiguration = \"2d\"\n";

#[test]
fn variants_differ_from_the_method_in_what_they_say() {
    let text = format!(
        "{HEAD}[training]\nepochs = 7\n[variants.baseline]\n[variants.adam]\noptimizer = \"adam\"\n\
         [variants.loss]\nloss = \"top-tenth\"\nmomentum = 0.9\naugmentation = \"none\"\n\
         [variants.network]\nnorm = \"batch\"\nconvolutions = 3\n\
         [variants.residual]\nencoder = \"residual\"\n"
    );
    let experiment = load(&text).unwrap();
    let names: Vec<&String> = experiment.variants.keys().collect();
    assert_eq!(names, ["baseline", "adam", "loss", "network", "residual"]);
    assert_eq!(experiment.folds().count(), 5);
    let datasets: Vec<DatasetId> = experiment.datasets().collect();
    let name = DatasetId::Name("Dataset005_B".to_owned());
    assert_eq!(datasets, [DatasetId::Number(4), name]);

    let fold = Fold::Number(3);
    let trainings: Vec<TrainingConfig> = (experiment.variants.values())
        .map(|variant| variant.training(&experiment.training(DeviceChoice::Cpu), fold))
        .collect();
    let usual = TrainingConfig {
        epochs: 7,
        fold,
        ..TrainingConfig::default()
    };
    assert_eq!(trainings[0], usual);
    let cuda = DeviceChoice::Cuda(0);
    assert_eq!(
        experiment.training(cuda).arithmetic,
        cuda.usual_arithmetic()
    );
    let named = text.replace("epochs = 7", "epochs = 7\narithmetic = \"bfloat16\"");
    let named = load(&named).unwrap().training(cuda).arithmetic;
    assert_eq!(named, nnunet_model::Arithmetic::Bfloat16);
    assert_eq!(trainings[1].initial_learning_rate, 3e-4);
    assert_eq!(trainings[2].momentum, 0.9);
    let folders: Vec<(String, String)> = (experiment.variants.values().zip(&trainings))
        .map(|(v, training)| (trainer_name(training, v.augmentation), v.plans_suffix()))
        .collect();
    assert_eq!(folders[0], ("nnUNetTrainer".to_owned(), String::new()));
    assert_eq!(folders[2].0, "nnUNetTrainerTopk10LossMomentum09NoDA");
    assert_eq!(folders[3].1, "3ConvBN");
    assert_eq!(folders[4].1, "Residual");
}

#[test]
fn an_experiment_that_cannot_be_meant_is_refused() {
    for (text, word) in [
        (format!("{HEAD}[variants.a]\n"), "two or more"),
        (
            format!("{HEAD}[variants.a]\n[variants.b]\nlearning_rate = 0.02\n"),
            "`a` and `b`",
        ),
        (
            format!("{HEAD}[variants.a]\n[variants.b]\nmomentum = 1.5\n"),
            "`b`",
        ),
        (
            format!("{HEAD}[variants.a]\n[variants.b]\nencoder = \"residual\"\nconvolutions = 3\n"),
            "convolutions",
        ),
        (
            format!("{HEAD}[variants.\"a b\"]\n[variants.a_b]\nnorm = \"batch\"\n"),
            "alike",
        ),
        (
            format!("{HEAD}[variants.a]\n[variants.b]\nlos = \"dice\"\n"),
            "los",
        ),
        (
            format!("{HEAD}[training]\nepoch = 3\n[variants.a]\n[variants.b]\n"),
            "epoch",
        ),
        (
            "datasets = []\nconfiguration = \"2d\"\n[variants.a]\n".to_owned(),
            "empty",
        ),
    ] {
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
        assert!(error.contains("experiment.toml"), "{error}");
    }
}
