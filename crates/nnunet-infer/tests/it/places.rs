//! Sums in the memory of the device and of the processor. Here both are the same memory: what a
//! GPU makes of the same operations is not tested.

use std::sync::Mutex;

use ndarray::Array4;
use nnunet_infer::{
    InferError, Mirroring, Network, PredictOptions, ProbabilitySink, Recipe, SumPlace,
    SumPrecision, WindowBatch, predict_with_networks,
};
use nnunet_model::{Device, Tensor, UNet};
use nnunet_schema::Shape;
use tch::TchError;

use crate::common::{PlanOf, dataset, noise, one_label, plain_properties, plans};
use crate::models::{MODEL, image, write_model};

fn probabilities(of: &PlanOf, options: PredictOptions, shape: [usize; 3]) -> Array4<f32> {
    let dir = tempfile::tempdir().unwrap();
    write_model(&dir.path().join(MODEL), &plans(of), &[0, 1]);
    let predictor = crate::models::load(dir.path(), options);
    let found = predictor.predict_probabilities("a", &image(shape, 1));
    found.unwrap().1
}

#[test]
fn the_place_of_the_sums_changes_no_digit() {
    let flat = PlanOf {
        patch: vec![8, 8],
        ..PlanOf::default()
    };
    let turned = PlanOf {
        transpose: [1, 2, 0],
        spacing: [1.0, 1.3, 1.0],
        ..PlanOf::default()
    };
    for (of, shape) in [
        // Windows that lie unevenly, a single one, padding along some axes.
        (PlanOf::default(), [21, 13, 18]),
        (PlanOf::default(), [8, 8, 8]),
        (PlanOf::default(), [3, 30, 5]),
        (flat, [5, 11, 7]),
        (turned, [9, 21, 7]),
    ] {
        for sums in [SumPrecision::Single, SumPrecision::Half] {
            let run = |place| {
                let options = PredictOptions {
                    sums: Some(sums),
                    sum_place: Some(place),
                    ..PredictOptions::default()
                };
                probabilities(&of, options, shape)
            };
            let (host, device) = (run(SumPlace::Host), run(SumPlace::Device));
            assert_eq!(host, device, "{shape:?}, {sums:?}");
        }
    }
}

/// A network on a device whose memory runs out at some calls.
#[derive(Debug)]
struct Full {
    network: UNet,
    /// Numbers of the calls that fail, from 0.
    fails: fn(usize) -> bool,
    calls: Mutex<usize>,
}

impl Network for Full {
    fn device(&self) -> Device {
        Device::Cpu
    }

    fn forward(&self, windows: &Tensor) -> Result<Tensor, InferError> {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if (self.fails)(*calls - 1) {
            let text = "CUDA out of memory. Tried to allocate 2.00 GiB";
            return Err(TchError::Torch(text.to_owned()).into());
        }
        Ok(self.network.infer(windows)?)
    }
}

/// Keeps the probabilities of the foreground.
#[derive(Default)]
struct Foreground(Vec<f32>);

impl ProbabilitySink for Foreground {
    fn begin(&mut self, _: [usize; 4], _: usize) -> Result<(), InferError> {
        Ok(())
    }
    fn slice(&mut self, values: ndarray::ArrayView3<'_, f32>) -> Result<(), InferError> {
        self.0.extend(values.index_axis(ndarray::Axis(0), 1));
        Ok(())
    }
    fn end(&mut self) -> Result<(), InferError> {
        Ok(())
    }
}

fn run_full(fails: fn(usize) -> bool, place: SumPlace) -> Result<ndarray::Array3<i16>, InferError> {
    let options = PredictOptions {
        mirroring: Mirroring::Off,
        windows_per_batch: WindowBatch::Windows(3.try_into().unwrap()),
        sum_place: Some(place),
        ..PredictOptions::default()
    };
    let labels = dataset(1, one_label());
    let recipe = Recipe::new(&plans(&PlanOf::default()), "test", &labels, &[], &options).unwrap();
    let mut network = UNet::new(recipe.configuration(), 1, 2, Device::Cpu).unwrap();
    network.initialise(3).unwrap();
    let full = Full {
        network,
        fails,
        calls: Mutex::new(0),
    };
    let shape = Shape::new([20, 12, 9]);
    let data = noise(1, shape);
    let properties = plain_properties(shape);
    Ok(predict_with_networks(&[&full], &recipe, "a", data.view(), &properties)?.labels)
}

#[test]
fn sums_leave_a_device_that_is_full_and_lose_nothing() {
    let expected = run_full(|_| false, SumPlace::Host).unwrap();
    assert!(expected.iter().any(|label| *label == 1) && expected.iter().any(|label| *label == 0));
    // Batches of three are halved first; then a single window does not fit, once.
    for fails in [|call| call == 4 || call == 5, |call| call == 0 || call == 1] {
        let found = run_full(fails, SumPlace::Device).unwrap();
        let differing = expected.iter().zip(&found).filter(|(a, b)| a != b).count();
        // Networks round differently for batches of other sizes.
        assert!(differing <= 2, "{differing}");
    }
    let error = run_full(|call| call > 3, SumPlace::Device).unwrap_err();
    assert!(matches!(error, InferError::DeviceMemory { .. }), "{error}");
}

#[test]
fn probabilities_do_not_notice_where_they_were_added_up() {
    let dir = tempfile::tempdir().unwrap();
    write_model(&dir.path().join(MODEL), &plans(&PlanOf::default()), &[0]);
    let run = |place| {
        let options = PredictOptions {
            sum_place: Some(place),
            ..PredictOptions::default()
        };
        let predictor = crate::models::load(dir.path(), options);
        let case = (predictor.pipeline())
            .run("a", image([9, 10, 17], 1), None)
            .unwrap();
        let mut sink = Foreground::default();
        (predictor.predict_preprocessed_into("a", &case, &mut sink)).unwrap();
        sink.0
    };
    let host = run(SumPlace::Host);
    assert_eq!(host.len(), 9 * 10 * 17);
    assert_eq!(host, run(SumPlace::Device));
}
