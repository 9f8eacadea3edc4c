//! What networks cost agrees with the Python program's own counts.

use nnunet_model::info::StageKind;
use nnunet_model::{ModelInfo, NetworkSpec};
use serde_json::{Value, json};

use crate::common::{configuration, fixture_spec, fixtures, index, small_arguments};

fn info(class: &str, arguments: &Value, patch: &[usize], heads: usize) -> ModelInfo {
    let spec = NetworkSpec::new(&configuration(class, arguments, patch), 1, heads).unwrap();
    ModelInfo::new(&spec, patch).unwrap()
}

#[test]
fn counts_equal_those_of_the_python_modules() {
    let Some(folder) = fixtures("counts_equal_those_of_the_python_modules") else {
        return;
    };
    let index = index(&folder);
    for name in ["plain2d", "plain3d_aniso", "plain3d_iso", "resenc3d"] {
        let spec = fixture_spec(&index, name);
        let input: Vec<usize> = serde_json::from_value(index[name]["input"].clone()).unwrap();
        let info = ModelInfo::new(&spec, &input[2..]).unwrap();
        assert_eq!(Some(info.parameters()), index[name]["n_params"].as_u64());
        assert_eq!(info.parameters(), spec.parameter_count() as u64);
        let activations = index[name]["feature_map_size"].as_u64();
        assert_eq!(Some(info.activations()), activations, "{name}");
    }
}

/// A network of isotropic stages as the planner makes them.
fn isotropic(axes: usize, stages: usize, cap: usize, blocks: Option<&[usize]>) -> Value {
    let features: Vec<usize> = (0..stages).map(|i| (32 << i).min(cap)).collect();
    let strides: Vec<Vec<usize>> = (0..stages)
        .map(|i| vec![1 + usize::from(i > 0); axes])
        .collect();
    let mut arguments = small_arguments(4);
    arguments["n_stages"] = json!(stages);
    arguments["features_per_stage"] = json!(features);
    arguments["kernel_sizes"] = json!(vec![vec![3; axes]; stages]);
    arguments["strides"] = json!(strides);
    arguments["conv_op"] = json!(format!("torch.nn.Conv{axes}d"));
    arguments["norm_op"] = json!(format!("torch.nn.InstanceNorm{axes}d"));
    arguments["n_conv_per_stage"] = json!(vec![2; stages]);
    let decoder = if blocks.is_some() { 1 } else { 2 };
    arguments["n_conv_per_stage_decoder"] = json!(vec![decoder; stages - 1]);
    if let Some(blocks) = blocks {
        arguments["n_blocks_per_stage"] = json!(blocks);
    }
    arguments
}

#[test]
fn activations_of_large_networks_are_those_that_the_planner_estimates_with() {
    let blocks = [1, 3, 4, 6, 6, 6, 6];
    let residual = "ResidualEncoderUNet";
    let arguments = isotropic(3, 6, 320, Some(&blocks[..6]));
    assert_eq!(
        info(residual, &arguments, &[128; 3], 3).activations(),
        558_319_104
    );
    let arguments = isotropic(2, 7, 512, Some(&blocks));
    assert_eq!(
        info(residual, &arguments, &[512; 2], 3).activations(),
        129_793_792
    );
    // The plain ones are estimated without the segmentation outputs of lower resolution.
    let info = info("PlainConvUNet", &isotropic(3, 6, 320, None), &[128; 3], 3);
    let lower: u64 = (info.stages.iter())
        .filter(|stage| stage.kind == StageKind::Decoder && stage.level > 0)
        .map(|stage| 3 * stage.shape.iter().product::<usize>() as u64)
        .sum();
    assert_eq!(info.activations() - lower, 452_796_416);
}

#[test]
fn operations_are_two_per_product() {
    let info = info("PlainConvUNet", &small_arguments(4), &[8, 16, 16], 3);
    let (first, last) = (&info.stages[0], info.stages.last().unwrap());
    let voxels = 8 * 16 * 16;
    // 1 → 4 and 4 → 4 channels with kernels of 9.
    assert_eq!(first.flops, 2 * voxels * 9 * (4 + 16));
    assert_eq!(first.activation_bytes(), 4 * voxels * 8);
    // Upsampling 8 → 4, convolutions 8 → 4 → 4, output 4 → 3.
    assert_eq!(last.flops, 2 * voxels * (32 + 9 * (32 + 16) + 12));
    let sum: u64 = info.stages.iter().map(|stage| stage.flops).sum();
    assert_eq!(info.flops(), sum);
}

#[test]
fn the_table_lines_up_and_patches_that_do_not_fit_show_the_stages() {
    let arguments = small_arguments(4);
    let text = info("PlainConvUNet", &arguments, &[8, 16, 16], 3).to_string();
    let widths: Vec<usize> = text.lines().map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 1 + 3 + 2 + 1, "{text}");
    assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    assert!(text.contains("8×8×8") && text.contains("total"), "{text}");

    let spec = NetworkSpec::new(
        &configuration("PlainConvUNet", &arguments, &[8, 16, 16]),
        1,
        2,
    );
    for patch in [&[8, 16, 18][..], &[8, 16], &[0, 16, 16]] {
        let error = ModelInfo::new(spec.as_ref().unwrap(), patch)
            .unwrap_err()
            .to_string();
        assert!(error.contains("multiples of [2, 4, 4]"), "{error}");
        assert!(error.contains("stage  features  kernel"), "{error}");
    }
}
