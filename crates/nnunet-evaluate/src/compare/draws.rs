//! Virtual validation sets.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rayon::prelude::*;

use super::{CompareOptions, DatasetScores, ranks};

/// The ranks of the methods in each draw.
pub(super) type RankedDraws = Vec<Vec<f64>>;

/// The ranks of the methods in each draw of each dataset.
pub(super) fn rank_draws(datasets: &[DatasetScores], options: &CompareOptions) -> Vec<RankedDraws> {
    (0_u64..)
        .zip(datasets)
        .map(|(number, dataset)| {
            (0..options.draws)
                .into_par_iter()
                .map(|draw| {
                    let times = draw_cases(dataset.cases().len(), options.seed, number, draw);
                    ranks(&dataset.weighted_scores(&times))
                })
                .collect()
        })
        .collect()
}

/// Over all datasets: the mean score of each method, the ranks of their mean ranks on the real
/// validation sets, and those in each draw; nothing for a single dataset.
pub(super) fn overall(
    datasets: &[DatasetScores],
    drawn: &[RankedDraws],
) -> Option<(Vec<f64>, Vec<f64>, RankedDraws)> {
    if datasets.len() < 2 {
        return None;
    }
    let scores: Vec<Vec<f64>> = datasets.iter().map(DatasetScores::scores).collect();
    let whole: Vec<Vec<f64>> = scores.iter().map(|scores| ranks(scores)).collect();
    let draws = drawn.iter().map(Vec::len).min().unwrap_or(0);
    let each_draw = (0..draws).map(|draw| {
        let rankings: Vec<Vec<f64>> = drawn.iter().map(|dataset| dataset[draw].clone()).collect();
        rank_means(&rankings)
    });
    Some((means(&scores), rank_means(&whole), each_draw.collect()))
}

/// The ranks of the mean ranks, of which the lowest is the best.
fn rank_means(rankings: &[Vec<f64>]) -> Vec<f64> {
    let means: Vec<f64> = means(rankings).into_iter().map(|mean| -mean).collect();
    ranks(&means)
}

/// The mean of each column.
fn means(rows: &[Vec<f64>]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns)
        .map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64)
        .collect()
}

/// How often each of `count` cases is in a draw of as many, with replacement.
fn draw_cases(count: usize, seed: u64, dataset: u64, draw: u32) -> Vec<u32> {
    let words = [seed, dataset, u64::from(draw)];
    let hash = (words.into_iter()).fold(0, |hash, word| split_mix(hash ^ split_mix(word)));
    let mut generator = Pcg64Mcg::seed_from_u64(hash);
    let mut times = vec![0; count];
    for _ in 0..count {
        times[generator.random_range(0..count)] += 1;
    }
    times
}

/// One step of the splitmix64 generator: a bijection of the 64-bit numbers that mixes well.
fn split_mix(word: u64) -> u64 {
    let z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
