/// The rank of each score, 1 for the highest; equal ones share the mean of their places, and what
/// is no number comes last.
#[must_use]
pub fn ranks(scores: &[f64]) -> Vec<f64> {
    let value = |score: f64| {
        if score.is_nan() {
            f64::NEG_INFINITY
        } else {
            score
        }
    };
    (scores.iter())
        .map(|score| {
            let better = scores
                .iter()
                .filter(|other| value(**other) > value(*score))
                .count();
            let equal = scores
                .iter()
                .filter(|other| value(**other) == value(*score))
                .count();
            better as f64 + (equal as f64 + 1.0) / 2.0
        })
        .collect()
}

/// Kendall's tau-b between two rankings of the same methods: 1 if they agree, −1 if one is the
/// other backwards; NaN if one of them has only ties.
#[must_use]
pub fn kendall_tau(a: &[f64], b: &[f64]) -> f64 {
    let (mut agreement, mut untied_a, mut untied_b) = (0.0, 0.0, 0.0);
    for (i, (a_i, b_i)) in a.iter().zip(b).enumerate() {
        for (a_j, b_j) in a.iter().zip(b).take(i) {
            let direction = |x: f64, y: f64| if x == y { 0.0 } else { (x - y).signum() };
            let (in_a, in_b) = (direction(*a_i, *a_j), direction(*b_i, *b_j));
            agreement += in_a * in_b;
            untied_a += in_a * in_a;
            untied_b += in_b * in_b;
        }
    }
    agreement / (untied_a * untied_b).sqrt()
}
