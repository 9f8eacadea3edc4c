//! The picture of what training sees.

use std::fs;

use nnunet::augment::SampleDraw;

use crate::program::Program;

#[test]
fn patches_are_drawn_as_training_sees_them() {
    let program = Program::with_phantoms();
    program.succeed(&["plan", "900", "--base-features", "4"]);
    program
        .run(&["preview-augmentation", "900", "3d_fullres"])
        .failed_with(&["nnunet preprocess", "3d_fullres"]);
    program.succeed(&["preprocess", "900"]);
    for configuration in ["2d", "3d_fullres"] {
        let [picture, draws] = ["sheet.png", "draws.json"].map(|name| program.path(name));
        let run = |seed: &str| {
            let command = [
                "preview-augmentation",
                "900",
                configuration,
                "--patches",
                "2",
                "--versions",
                "3",
                "--seed",
                seed,
                "--output",
                picture.to_str().unwrap(),
                "--draws",
                draws.to_str().unwrap(),
            ];
            let ended = program.succeed(&command);
            assert!(ended.stdout.contains("sheet.png"), "{}", ended.stdout);
            fs::read(&picture).unwrap()
        };
        let first = run("1");
        assert!(first.starts_with(b"\x89PNG"));
        let drawn: Vec<Vec<SampleDraw>> =
            serde_json::from_str(&fs::read_to_string(&draws).unwrap()).unwrap();
        assert_eq!(drawn.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
        assert_ne!(drawn[0][0], drawn[0][1]);
        assert_eq!(run("1"), first, "the same seed draws the same");
        assert_ne!(run("2"), first);
    }
    let preview = |more: &[&str]| {
        let mut command = vec!["preview-augmentation", "900", "2d"];
        command.extend(more);
        program.run(&command)
    };
    preview(&["--case", "nobody"]).failed_with(&["`nobody`", "5 that are preprocessed"]);
    preview(&["--channel", "7"]).failed_with(&["no channel 7", "1 channels"]);
}
