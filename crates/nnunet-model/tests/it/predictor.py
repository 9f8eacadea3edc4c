"""Loads a model folder with the Python program's predictor and writes the network's outputs.

Arguments: model folder, checkpoint name, file of the input (float32, little-endian), its shape
separated by commas, file for the output.
"""

import sys

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

folder, name, source, shape, target = sys.argv[1:]
predictor = nnUNetPredictor(device=torch.device("cpu"), verbose=False)
predictor.initialize_from_trained_model_folder(folder, (0,), name)
assert predictor.trainer_name == "nnUNetTrainer"
assert isinstance(predictor.allowed_mirroring_axes, tuple)
network = predictor.network.eval()

path = f"{folder}/fold_0/{name}"
checkpoint = torch.load(path, map_location="cpu", weights_only=False)
assert isinstance(checkpoint["init_args"]["device"], torch.device)
assert isinstance(checkpoint["init_args"]["fold"], int)
assert len(checkpoint["logging"]["lrs"]) == checkpoint["current_epoch"]
# A checkpoint that holds nothing to run also loads where running is forbidden.
torch.load(path, map_location="cpu", weights_only=True)
optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.5)
optimizer.load_state_dict(checkpoint["optimizer_state"])
assert optimizer.param_groups[0]["momentum"] == 0.99
assert any(bool((s["momentum_buffer"] != 0).any()) for s in optimizer.state.values())

x = np.fromfile(source, "<f4").reshape([int(edge) for edge in shape.split(",")])
with torch.no_grad():
    network(torch.from_numpy(x)).numpy().astype("<f4").tofile(target)
