"""Makes a model folder with a small residual-encoder network of random weights, and images, and
predicts them with the Python program.

Argument: a folder; it gets `model` (plans.json, dataset.json, fold_0/checkpoint_final.pth), `images`
with two cases, and `plain` and `mirrored` with their label maps and probabilities.
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK
import torch
from nnunetv2.inference import predict_from_raw_data
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

AXES = 3
STAGES = 3
SPLINE = "resample_data_or_seg_to_shape"


def resampling(order: int, is_labels: bool) -> dict:
    return {"is_seg": is_labels, "order": order, "order_z": 0, "force_separate_z": None}


architecture = {
    "network_class_name": "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet",
    "arch_kwargs": {
        "n_stages": STAGES,
        "features_per_stage": [4, 8, 8],
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 3, 3]] + [[3] * AXES] * 2,
        "strides": [[1] * AXES, [1, 2, 2], [2] * AXES],
        "n_blocks_per_stage": [1, 2, 2],
        "n_conv_per_stage_decoder": [1, 1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
}
configuration = {
    "data_identifier": "nnUNetPlans_3d_fullres",
    "preprocessor_name": "DefaultPreprocessor",
    "batch_size": 2,
    "patch_size": [12, 16, 16],
    "median_image_size_in_voxels": [20, 24, 24],
    "spacing": [1.0, 1.0, 1.0],
    "normalization_schemes": ["ZScoreNormalization", "ZScoreNormalization"],
    "use_mask_for_norm": [False, False],
    "resampling_fn_data": SPLINE,
    "resampling_fn_seg": SPLINE,
    "resampling_fn_data_kwargs": resampling(3, False),
    "resampling_fn_seg_kwargs": resampling(1, True),
    "resampling_fn_probabilities": SPLINE,
    "resampling_fn_probabilities_kwargs": resampling(1, False),
    "architecture": architecture,
    "batch_dice": False,
}
plans = {
    "dataset_name": "Dataset001_Residual",
    "plans_name": "nnUNetResEncUNetMPlans",
    "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
    "original_median_shape_after_transp": [20, 24, 24],
    "image_reader_writer": "SimpleITKIO",
    "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2],
    "configurations": {"3d_fullres": configuration},
    "experiment_planner_used": "nnUNetPlannerResEncM",
    "label_manager": "LabelManager",
    "foreground_intensity_properties_per_channel": {
        channel: {"max": 1.0, "mean": 0.0, "median": 0.0, "min": -1.0, "percentile_00_5": -1.0,
                  "percentile_99_5": 1.0, "std": 1.0}
        for channel in ("0", "1")
    },
}
dataset = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "a": 1, "b": 2},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}


def make_model(model: Path) -> None:
    fold = model / "fold_0"
    fold.mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(plans))
    (model / "dataset.json").write_text(json.dumps(dataset))
    torch.manual_seed(3)
    network = get_network_from_plans(
        architecture["network_class_name"], architecture["arch_kwargs"],
        architecture["_kw_requires_import"], 2, 3, allow_init=True, deep_supervision=True)
    with torch.no_grad():
        for parameter in network.parameters():
            # Biases and norms that do something, and logits that differ by voxel.
            parameter.add_(torch.randn_like(parameter) * 0.1)
    torch.save({
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"plans": plans, "configuration": "3d_fullres", "fold": 0,
                      "dataset_json": dataset},
        "inference_allowed_mirroring_axes": (0, 1, 2),
        "current_epoch": 1,
    }, fold / "checkpoint_final.pth")


def make_images(folder: Path) -> None:
    folder.mkdir()
    random = np.random.default_rng(5)
    # The second is resampled, and has a coarse axis.
    for case, shape, spacing in (("even", (20, 26, 22), (1.0, 1.0, 1.0)),
                                 ("odd", (9, 24, 30), (0.8, 0.9, 3.4))):
        for channel in range(2):
            grid = np.meshgrid(*(np.linspace(0, 5, edge) for edge in shape), indexing="ij")
            values = np.sin(grid[0] + channel) * np.cos(grid[1]) + np.sin(grid[2] * 1.3)
            values = values + random.normal(0, 0.2, shape)
            image = SimpleITK.GetImageFromArray(values.astype(np.float32))
            image.SetSpacing(spacing)
            image.SetOrigin((10.0, -5.0, 3.0))
            SimpleITK.WriteImage(image, str(folder / f"{case}_{channel:04d}.nii.gz"))


def predict(root: Path, name: str, mirrored: bool) -> None:
    # It does not make the folder when it predicts one case after the other.
    (root / name).mkdir()
    predictor = nnUNetPredictor(use_mirroring=mirrored, perform_everything_on_device=False,
                                device=torch.device("cpu"), verbose=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(root / "model"), (0,))
    # The program weights windows and adds logits up in `torch.half`. Near the corners of an image,
    # where weights are below the smallest normal number of that kind, little but rounding is left.
    half, torch.half = torch.half, torch.float32
    predictor.predict_from_files_sequential(
        str(root / "images"), str(root / name), save_probabilities=True, overwrite=True)
    torch.half = half


if __name__ == "__main__":
    root = Path(sys.argv[1])
    half_weights = predict_from_raw_data.compute_gaussian
    single_weights = partial(half_weights, dtype=torch.float32)
    single_weights.cache_clear = half_weights.cache_clear
    predict_from_raw_data.compute_gaussian = single_weights
    torch.set_num_threads(1)
    make_model(root / "model")
    make_images(root / "images")
    predict(root, "plain", False)
    predict(root, "mirrored", True)
