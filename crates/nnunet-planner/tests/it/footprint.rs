//! Parameters counted, and memory bounded from below.

use nnunet_planner::{Footprint, PlanOverrides, Precision, Rules, footprint};
use nnunet_schema::Configuration;
use nnunet_schema::plans::{Architecture, Dimensionality, EncoderDepths, Stages};
use serde_json::Value;

use crate::common::{dataset, fixtures, plan, plan_by, read, uniform};

fn liver() -> Configuration {
    let liver = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    let overrides = PlanOverrides::default();
    let outcome = plan(&liver, &dataset(&["CT"], 2), 8.0, &overrides).unwrap();
    outcome.plans.configuration("3d_fullres").unwrap()
}

/// Two stages of 4 and 8 features on slices of 8 × 8, in batches of 3.
fn small(encoder: EncoderDepths, decoder_convolutions: usize) -> Configuration {
    let stages = Stages {
        features: vec![4, 8],
        kernels: vec![vec![3, 3]; 2],
        strides: vec![vec![1, 1], vec![2, 2]],
        encoder,
        decoder_convolutions,
    };
    Configuration {
        patch_size: vec![8, 8],
        batch_size: 3,
        architecture: Architecture::unet(Dimensionality::Two, &stages),
        ..liver()
    }
}

fn bytes(found: Footprint) -> (u64, u64, u64) {
    (
        found.parameters,
        found.training_bytes,
        found.inference_bytes,
    )
}

#[test]
fn a_plain_network_counted_by_hand() {
    let small = small(EncoderDepths::Convolutions(vec![2, 2]), 2);
    let encoder = (2 * 4 * 9 + 12) + (4 * 4 * 9 + 12) + (4 * 8 * 9 + 24) + (8 * 8 * 9 + 24);
    let decoder = (8 * 4 * 4 + 4) + (8 * 4 * 9 + 12) + (4 * 4 * 9 + 12) + (4 * 3 + 3);
    let parameters = encoder + decoder;
    // Image; two units per stage of input of the norm and output; joined; logits.
    let (full, half) = (4 * 64, 8 * 16);
    let kept = 2 * 64 + 4 * full + 4 * half + 2 * full + 4 * full + 3 * 64;
    // Skipped, upsampled, and both joined.
    let live = full + full + 2 * full;
    let found = |precision| bytes(footprint(&small, 2, 3, precision));
    assert_eq!(
        found(Precision::Single),
        (
            parameters,
            12 * parameters + 3 * 4 * kept,
            4 * (parameters + live)
        )
    );
    assert_eq!(
        found(Precision::Mixed),
        (
            parameters,
            12 * parameters + 3 * 2 * kept,
            4 * parameters + 2 * live
        )
    );
}

#[test]
fn a_residual_network_counted_by_hand() {
    let small = small(EncoderDepths::Blocks(vec![1, 2]), 1);
    let stem = 2 * 4 * 9 + 12;
    let full_block = 2 * (4 * 4 * 9 + 12);
    let half_blocks = (4 * 8 * 9 + 24) + 3 * (8 * 8 * 9 + 24);
    let projection = 4 * 8 + 16;
    let decoder = (8 * 4 * 4 + 4) + (8 * 4 * 9 + 12) + (4 * 3 + 3);
    let parameters = stem + full_block + half_blocks + projection + decoder;
    let (full, half) = (4 * 64, 8 * 16);
    // Image; stem; one block; two blocks, what the projection takes in and its norm; decoder.
    let kept = 2 * 64 + 2 * full + 4 * full + (8 * half + 4 * 16 + half) + 4 * full + 3 * 64;
    let live = 4 * full;
    assert_eq!(
        bytes(footprint(&small, 2, 3, Precision::Single)),
        (
            parameters,
            12 * parameters + 3 * 4 * kept,
            4 * (parameters + live)
        )
    );
}

#[test]
fn many_outputs_or_deep_stages_are_the_worst_moment() {
    let plain = small(EncoderDepths::Convolutions(vec![2, 2]), 2);
    let live = |configuration: &Configuration, channels, heads| {
        let found = footprint(configuration, channels, heads, Precision::Single);
        (found.inference_bytes - 4 * found.parameters) / 4
    };
    assert_eq!(live(&plain, 2, 100), 4 * 64 + 100 * 64);
    assert_eq!(live(&plain, 100, 2), 100 * 64 + 4 * 64);
    let mut deep = plain;
    deep.architecture.arch_kwargs.features_per_stage[1] = 1000;
    assert_eq!(live(&deep, 2, 3), 4 * 64 + 2 * 1000 * 16);
}

#[test]
fn the_parameters_of_the_python_program_are_met() {
    let Some(folder) = fixtures("the_parameters_of_the_python_program_are_met") else {
        return;
    };
    let index = read(&folder.join("../network/index.json"));
    let mut checked = 0;
    for (name, entry) in index.as_object().unwrap() {
        let Some(class) = entry["arch"].as_str() else {
            continue;
        };
        let arguments = &entry["kwargs"];
        let mut configuration = liver();
        configuration.patch_size = (entry["input"].as_array().unwrap().iter().skip(2))
            .map(|edge| edge.as_u64().unwrap() as usize)
            .collect();
        configuration.architecture.network_class_name = format!("a.b.{class}");
        configuration.architecture.arch_kwargs = serde_json::from_value(arguments.clone()).unwrap();
        let number = |key: &str| arguments[key].as_u64().unwrap() as usize;
        let (channels, heads) = (number("input_channels"), number("num_classes"));
        let found = footprint(&configuration, channels, heads, Precision::Single);
        assert_eq!(found.parameters, listed(&entry["keys"]), "{name}");
        checked += 1;
    }
    assert_eq!(checked, 4);
}

/// The sizes of all tensors listed, without those that are listed again under another name.
fn listed(keys: &Value) -> u64 {
    let is_alias =
        |name: &str| name.contains("all_modules") || name.starts_with("decoder.encoder.");
    (keys.as_array().unwrap().iter())
        .filter(|entry| !is_alias(entry[0].as_str().unwrap()))
        .map(|entry| {
            let shape = entry[1].as_array().unwrap();
            shape
                .iter()
                .map(|edge| edge.as_u64().unwrap())
                .product::<u64>()
        })
        .sum()
}

#[test]
fn published_networks_have_the_size_that_they_are_known_for() {
    let facts = uniform(131, [482, 512, 512], [1.0, 0.7676, 0.7676]);
    let description = dataset(&["CT"], 2);
    for (rules, millions) in [(Rules::v2(), 30..32), (Rules::resenc_l(), 101..104)] {
        let gb = rules.reference_gpu_memory_gb;
        let plans = plan_by(rules, &facts, &description, gb).unwrap().plans;
        let configuration = plans.configuration("3d_fullres").unwrap();
        let found = footprint(&configuration, 1, 3, Precision::Mixed);
        assert!(
            millions.contains(&(found.parameters / 1_000_000)),
            "{found:?}"
        );
        // A lower bound of a plan that is known to fit.
        assert!(found.training_bytes as f64 / 1e9 < gb, "{found:?}");
        assert!(found.inference_bytes < found.training_bytes);
    }
}

#[test]
fn a_bound_grows_with_everything() {
    let base = liver();
    let of = |configuration: &Configuration, channels, heads| {
        footprint(configuration, channels, heads, Precision::Mixed)
    };
    let least = of(&base, 1, 2);
    for more in [of(&base, 2, 2), of(&base, 1, 3)] {
        assert!(more.parameters > least.parameters);
        assert!(more.training_bytes > least.training_bytes);
    }
    let single = footprint(&base, 1, 2, Precision::Single);
    assert!(single.training_bytes > least.training_bytes);
    assert!(single.inference_bytes > least.inference_bytes);
    let mut wider = base.clone();
    wider.patch_size[2] += 32;
    assert_eq!(of(&wider, 1, 2).parameters, least.parameters);
    assert!(of(&wider, 1, 2).inference_bytes > least.inference_bytes);
    let mut without_norm = base.clone();
    without_norm.architecture.arch_kwargs.norm_op = None;
    without_norm.architecture.arch_kwargs.conv_bias = false;
    assert!(of(&without_norm, 1, 2).training_bytes < least.training_bytes);
}

#[test]
fn lists_that_disagree_and_huge_numbers_are_survived() {
    let mut odd = liver();
    let network = &mut odd.architecture.arch_kwargs;
    network.kernel_sizes.truncate(2);
    network.strides[1] = vec![0, 0];
    network.n_conv_per_stage_decoder.clear();
    let shorter = footprint(&odd, 1, 2, Precision::Single);
    assert!(shorter.parameters < footprint(&liver(), 1, 2, Precision::Single).parameters);

    let network = &mut odd.architecture.arch_kwargs;
    network.features_per_stage = vec![usize::MAX; 6];
    network.n_conv_per_stage = Some(vec![usize::MAX; 6]);
    odd.patch_size = vec![usize::MAX; 3];
    odd.batch_size = usize::MAX;
    let most = footprint(&odd, usize::MAX, usize::MAX, Precision::Mixed);
    assert_eq!(bytes(most), (u64::MAX, u64::MAX, u64::MAX));

    let network = &mut odd.architecture.arch_kwargs;
    network.n_conv_per_stage = None;
    let none = footprint(&odd, 1, 2, Precision::Mixed);
    assert_eq!(bytes(none), (0, 0, 0));
}
