//! Plans that describe no buildable network are refused before anything is allocated.

use nnunet_model::{Device, ModelError, NetworkSpec, NormKind, UNet};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{configuration, small_arguments};

fn refused(change: impl Fn(&mut Value)) -> String {
    let mut arguments = small_arguments(4);
    change(&mut arguments);
    let configuration = configuration("a.b.PlainConvUNet", &arguments, &[8, 16, 16]);
    NetworkSpec::new(&configuration, 1, 2)
        .unwrap_err()
        .to_string()
}

#[test]
fn contradictions_name_the_key() {
    for (key, value) in [
        ("n_stages", json!(1)),
        ("features_per_stage", json!([4, 8])),
        ("features_per_stage", json!([4, 0, 8])),
        ("features_per_stage", json!([4, 8, 1_000_000_000_000_u64])),
        ("features_per_stage", json!([4, u64::MAX, u64::MAX])),
        ("kernel_sizes", json!([[3, 3, 3], [2, 3, 3], [3, 3, 3]])),
        ("kernel_sizes", json!([[3, 3], [3, 3, 3], [3, 3, 3]])),
        ("strides", json!([[1, 1, 2], [1, 1, 1], [1, 1, 1]])),
        ("strides", json!([[1, 1, 1], [0, 1, 1], [1, 1, 1]])),
        ("patch_size", json!(null)),
        ("n_conv_per_stage", json!(null)),
        ("n_conv_per_stage", json!([2, 0, 2])),
        ("n_conv_per_stage", json!([2, u64::MAX, 2])),
        ("n_conv_per_stage_decoder", json!([2])),
        ("n_conv_per_stage_decoder", json!([2, 0])),
        ("conv_op", json!("torch.nn.Conv2d")),
        ("norm_op", json!("torch.nn.BatchNorm2d")),
        ("norm_op", json!("torch.nn.GroupNorm")),
        ("norm_op", json!(null)),
        ("norm_op_kwargs", json!({"affine": false})),
        ("norm_op_kwargs", json!({"affine": true, "eps": -1.0})),
        ("dropout_op", json!("torch.nn.Dropout3d")),
        ("nonlin", json!("torch.nn.ReLU")),
        ("nonlin_kwargs", json!({"negative_slope": 0.2})),
    ] {
        let error = refused(|arguments| match key {
            "patch_size" => arguments["strides"][2] = json!([3, 2, 2]),
            _ => arguments[key] = value.clone(),
        });
        assert!(error.contains(key), "{key} = {value}: {error}");
    }
}

#[test]
fn contradictions_show_the_stages_as_planned() {
    let error = refused(|arguments| {
        arguments["strides"] = json!([[1, 1, 1], [1, 2, 2]]);
        arguments["features_per_stage"] = json!([4, 80, 16]);
    });
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "the plans' `strides` has 2 entries, expected 3");
    assert_eq!(lines[1], "stage  features  kernel  stride  convolutions");
    assert_eq!(lines[3], "1            80   3×3×3   1×2×2             2");
    assert_eq!(lines[4], "2            16   3×3×3       –             2");
}

#[test]
fn arguments_that_change_the_network_are_not_overlooked() {
    for (key, value) in [
        ("nonlin_first", json!(true)),
        ("stem_channels", json!(8)),
        ("squeeze_excitation", json!(true)),
        ("stochastic_depth_p", json!(0.2)),
    ] {
        let error = refused(|arguments| arguments[key] = value.clone());
        assert!(error.contains(key), "{error}");
    }
    let mut arguments = small_arguments(4);
    arguments["stochastic_depth_p"] = json!(0.0);
    arguments["stem_channels"] = json!(null);
    let plain = configuration("PlainConvUNet", &arguments, &[8, 16, 16]);
    assert!(NetworkSpec::new(&plain, 1, 2).is_ok());
}

#[test]
fn batch_norm_is_read_with_its_momentum() {
    let norm = |kwargs: Value| {
        let mut arguments = small_arguments(4);
        arguments["norm_op"] = json!("torch.nn.modules.batchnorm.BatchNorm3d");
        arguments["norm_op_kwargs"] = kwargs;
        let plain = configuration("PlainConvUNet", &arguments, &[8, 16, 16]);
        NetworkSpec::new(&plain, 1, 2).map(|spec| spec.norm())
    };
    let found = norm(json!({"eps": 1e-5, "affine": true})).unwrap();
    assert_eq!(found, NormKind::Batch { momentum: 0.1 });
    let found = norm(json!({"momentum": 0.5})).unwrap();
    assert_eq!(found, NormKind::Batch { momentum: 0.5 });
    for kwargs in [
        json!({"momentum": null}),
        json!({"momentum": 2}),
        json!({"track_running_stats": false}),
        json!({"affine": false}),
    ] {
        assert!(norm(kwargs.clone()).is_err(), "{kwargs}");
    }
}

#[test]
fn unknown_networks_and_empty_ends_are_refused() {
    let other = configuration("a.Transformer", &small_arguments(4), &[8, 16, 16]);
    let error = NetworkSpec::new(&other, 1, 2).unwrap_err();
    assert!(
        matches!(error, ModelError::UnsupportedArchitecture { .. }),
        "{error}"
    );
    let plain = configuration("PlainConvUNet", &small_arguments(4), &[8, 16, 16]);
    assert!(NetworkSpec::new(&plain, 0, 2).is_err());
    assert!(UNet::new(&plain, 1, 0, Device::Cpu).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever numbers stand in the plans: an error or a network, never a panic.
    #[test]
    fn any_numbers_are_checked(
        stages in 0_usize..5,
        features in proptest::collection::vec(0_usize..=usize::MAX, 0..5),
        strides in proptest::collection::vec(proptest::collection::vec(0_usize..=usize::MAX, 3), 0..5),
        blocks in proptest::collection::vec(0_usize..=usize::MAX, 0..5),
    ) {
        let mut arguments = small_arguments(4);
        arguments["n_stages"] = json!(stages);
        arguments["features_per_stage"] = json!(features);
        arguments["strides"] = json!(strides);
        arguments["n_conv_per_stage"] = json!(blocks);
        let configuration = configuration("PlainConvUNet", &arguments, &[8, 16, 16]);
        let _ = NetworkSpec::new(&configuration, 1, 2);
    }
}
