//! What is logged: on stderr, as much as was asked for.

use crate::program::{Ended, Program};

#[test]
fn the_log_says_as_much_as_it_is_asked_for() {
    let program = Program::with_phantoms();
    let fingerprint = |options: &[&str]| {
        let words = [&["fingerprint", "900", "--clean"], options].concat();
        program.succeed(&words)
    };
    let silent = fingerprint(&[]);
    assert!(!silent.stderr.contains("INFO"), "{silent:?}");
    let stages = fingerprint(&["-v"]);
    let stage = "fingerprint{dataset=\"Dataset900_Phantom\"}";
    for words in [stage, "begins", "ends seconds=", "INFO"] {
        assert!(stages.stderr.contains(words), "{words}: {stages:?}");
    }
    assert!(!stages.stderr.contains("DEBUG"), "{stages:?}");
    assert!(
        !stages.stderr.contains('\u{1b}'),
        "colours without a terminal"
    );
    let cases = fingerprint(&["-vv"]);
    for file in program.files("labelsTr") {
        let case = crate::program::name(&file).replace(".nii.gz", "");
        let line = format!("case=\"{case}\"");
        assert_eq!(cases.stderr.matches(&line).count(), 1, "{cases:?}");
    }
    // Results are the same, whoever listens.
    assert_eq!(stages.stdout, silent.stdout);
    assert_eq!(cases.stdout, silent.stdout);
    let plan = program.succeed(&["plan", "900", "-v"]);
    assert!(
        plan.stderr.contains("planned configuration=\"3d_fullres\""),
        "{plan:?}"
    );
}

#[test]
fn the_environment_chooses_what_is_logged() {
    let program = Program::with_phantoms();
    let logged = |directives: &str, option: &[&str]| {
        let mut command = program.command();
        command
            .env("NNUNET_LOG", directives)
            .args(["fingerprint", "900", "--clean"])
            .args(option);
        Ended::from(command.output().unwrap())
    };
    let cases = logged("nnunet_fingerprint=debug", &[]);
    assert!(
        cases.stderr.contains("looked at") && !cases.stderr.contains("begins"),
        "{cases:?}"
    );
    // The option goes before it.
    let stages = logged("nnunet_fingerprint=debug", &["-v"]);
    assert!(
        !stages.stderr.contains("looked at") && stages.stderr.contains("begins"),
        "{stages:?}"
    );
    logged("=x=", &[]).failed_with(&["NNUNET_LOG", "`=x=`"]);
}
