//! The loss and the online Dice where the answer is known without a reference.

use nnunet_model::{Device, Tensor};
use nnunet_train::loss::DicePooling;
use nnunet_train::online::{OnlineDice, mean, moving_average};
use nnunet_train::{LossKind, SegmentationLoss};
use serde_json::json;
use tch::Kind;

use crate::common::{scheme, two_classes};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn labels(values: &[i16]) -> Tensor {
    Tensor::from_slice(values).view([2, -1, 1])
}

/// Logits that are sure of these labels.
fn sure(labels: &Tensor, heads: i64) -> Tensor {
    let one_hot = labels
        .to_kind(Kind::Int64)
        .one_hot(heads)
        .to_kind(Kind::Float);
    one_hot.movedim_int(-1, 1) * 60.0
}

#[test]
fn a_perfect_prediction_has_loss_minus_one_whatever_occurs() {
    for pooling in [DicePooling::Sample, DicePooling::Batch] {
        let loss = SegmentationLoss::new(&two_classes(), pooling, vec![1.0], Device::Cpu).unwrap();
        // In the second, one class is absent.
        for values in [[0, 1, 2, 0, 1, 2, 2, 1], [0, 0, 0, 1, 0, 0, 1, 1]] {
            let truth = labels(&values);
            let found = loss
                .single(&sure(&truth, 3), &truth)
                .unwrap()
                .double_value(&[]);
            assert!((found + 1.0).abs() < 1e-5, "{pooling:?} {found}");
        }
    }
}

#[test]
fn ignored_voxels_change_nothing_and_may_be_all_there_is() {
    let ignoring = scheme(json!({"background": 0, "a": 1, "b": 2, "ignore": 3}), None);
    let regions = scheme(
        json!({"background": 0, "ab": [1, 2], "b": [2], "ignore": 3}),
        Some(json!([1, 2])),
    );
    for (scheme, heads) in [(ignoring, 3), (regions, 2)] {
        let loss =
            SegmentationLoss::new(&scheme, DicePooling::Batch, vec![1.0], Device::Cpu).unwrap();
        let truth = labels(&[0, 1, 3, 2, 3, 1, 0, 3]);
        let logits = Tensor::arange(8 * heads, CPU).sin().view([2, heads, 4, 1]);
        let before = loss.single(&logits, &truth).unwrap().double_value(&[]);
        let noise = truth.eq(3).unsqueeze(1).to_kind(Kind::Float) * 5.0;
        let after = loss
            .single(&(&logits + noise * logits.cos()), &truth)
            .unwrap();
        assert!((after.double_value(&[]) - before).abs() < 1e-6);

        let nothing = labels(&[3; 8]);
        let found = loss.single(&logits, &nothing).unwrap().double_value(&[]);
        assert!((found + 1.0).abs() < 1e-6, "{found}");
    }
}

#[test]
fn pooling_differs_where_a_class_is_in_one_sample_only() {
    let truth = labels(&[1, 1, 0, 0, 0, 0, 0, 0]);
    let logits = Tensor::zeros([2, 3, 4, 1], CPU);
    let [sample, batch] = [DicePooling::Sample, DicePooling::Batch].map(|pooling| {
        let loss = SegmentationLoss::new(&two_classes(), pooling, vec![1.0], Device::Cpu).unwrap();
        loss.single(&logits, &truth).unwrap().double_value(&[])
    });
    // Probabilities are 1/3: pooled, class 1 has 2·(2/3) / (2 + 8/3); apart, 2·(2/3) / (2 + 4/3)
    // in one sample and 0 in the other; class 2 has 0.
    let entropy = 3.0_f64.ln();
    assert!(
        (batch - (entropy - 2.0 / 7.0 / 2.0)).abs() < 1e-4,
        "{batch}"
    );
    assert!((sample - (entropy - 0.4 / 4.0)).abs() < 1e-4, "{sample}");
}

#[test]
fn outputs_without_weight_are_not_looked_at() {
    let loss = SegmentationLoss::new(
        &two_classes(),
        DicePooling::Sample,
        vec![1.0, 0.0],
        Device::Cpu,
    )
    .unwrap();
    assert_eq!(loss.weighted_outputs(), 1);
    let truth = labels(&[0, 1, 2, 0, 1, 2, 2, 1]);
    let logits = sure(&truth, 3);
    let nonsense = Tensor::from(f32::NAN);
    let total = loss
        .total(
            &[logits.shallow_clone(), nonsense.shallow_clone()],
            &[truth, nonsense],
        )
        .unwrap();
    assert!(total.double_value(&[]).is_finite());
}

#[test]
fn the_online_dice_counts_all_batches_as_one_volume() {
    let mut dice = OnlineDice::new(&two_classes(), Device::Cpu).unwrap();
    assert_eq!(dice.per_class(), [None, None]);
    let truth = labels(&[1, 1, 0, 0, 0, 0, 0, 0]);
    dice.add(&sure(&labels(&[1, 0, 0, 0, 0, 0, 0, 0]), 3), &truth)
        .unwrap();
    dice.add(&sure(&labels(&[0, 0, 0, 0, 1, 0, 0, 0]), 3), &truth)
        .unwrap();
    // Class 1: 1 voxel in both, 2 predicted, 4 true.
    assert_eq!(dice.per_class(), [Some(1.0 / 3.0), None]);
    assert_eq!(mean(&dice.per_class()), Some(1.0 / 3.0));

    let regions = scheme(
        json!({"background": 0, "ab": [1, 2], "b": [2], "ignore": 3}),
        Some(json!([1, 2])),
    );
    let mut dice = OnlineDice::new(&regions, Device::Cpu).unwrap();
    let truth = labels(&[1, 2, 3, 0, 0, 0, 0, 0]);
    let logits = Tensor::from_slice(&[
        1.0_f32, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, // sample 1: ab, b
        -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0,
    ])
    .view([2, 2, 4, 1]);
    dice.add(&logits, &truth).unwrap();
    assert_eq!(dice.per_class(), [Some(1.0), Some(1.0)]);
}

#[test]
fn the_moving_average_starts_at_the_first_value_and_survives_gaps() {
    assert_eq!(moving_average(None, None), None);
    assert_eq!(moving_average(None, Some(0.5)), Some(0.5));
    assert_eq!(moving_average(Some(0.5), None), Some(0.5));
    let next = moving_average(Some(0.5), Some(1.0)).unwrap();
    assert!((next - 0.55).abs() < 1e-12);
}

/// Cross-entropy of each voxel by hand: `logits[head]`, the true head.
fn entropy(logits: &[f64], truth: usize) -> f64 {
    let sum: f64 = logits.iter().map(|z| z.exp()).sum();
    sum.ln() - logits[truth]
}

#[test]
fn variants_are_what_their_names_say() {
    let voxels = 40_usize;
    let values: Vec<i16> = (0..voxels).map(|i| (i % 3) as i16).collect();
    let truth = Tensor::from_slice(&values).view([2, 20, 1]);
    let logits = Tensor::arange(2 * 3 * 20, CPU).sin().view([2, 3, 20, 1]) * 3.0;
    let at = |sample: usize, head: usize, voxel: usize| {
        3.0 * f64::from(((sample * 60 + head * 20 + voxel) as f32).sin())
    };
    let mut entropies: Vec<f64> = (0..voxels)
        .map(|i| {
            let heads = [0, 1, 2].map(|head| at(i / 20, head, i % 20));
            entropy(&heads, usize::try_from(values[i]).unwrap())
        })
        .collect();
    let mean = entropies.iter().sum::<f64>() / voxels as f64;
    entropies.sort_by(|a, b| b.total_cmp(a));
    // A tenth of 40.
    let worst = entropies[..4].iter().sum::<f64>() / 4.0;

    let of = |kind| {
        let loss =
            SegmentationLoss::new(&two_classes(), DicePooling::Batch, vec![1.0], Device::Cpu);
        let loss = loss.unwrap().of_kind(kind);
        loss.single(&logits, &truth).unwrap().double_value(&[])
    };
    let dice = of(LossKind::Dice);
    assert!((-1.0..0.0).contains(&dice), "{dice}");
    for (kind, wanted) in [
        (LossKind::CrossEntropy, mean),
        (LossKind::TopTenth, worst),
        (LossKind::DiceAndCrossEntropy, mean + dice),
        (LossKind::DiceAndTopTenth, worst + dice),
    ] {
        let found = of(kind);
        assert!(
            (found - wanted).abs() < 1e-5,
            "{kind:?}: {found}, expected {wanted}"
        );
    }
}

#[test]
fn the_worst_tenth_has_no_ignored_voxels() {
    let plain = scheme(json!({"background": 0, "a": 1, "b": 2, "ignore": 3}), None);
    let regions = scheme(
        json!({"background": 0, "ab": [1, 2], "b": [2], "ignore": 3}),
        Some(json!([1, 2])),
    );
    for (scheme, heads) in [(plain, 3_i64), (regions, 2)] {
        let loss = SegmentationLoss::new(&scheme, DicePooling::Batch, vec![1.0], Device::Cpu);
        let loss = loss.unwrap().of_kind(LossKind::TopTenth);
        let truth = Tensor::from_slice(&[0_i16, 1, 2, 1, 3, 3, 0, 1, 0, 2]).view([1, 10, 1]);
        let logits = Tensor::arange(10 * heads, CPU)
            .cos()
            .view([1, heads, 10, 1]);
        // Absurd where it is ignored.
        let ignored = truth.eq(3).unsqueeze(1).to_kind(Kind::Float);
        let absurd = &logits + ignored * 100.0 * logits.sin();
        let [a, b] =
            [&logits, &absurd].map(|logits| loss.single(logits, &truth).unwrap().double_value(&[]));
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}
