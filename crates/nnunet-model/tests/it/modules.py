"""Loads weights into the Python modules, runs them in training and evaluation, and saves them.

Arguments: class of the network, its arguments as JSON, checkpoint, file of the input (float32,
little-endian), its shape separated by commas, folder for `trained{i}.bin`, `evaluated{i}.bin`
and `after.pth`.
"""

import json
import sys

import numpy as np
import torch
from dynamic_network_architectures.architectures import unet
from dynamic_network_architectures.building_blocks.helper import get_matching_batchnorm
from torch import nn

name, arguments, checkpoint, source, shape, target = sys.argv[1:]
arguments = json.loads(arguments)
arguments["conv_op"] = {2: nn.Conv2d, 3: nn.Conv3d}[len(arguments["strides"][0])]
norm = arguments["norm_op"].rsplit(".", 1)[-1]
arguments["norm_op"] = (
    get_matching_batchnorm(arguments["conv_op"]) if "Batch" in norm else getattr(nn, norm)
)
arguments["nonlin"] = nn.LeakyReLU
network = getattr(unet, name)(**arguments, deep_supervision=True)
loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
network.load_state_dict(loaded["network_weights"], strict=True)
x = np.fromfile(source, "<f4").reshape([int(edge) for edge in shape.split(",")])
x = torch.from_numpy(x)


def write(outputs, kind):
    for i, output in enumerate(outputs):
        output.detach().numpy().astype("<f4").tofile(f"{target}/{kind}{i}.bin")


network.train()
write(network(x), "trained")
network.eval()
with torch.no_grad():
    write(network(x), "evaluated")
# As the Python program saves a network that is wrapped for parallel training.
weights = {"module." + key: value for key, value in network.state_dict().items()}
torch.save({"network_weights": weights}, f"{target}/after.pth")
