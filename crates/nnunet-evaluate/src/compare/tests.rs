use nnunet_schema::Summary;
use nnunet_schema::summary::CaseMetrics;

use super::*;
use crate::{Overlap, summarise};

/// Class `1` with a Dice of `percent` % in each case, none where it is above 100.
fn summary(percent: &[u64]) -> Summary {
    let cases = percent.iter().enumerate().map(|(number, percent)| {
        let overlap = Overlap {
            true_positive: if *percent > 100 { 0 } else { *percent },
            false_positive: if *percent > 100 { 0 } else { 200 - 2 * percent },
            ..Overlap::default()
        };
        CaseMetrics {
            metrics: [("1".to_owned(), overlap.into())].into(),
            prediction_file: format!("p/{number:03}.nii.gz"),
            reference_file: format!("r/{number:03}.nii.gz"),
        }
    });
    summarise(cases.collect()).unwrap()
}

fn dataset(name: &str, methods: &[(&str, Vec<u64>)]) -> DatasetScores {
    let methods: Vec<(String, Summary)> = (methods.iter())
        .map(|(method, percent)| ((*method).to_owned(), summary(percent)))
        .collect();
    DatasetScores::from_summaries(name, &methods).unwrap()
}

fn noisy(base: u64, step: u64) -> Vec<u64> {
    (0..40).map(|case| base + case * step % 23).collect()
}

#[test]
fn a_dominating_method_always_ranks_first() {
    let good = noisy(60, 7);
    let bad: Vec<u64> = good.iter().map(|v| v - 10).collect();
    let one = dataset("one", &[("bad", bad.clone()), ("good", good.clone())]);
    let two = dataset("two", &[("good", good), ("bad", bad)]);
    let found = compare(&[one, two], &CompareOptions::default()).unwrap();
    assert_eq!(found.methods, ["bad", "good"]);
    let rankings = (found.datasets.iter().map(|d| &d.ranking)).chain(&found.overall);
    for ranking in rankings {
        assert!((ranking.methods[1].shares[0] - 1.0).abs() < 1e-9);
        assert_eq!(ranking.methods[1].interval, [1.0, 1.0]);
        assert_eq!(ranking.methods[0].mean_rank, 2.0);
        assert_eq!(ranking.stability.mean_tau, 1.0);
    }
    let test = &found.datasets[0].tests[0];
    assert!(
        test.p_corrected < 1e-6 && test.median_difference < 0.0,
        "{test}"
    );
    assert!((test.p_corrected - 2.0 * test.p).abs() < 1e-12);
}

#[test]
fn equal_methods_share_the_ranks() {
    let scores = noisy(50, 5);
    let found = compare(
        &[dataset("d", &[("a", scores.clone()), ("b", scores)])],
        &CompareOptions::default(),
    )
    .unwrap();
    let ranking = &found.datasets[0].ranking;
    for method in &ranking.methods {
        assert!((method.shares[0] - 0.5).abs() < 1e-9 && (method.shares[1] - 0.5).abs() < 1e-9);
        assert_eq!(method.rank, 1.5);
    }
    assert!(ranking.stability.mean_tau.is_nan());
    assert_eq!(found.datasets[0].tests[0].p, 1.0);
    assert!(found.overall.is_none());
}

#[test]
fn the_seed_alone_decides_on_the_draws() {
    let close = [
        ("a", noisy(50, 7)),
        ("b", noisy(50, 11)),
        ("c", noisy(49, 5)),
    ];
    let data = [dataset("d", &close), dataset("e", &close)];
    let run = |seed, threads| {
        let options = CompareOptions { draws: 200, seed };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build()
            .unwrap()
            .install(|| compare(&data, &options).unwrap())
    };
    assert_eq!(run(3, 1), run(3, 3));
    assert_ne!(run(3, 1).datasets[0].ranking, run(4, 1).datasets[0].ranking);
    let found = run(3, 1);
    assert_ne!(found.datasets[0].ranking, found.datasets[1].ranking);
    for method in &found.datasets[0].ranking.methods {
        assert!((method.shares.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        assert!(method.shares[0] > 0.0 && method.shares[0] < 1.0);
    }
}

#[test]
fn a_case_without_dice_counts_for_nothing() {
    let found = compare(
        &[dataset(
            "d",
            &[("a", vec![80, 101, 60]), ("b", vec![70, 101, 50])],
        )],
        &CompareOptions::default(),
    )
    .unwrap();
    let methods = &found.datasets[0].ranking.methods;
    assert!((methods[0].dice - 0.7).abs() < 1e-12);
    assert_eq!(found.datasets[0].tests[0].differing, 2);
}

#[test]
fn the_document_its_table_and_its_figure() {
    let close = [("a<b", noisy(50, 7)), ("c", noisy(50, 11))];
    let data = [dataset("d", &close), dataset("e", &close)];
    let found = compare(&data, &CompareOptions { draws: 50, seed: 1 }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparison.json");
    found.save(&path).unwrap();
    assert_eq!(Comparison::load(&path).unwrap(), found);
    let table = found.to_string();
    assert!(
        table.contains("d, 40 cases") && table.contains("all 2 datasets"),
        "{table}"
    );
    let drawing = figure(&found);
    assert_eq!(drawing.matches("<g transform").count(), 3);
    assert!(drawing.contains("a&lt;b") && !drawing.contains("a<b"));
    assert_eq!(drawing, figure(&found));
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let some = dataset("one", &[("a", vec![50]), ("b", vec![60])]);
    let other = dataset("two", &[("a", vec![50]), ("c", vec![60])]);
    let options = CompareOptions::default();
    let error = compare(&[some.clone(), other], &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`two`") && error.contains("\"c\""),
        "{error}"
    );
    let single = dataset("one", &[("a", vec![50])]);
    for (data, draws) in [(vec![], 10), (vec![single], 10), (vec![some], 0)] {
        let options = CompareOptions { draws, seed: 0 };
        let result = compare(&data, &options);
        assert!(matches!(result, Err(EvaluateError::NothingToSelect { .. })));
    }
    let named = |cases: &[u64]| ("m".to_owned(), summary(cases));
    let twice = [named(&[50]), named(&[60])];
    assert!(DatasetScores::from_summaries("d", &twice).is_err());
    assert!(DatasetScores::from_summaries("d", &[named(&[])]).is_err());
}

#[test]
fn ranks_and_tau_follow_their_definitions() {
    assert_eq!(ranks(&[0.5, 0.9, 0.5, f64::NAN]), [2.5, 1.0, 2.5, 4.0]);
    assert_eq!(kendall_tau(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), -1.0);
    // `scipy.stats.kendalltau([1, 2, 2, 4, 5], [1, 3, 2, 2, 5])`, SciPy 1.17.1.
    let tau = kendall_tau(&[1.0, 2.0, 2.0, 4.0, 5.0], &[1.0, 3.0, 2.0, 2.0, 5.0]);
    assert!((tau - 0.6666666666666666).abs() < 1e-12, "{tau}");
}
