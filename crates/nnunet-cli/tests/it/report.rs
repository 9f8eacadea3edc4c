//! The page about a dataset. That it shows all of a finished run is tested with the pipeline.

use std::fs;

use crate::program::Program;

#[test]
fn a_page_is_made_of_what_is_there() {
    let program = Program::with_phantoms();
    let made = program.succeed(&["report", "900"]);
    let path = program.path("results/Dataset900_Phantom/report.html");
    assert!(made.stdout.contains(&*path.to_string_lossy()), "{made:?}");
    let page = fs::read_to_string(&path).unwrap();
    assert!(page.contains("nnunet fingerprint Dataset900_Phantom"));

    program.succeed(&["plan", "900"]);
    let output = program.path("page.html");
    let words = ["report", "900", "--output", &output.to_string_lossy()];
    let made = program.succeed(&words);
    assert!(made.stdout.contains("page.html"), "{made:?}");
    let planned = fs::read_to_string(&output).unwrap();
    assert!(!planned.contains("nnunet fingerprint Dataset900_Phantom"));
    assert!(planned.contains("3d_fullres") && planned.len() > page.len());

    program.succeed(&["report", "900", "-p", "others"]);
    let others = fs::read_to_string(&path).unwrap();
    assert!(others.contains("others.json") && !others.contains("<h4>2d</h4>"));
    program
        .run(&["report", "901"])
        .failed_with(&["901", "Dataset900_Phantom"]);
}
