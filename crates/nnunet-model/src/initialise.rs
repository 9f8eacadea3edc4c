//! The weights that training starts from.

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use tch::Tensor;

use crate::ModelError;
use crate::parameters::{Initial, Parameters};

/// Draws all parameters from `seed`. The numbers are made here and not by libtorch, so that
/// they are the same on every device and no global generator is touched.
pub(crate) fn draw(parameters: &Parameters, seed: u64) -> Result<(), ModelError> {
    let _guard = tch::no_grad_guard();
    let mut generator = Pcg64::seed_from_u64(seed);
    for (spec, tensor) in parameters.specs().iter().zip(parameters.tensors()) {
        let mut tensor = tensor.shallow_clone();
        match spec.initial {
            Initial::Constant(value) => {
                let _ = tensor.f_fill_(f64::from(value))?;
            }
            Initial::Normal { deviation } => {
                let values: Vec<f32> = (0..tensor.numel())
                    .map(|_| {
                        let z: f64 = StandardNormal.sample(&mut generator);
                        (z * deviation) as f32
                    })
                    .collect();
                tensor
                    .f_copy_(&Tensor::f_from_slice(&values)?.f_view(tensor.size().as_slice())?)?;
            }
        }
    }
    Ok(())
}
