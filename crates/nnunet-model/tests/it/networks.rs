//! The networks compute what the Python modules compute.

use std::collections::BTreeSet;

use nnunet_model::{Arithmetic, Device, Mode, Strictness, Tensor, UNet};
use serde_json::json;
use tch::Kind;

use crate::common::{
    configuration, fixture_spec, fixtures, index, largest_difference, npy, small_arguments,
    small_network,
};

const NAMES: [&str; 4] = ["plain2d", "plain3d_aniso", "plain3d_iso", "resenc3d"];
const TOLERANCE: f64 = 1e-4;

#[test]
fn outputs_equal_those_of_the_python_modules() {
    let Some(folder) = fixtures("outputs_equal_those_of_the_python_modules") else {
        return;
    };
    let index = index(&folder);
    for name in NAMES {
        let folder = folder.join(name);
        let mut network = UNet::zeros(fixture_spec(&index, name), Device::Cpu).unwrap();
        let report = network
            .load_weights(&folder.join("weights.safetensors"), Strictness::Exact)
            .unwrap();
        assert_eq!(report.applied.len(), network.parameters().len(), "{name}");
        let x = npy::<f32>(&folder.join("x.npy"));
        let outputs = network.forward_deep_supervision(&x).unwrap();
        assert_eq!(outputs.len(), network.spec().outputs());
        for (i, output) in outputs.iter().enumerate() {
            let expected = npy::<f32>(&folder.join(format!("out{i}.npy")));
            let difference = largest_difference(output, &expected);
            assert!(difference < TOLERANCE, "{name} output {i}: {difference}");
        }
        let full = network.infer(&x).unwrap();
        // Without gradients other kernels run, so equal only to the same tolerance.
        let difference = largest_difference(&full, &npy::<f32>(&folder.join("out0.npy")));
        assert!(difference < TOLERANCE, "{name} inference: {difference}");
        assert!(!full.requires_grad());
    }
}

#[test]
fn short_numbers_are_as_close_as_their_bits_allow() {
    for (arithmetic, share) in [(Arithmetic::Bfloat16, 0.05), (Arithmetic::Half, 0.006)] {
        close_to_single(arithmetic, share);
    }
}

/// Outputs differ from those in single precision by less than this share of their range.
fn close_to_single(arithmetic: Arithmetic, share: f64) {
    let mut network = small_network();
    let shape: Vec<i64> = [1_usize, network.spec().channels()]
        .into_iter()
        .chain(network.spec().stride_product().iter().map(|m| 4 * m))
        .map(|edge| edge as i64)
        .collect();
    let x = Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu));
    let x = x.sin().view(shape.as_slice());
    let single = network.forward(&x).unwrap();
    network.set_arithmetic(arithmetic);
    for output in [network.forward(&x).unwrap(), network.infer(&x).unwrap()] {
        assert_eq!(output.kind(), Kind::Float);
        let range = f64::try_from(single.max() - single.min()).unwrap();
        let difference = largest_difference(&output, &single);
        assert!(
            difference > 0.0 && difference < share * range,
            "{arithmetic:?}: {difference} of {range}"
        );
    }
    // The gradients are those of the weights: single.
    network
        .forward(&x)
        .unwrap()
        .square()
        .mean(Kind::Float)
        .backward();
    let gradient = network.parameters().tensors()[0].grad();
    assert_eq!(gradient.kind(), Kind::Float);
    assert!(f64::try_from(gradient.abs().max()).unwrap() > 0.0);
}

#[test]
fn parameters_have_the_names_shapes_order_and_number_of_the_python_modules() {
    let Some(folder) = fixtures("parameter names") else {
        return;
    };
    let index = index(&folder);
    for name in NAMES {
        let spec = fixture_spec(&index, name);
        let expected: Vec<(String, Vec<usize>)> =
            serde_json::from_value(index[name]["keys"].clone()).unwrap();
        let is_alias = |n: &str| n.starts_with("decoder.encoder.") || n.contains("all_modules");
        let expected: Vec<_> = expected.into_iter().filter(|(n, _)| !is_alias(n)).collect();
        let found: Vec<_> = spec
            .parameters()
            .into_iter()
            .map(|p| (p.name, p.shape))
            .collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(
            Some(spec.parameter_count() as u64),
            index[name]["n_params"].as_u64()
        );
    }
}

#[test]
fn fresh_weights_have_the_spread_of_kaiming_and_depend_on_the_seed_alone() {
    let mut network = small_network();
    let copy = |n: &UNet| n.parameters().flat().detach().copy();
    let first = copy(&network);
    network.initialise(7).unwrap();
    let other = copy(&network);
    assert!(largest_difference(&first, &other) > 0.0);
    network.initialise(0).unwrap();
    assert_eq!(largest_difference(&first, &copy(&network)), 0.0);

    let deviation = |name: &str| {
        network
            .parameters()
            .get(name)
            .unwrap()
            .std(true)
            .double_value(&[])
    };
    let gain = 2.0 / (1.0 + 0.01 * 0.01);
    let wanted = (gain / (16.0 * 27.0_f64)).sqrt();
    let found = deviation("encoder.stages.2.0.convs.1.conv.weight");
    assert!((found / wanted - 1.0).abs() < 0.05, "{found} {wanted}");
    // Fan-in of a transposed convolution counts the outputs.
    let wanted = (gain / (8.0 * 8.0_f64)).sqrt();
    let found = deviation("decoder.transpconvs.0.weight");
    assert!((found / wanted - 1.0).abs() < 0.1, "{found} {wanted}");
    let bias = network
        .parameters()
        .get("decoder.seg_layers.1.bias")
        .unwrap();
    assert_eq!(bias.abs().max().double_value(&[]), 0.0);
}

#[test]
fn residual_blocks_begin_as_their_skips() {
    let mut arguments = small_arguments(4);
    arguments["n_blocks_per_stage"] = json!([1, 2, 2]);
    let plans = configuration("ResidualEncoderUNet", &arguments, &[8, 16, 16]);
    let network = UNet::new(&plans, 1, 3, Device::Cpu).unwrap();
    let mut seconds = 0;
    for (name, tensor) in network.parameters().iter() {
        let expected = match name {
            _ if name.ends_with("conv2.norm.weight") => 0.0,
            _ if name.ends_with("norm.weight") => 1.0,
            _ if name.ends_with("bias") => 0.0,
            _ => continue,
        };
        seconds += usize::from(name.ends_with("conv2.norm.weight"));
        assert_eq!(tensor.min().double_value(&[]), expected, "{name}");
        assert_eq!(tensor.max().double_value(&[]), expected, "{name}");
    }
    assert_eq!(seconds, 5);
    // Channels change where the stride does; the pooling comes first.
    let skip = |stage: usize, position: usize| {
        let name = format!("encoder.stages.{stage}.blocks.0.skip.{position}.conv.weight");
        network.parameters().get(&name).is_some()
    };
    assert!(skip(1, 1) && skip(2, 1) && !skip(0, 0) && !skip(1, 0));
}

#[test]
fn only_the_outputs_asked_for_are_computed() {
    let network = small_network();
    let x = Tensor::ones([1, 1, 8, 16, 16], (Kind::Float, Device::Cpu));
    let all = network.forward_deep_supervision(&x).unwrap();
    assert_eq!(all[0].size(), [1, 3, 8, 16, 16]);
    assert_eq!(all[1].size(), [1, 3, 8, 8, 8]);
    let one = network.forward_outputs(&x, 1).unwrap();
    assert_eq!(one.len(), 1);
    assert_eq!(largest_difference(&one[0], &all[0]), 0.0);
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let network = small_network();
    for shape in [
        vec![1, 1, 8, 16],
        vec![1, 2, 8, 16, 16],
        vec![1, 1, 8, 16, 18],
        vec![0, 1, 8, 16, 16],
        vec![1, 1, 0, 16, 16],
    ] {
        let x = Tensor::zeros(shape.as_slice(), (Kind::Float, Device::Cpu));
        let error = network.forward(&x).unwrap_err().to_string();
        assert!(error.contains("multiples of [2, 4, 4]"), "{error}");
    }
}

#[test]
fn parameters_are_views_of_one_tensor_and_do_not_overlap() {
    let network = small_network();
    let parameters = network.parameters();
    assert_eq!(parameters.values(), network.spec().parameter_count());
    assert!(
        parameters
            .ranges()
            .windows(2)
            .all(|w| w[0].end <= w[1].start)
    );
    let names: BTreeSet<&str> = parameters.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), parameters.len());
    tch::no_grad(|| {
        let _ = parameters.flat().shallow_clone().fill_(2.0);
    });
    for (name, tensor) in parameters.iter() {
        assert_eq!(tensor.min().double_value(&[]), 2.0, "{name}");
        assert!(tensor.requires_grad() && tensor.is_leaf(), "{name}");
    }
}

#[test]
fn batch_norm_learns_its_statistics_in_training_alone_and_they_are_saved() {
    let mut arguments = small_arguments(4);
    arguments["norm_op"] = json!("torch.nn.modules.batchnorm.BatchNorm3d");
    let plans = configuration("PlainConvUNet", &arguments, &[8, 16, 16]);
    let mut network = UNet::new(&plans, 1, 3, Device::Cpu).unwrap();
    assert_eq!(network.buffers().len(), 3 * 10);
    let name = "encoder.stages.0.0.convs.0.norm.running_var";
    let variance = |network: &UNet| network.buffers().get(name).unwrap().copy();
    let fresh = variance(&network);
    assert_eq!(fresh.mean(Kind::Float).double_value(&[]), 1.0);

    let x = Tensor::randn([2, 1, 8, 16, 16], (Kind::Float, Device::Cpu)) * 5.0;
    let before = network.infer(&x).unwrap();
    network.set_mode(Mode::Evaluation);
    let _ = network.forward(&x).unwrap();
    assert_eq!(largest_difference(&variance(&network), &fresh), 0.0);
    network.set_mode(Mode::Training);
    let _ = network.forward(&x).unwrap();
    assert!(largest_difference(&variance(&network), &fresh) > 0.0);
    let after = network.infer(&x).unwrap();
    assert!(largest_difference(&before, &after) > 0.0);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    network.save_weights(&path).unwrap();
    let mut other = UNet::new(&plans, 1, 3, Device::Cpu).unwrap();
    let report = other.load_weights(&path, Strictness::Exact).unwrap();
    assert_eq!(report.applied.len(), other.tensors().count());
    assert_eq!(largest_difference(&other.infer(&x).unwrap(), &after), 0.0);
    let counter = other
        .buffers()
        .get("encoder.stages.0.0.convs.0.norm.num_batches_tracked");
    assert_eq!(counter.unwrap().int64_value(&[]), 1);
    other.initialise(0).unwrap();
    assert_eq!(largest_difference(&variance(&other), &fresh), 0.0);
}

#[test]
fn values_of_public_types_move_between_threads() {
    fn send<T: Send>() {}
    send::<UNet>();
    send::<nnunet_model::Checkpoint>();
    send::<nnunet_model::PythonCheckpoint>();
    send::<nnunet_model::ModelError>();
}
