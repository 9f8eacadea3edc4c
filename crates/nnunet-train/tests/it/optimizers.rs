//! Steps of the optimisers against the same by hand, in double precision.

use nnunet_model::{Device, Tensor, UNet};
use nnunet_train::{Optimizer, OptimizerKind, TrainingConfig};
use tch::Kind;

use crate::common::setup;

const RATE: f64 = 0.01;
const DECAY: f64 = 0.1;
const CLIP: f64 = 0.5;

/// What is kept for a parameter.
#[derive(Clone, Copy, Default)]
struct Kept {
    mean: f64,
    squares: f64,
}

/// The value after a step.
fn by_hand(kind: OptimizerKind, step: i32, value: f64, gradient: f64, kept: &mut Kept) -> f64 {
    match kind {
        OptimizerKind::Sgd => {
            kept.mean = 0.9 * kept.mean + gradient;
            value - RATE * (gradient + 0.9 * kept.mean)
        }
        OptimizerKind::Adam => {
            kept.mean = 0.9 * kept.mean + 0.1 * gradient;
            kept.squares = 0.999 * kept.squares + 0.001 * gradient * gradient;
            let mean = kept.mean / (1.0 - 0.9_f64.powi(step));
            let spread = (kept.squares / (1.0 - 0.999_f64.powi(step))).sqrt();
            value - RATE * mean / (spread + 1e-8)
        }
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor.to_kind(Kind::Double).contiguous().view([-1]);
    Vec::try_from(flat).unwrap()
}

#[test]
fn steps_are_those_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    for kind in [OptimizerKind::Sgd, OptimizerKind::Adam] {
        let setup = setup(2, dir.path());
        let mut network = UNet::new(&setup.configuration, 1, 3, Device::Cpu).unwrap();
        network.initialise(5).unwrap();
        let config = TrainingConfig {
            optimizer: kind,
            momentum: 0.9,
            weight_decay: DECAY,
            gradient_clip: CLIP,
            ..TrainingConfig::default()
        };
        let mut optimizer = Optimizer::new(network.parameters(), &config).unwrap();
        let names: Vec<String> = optimizer
            .gradients()
            .map(|(name, _)| name.to_owned())
            .collect();
        let mut kept: Vec<Vec<Kept>> = (network.parameters().tensors().iter())
            .map(|tensor| vec![Kept::default(); tensor.numel()])
            .collect();
        for step in 1..=4 {
            let before: Vec<Vec<f64>> = network.parameters().tensors().iter().map(values).collect();
            let input = Tensor::arange(2 * 16 * 16, (Kind::Float, Device::Cpu)).sin();
            let outputs = network
                .forward_outputs(&input.view([2, 1, 16, 16]), 1)
                .unwrap();
            let loss = outputs[0].square().mean(Kind::Float) * f64::from(step);
            let found = optimizer.backward(&loss).unwrap();
            let gradients: Vec<Vec<f64>> = optimizer.gradients().map(|(_, g)| values(g)).collect();
            optimizer.step(RATE, found.gradient_norm).unwrap();
            let clip = (CLIP / (found.gradient_norm + 1e-6)).min(1.0);
            let mut moved = 0;
            for (i, tensor) in network.parameters().tensors().iter().enumerate() {
                // An output without a part in the loss stays as it is, decay or not.
                let unreached = gradients[i].iter().all(|g| *g == 0.0);
                for (j, found) in values(tensor).into_iter().enumerate() {
                    let old = before[i][j];
                    if unreached {
                        assert_eq!(found, old, "{} {kind:?}", names[i]);
                        continue;
                    }
                    let gradient = clip * gradients[i][j] + DECAY * old;
                    let wanted = by_hand(kind, step, old, gradient, &mut kept[i][j]);
                    assert!(
                        (found - wanted).abs() < 2e-6 + 1e-5 * wanted.abs(),
                        "{} {kind:?} step {step}: {found}, expected {wanted}",
                        names[i]
                    );
                    moved += usize::from(found != old);
                }
            }
            assert!(moved > 100, "{moved}");
        }
    }
}
