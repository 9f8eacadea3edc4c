//! Where the foreground classes of a case are, for sampling patches around them.

use std::collections::BTreeMap;

use ndarray::ArrayView3;
use nnunet_schema::LabelScheme;
use nnunet_schema::mt19937::Mt19937;
use serde::{Deserialize, Serialize};

/// Seed of the draw, the same for every case.
const SEED: u32 = 1234;
/// At least so many voxels per class are kept, if the class has as many.
const MIN_SAMPLES: usize = 10_000;
/// At least this part of the voxels of a class is kept.
const MIN_COVERAGE: f64 = 0.01;

/// Randomly chosen voxels of each foreground class, and of the annotated region if the dataset
/// has an ignore label.
///
/// The choice is the one of nnU-Net v2, voxel by voxel and in the same order: for each class
/// `max(min(10000, T), ceil(T/100))` of its `T` voxels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassLocations {
    /// One entry per foreground class (label or region), in the order of
    /// [`LabelScheme::targets`]; a class that the case does not have has no voxels.
    pub classes: Vec<ClassVoxels>,
    /// Voxels with any label but the ignore label; only if the dataset has an ignore label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotated: Option<ClassVoxels>,
}

/// Randomly chosen voxels of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassVoxels {
    /// The labels that make up the class.
    pub members: Vec<i16>,
    /// Voxels `(z, y, x)` of the preprocessed case, in the order in which they were drawn.
    pub voxels: Vec<[u32; 3]>,
}

impl ClassLocations {
    /// Draws the voxels from the labels of a preprocessed case.
    #[must_use]
    pub fn draw(labels: ArrayView3<'_, i16>, scheme: &LabelScheme) -> Self {
        let mut requested: Vec<Vec<i16>> = (scheme.targets().iter())
            .map(|members| members.iter().map(|m| label(*m)).collect())
            .collect();
        if scheme.ignore_label().is_some() {
            let annotated = scheme.all_labels().iter().map(|m| label(*m));
            requested.push(std::iter::once(-1).chain(annotated).collect());
        }
        let mut classes = draw_classes(labels, requested, MIN_SAMPLES);
        let annotated = (scheme.ignore_label()).and_then(|_| classes.pop());
        Self { classes, annotated }
    }
}

/// Label maps hold `i16`: a label beyond its range occurs nowhere.
fn label(value: u16) -> i16 {
    i16::try_from(value).unwrap_or(i16::MIN)
}

/// One voxel to look up: the `rank`-th voxel with some label becomes voxel `slot` of `class`.
struct Wanted {
    rank: u32,
    class: usize,
    slot: usize,
}

fn draw_classes(
    labels: ArrayView3<'_, i16>,
    requested: Vec<Vec<i16>>,
    min_samples: usize,
) -> Vec<ClassVoxels> {
    let counts = count_labels(labels);
    let mut generator = Mt19937::new(SEED);
    let mut wanted: BTreeMap<i16, Vec<Wanted>> = BTreeMap::new();
    let mut classes = Vec::with_capacity(requested.len());
    for (class, members) in requested.into_iter().enumerate() {
        // Candidates are the voxels of the first member, then those of the second, …
        let total: u32 = members.iter().filter_map(|m| counts.get(m)).sum();
        let kept = samples_of(total as usize, min_samples);
        let offsets = generator.permutation(total);
        for (slot, &offset) in offsets.iter().take(kept).enumerate() {
            let mut rank = offset;
            for member in &members {
                let count = counts.get(member).copied().unwrap_or(0);
                if rank < count {
                    let entry = wanted.entry(*member).or_default();
                    entry.push(Wanted { rank, class, slot });
                    break;
                }
                rank -= count;
            }
        }
        classes.push(ClassVoxels {
            members,
            voxels: vec![[0; 3]; kept],
        });
    }
    look_up(labels, wanted, &mut classes);
    classes
}

/// How many of the `total` voxels of a class are kept.
fn samples_of(total: usize, min_samples: usize) -> usize {
    let covering = (total as f64 * MIN_COVERAGE).ceil() as usize;
    min_samples.min(total).max(covering)
}

fn count_labels(labels: ArrayView3<'_, i16>) -> BTreeMap<i16, u32> {
    let mut dense = vec![0_u32; 1 << 16];
    for value in labels {
        if let Some(count) = dense.get_mut(usize::from(value.cast_unsigned())) {
            *count += 1;
        }
    }
    (dense.into_iter().enumerate())
        .filter(|(_, count)| *count > 0)
        .map(|(value, count)| ((value as u16).cast_signed(), count))
        .collect()
}

/// The voxels with one label that are wanted.
struct Search {
    /// Ordered by rank, the next one last.
    wanted: Vec<Wanted>,
    /// Voxels with this label so far.
    seen: u32,
}

/// Turns ranks among the voxels of a label (in C order) into voxels, in one walk over the labels.
fn look_up(
    labels: ArrayView3<'_, i16>,
    wanted: BTreeMap<i16, Vec<Wanted>>,
    classes: &mut [ClassVoxels],
) {
    // By label, so that the walk costs one look-up per voxel.
    let mut searches: Vec<Option<Search>> = Vec::new();
    searches.resize_with(1 << 16, || None);
    for (label, mut wanted) in wanted {
        wanted.sort_unstable_by_key(|w| std::cmp::Reverse(w.rank));
        if let Some(search) = searches.get_mut(usize::from(label.cast_unsigned())) {
            *search = Some(Search { wanted, seen: 0 });
        }
    }
    for ((z, y, x), label) in labels.indexed_iter() {
        let search = searches.get_mut(usize::from(label.cast_unsigned()));
        let Some(Some(search)) = search else {
            continue;
        };
        while let Some(found) = search.wanted.pop_if(|next| next.rank == search.seen) {
            let class = classes.get_mut(found.class);
            if let Some(voxel) = class.and_then(|class| class.voxels.get_mut(found.slot)) {
                *voxel = [z as u32, y as u32, x as u32];
            }
        }
        search.seen += 1;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use serde::de::DeserializeOwned;
    use serde_json::Value;

    use super::*;

    fn parsed<T: DeserializeOwned>(value: &Value) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn the_voxels_are_those_that_the_reference_draws() {
        let root = std::env::var("NNUNET_SHARED")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned());
        let path = std::path::Path::new(&root).join("fixtures/vectors/class_locations.json");
        let Ok(text) = std::fs::read(path) else {
            println!("skipped: class_locations needs the shared fixtures");
            return;
        };
        let golden: Value = serde_json::from_slice(&text).unwrap();
        let [_, z, y, x]: [usize; 4] = parsed(&golden["shape"]);
        let labels = Array3::from_shape_vec((z, y, x), parsed(&golden["seg"])).unwrap();
        for case in golden["cases"].as_array().unwrap() {
            let requested = (case["classes"].as_array().unwrap().iter())
                .map(|class| match class {
                    Value::Array(_) => parsed(class),
                    single => vec![parsed(single)],
                })
                .collect();
            let samples: usize = parsed(&case["min_num_samples"]);
            let found = draw_classes(labels.view(), requested, samples);
            let expected: Vec<(Value, Vec<[u32; 4]>)> = parsed(&case["out"]);
            assert_eq!(found.len(), expected.len());
            for (found, (_, expected)) in found.iter().zip(expected) {
                let expected: Vec<_> = expected.iter().map(|[_, z, y, x]| [*z, *y, *x]).collect();
                assert_eq!(found.voxels, expected);
            }
        }
    }

    #[test]
    fn at_least_a_hundredth_of_a_class_is_kept() {
        assert_eq!(samples_of(5, 10_000), 5);
        assert_eq!(samples_of(20_000, 10_000), 10_000);
        assert_eq!(samples_of(2_000_001, 10_000), 20_001);
        assert_eq!(samples_of(0, 10_000), 0);
    }

    #[test]
    fn regions_and_the_annotated_voxels_are_kept_apart() {
        let description: nnunet_schema::DatasetDescription = parsed(&serde_json::json!({
            "channel_names": {"0": "MRI"}, "numTraining": 1, "file_ending": ".nii.gz",
            "labels": {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3},
            "regions_class_order": [1, 2]
        }));
        let scheme = description.label_scheme().unwrap();
        let labels = Array3::from_shape_vec((1, 2, 4), vec![-1, 0, 1, 2, 3, 3, 1, 0]).unwrap();
        let found = ClassLocations::draw(labels.view(), &scheme);
        let sizes: Vec<usize> = found.classes.iter().map(|c| c.voxels.len()).collect();
        assert_eq!(sizes, [3, 1]);
        assert_eq!(found.classes[1].voxels, [[0, 0, 3]]);
        let annotated = found.annotated.unwrap();
        assert_eq!(annotated.members, [-1, 0, 1, 2]);
        assert_eq!(annotated.voxels.len(), 6);
        for [z, y, x] in annotated.voxels {
            assert_ne!(labels[[z as usize, y as usize, x as usize]], 3);
        }
    }
}
