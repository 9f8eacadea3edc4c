"""Saves the weights of a checkpoint again in ways that PyTorch allows and nnU-Net does not use.

Arguments: checkpoint, folder for `strided.pth`, `protocol{2..5}.pth`, `odd.pth`, `legacy.pth`.
"""

import collections
import datetime
import pathlib
import sys

import numpy as np
import torch

source, target = sys.argv[1:]
weights = torch.load(source, map_location="cpu", weights_only=True)["network_weights"]


def save(name, entries, **options):
    torch.save(entries, f"{target}/{name}.pth", **options)


# All tensors in one storage, transposed in memory where they have axes to transpose.
flat = torch.cat([w.transpose(0, -1).reshape(-1) for w in weights.values()])
strided, offset = {}, 0
for name, w in weights.items():
    shape = list(w.shape)
    shape[0], shape[-1] = shape[-1], shape[0]
    view = flat[offset : offset + w.numel()].view(shape).transpose(0, -1)
    strided["_orig_mod." + name] = torch.nn.Parameter(view)
    offset += w.numel()
save("strided", {"network_weights": strided})

for protocol in range(2, 6):
    doubled = collections.OrderedDict((k, w.double()) for k, w in weights.items())
    save(f"protocol{protocol}", {"network_weights": doubled}, pickle_protocol=protocol)

Point = collections.namedtuple("Point", "x y")
save(
    "odd",
    {
        "network_weights": {"module." + k: w for k, w in weights.items()},
        "trainer_name": "nnUNetTrainer",
        "_best_ema": np.float64("nan"),
        "current_epoch": np.int64(3),
        "inference_allowed_mirroring_axes": None,
        "logging": {
            "lrs": [np.float32(0.5), 1, None],
            "dice_per_class_or_region": [np.array([0.5, 1.0])],
            "val_losses": [float("nan")],
        },
        "grad_scaler_state": collections.defaultdict(float, {"scale": 2.0}),
        "init_args": {
            "configuration": "3d_fullres",
            "fold": "all",
            "device": torch.device("cuda", 1),
            "plans": {"nan": float("nan"), "size": torch.Size([1, 2]), "large": 2**70, 7: True},
            "output": pathlib.Path("/tmp"),
            "when": datetime.date(2020, 1, 1),
            "point": Point(1, 2),
            "set": {1},
            "tensor": torch.ones(2),
            "type": torch.float32,
        },
    },
)
save("legacy", {"network_weights": weights}, _use_new_zipfile_serialization=False)
