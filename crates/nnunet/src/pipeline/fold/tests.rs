use nnunet_schema::Layout;

use super::*;

fn cases(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

#[test]
fn splits_are_made_once_and_must_fit_the_cases() {
    let dir = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::new(Layout {
        raw: dir.path().join("raw"),
        preprocessed: dir.path().join("preprocessed"),
        results: dir.path().join("results"),
    });
    let all = cases(&["a", "b", "c", "d", "e"]);
    let split = |cases: &[String], fold| pipeline.fold_of("D", cases, fold);

    let few = &all[..2];
    assert_eq!(split(few, Fold::All).unwrap(), Split::all(few));
    assert!(split(few, Fold::Number(0)).is_err());
    let path = pipeline.layout.splits("D");
    assert!(!path.exists());

    let first = split(&all, Fold::Number(0)).unwrap();
    let stored = Splits::load(&path).unwrap();
    assert_eq!(stored, Splits::five_fold(&all).unwrap());
    assert_eq!(first, stored.0[0]);

    let more = cases(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(split(&more, Fold::Number(0)).unwrap(), first);
    assert_eq!(split(&more, Fold::Number(9)).unwrap().train.len(), 4);
    let error = split(&all[1..], Fold::Number(0)).unwrap_err().to_string();
    assert!(
        error.contains("splits_final.json") && error.contains("`a`"),
        "{error}"
    );
}
