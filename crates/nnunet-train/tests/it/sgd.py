"""Makes a step from a checkpoint of the Python program, on the mean square of the output.

Arguments: the model folder, the checkpoint, where to save the weights.
"""

import json
import sys

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

model, checkpoint, target = sys.argv[1:]
with open(f"{model}/plans.json") as file:
    architecture = json.load(file)["configurations"]["3d_fullres"]["architecture"]
network = get_network_from_plans(
    architecture["network_class_name"],
    architecture["arch_kwargs"],
    architecture["_kw_requires_import"],
    1,
    3,
    allow_init=False,
    deep_supervision=True,
)
loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
network.load_state_dict(loaded["network_weights"])
optimizer = torch.optim.SGD(
    network.parameters(), 0.01, weight_decay=3e-5, momentum=0.99, nesterov=True
)
optimizer.load_state_dict(loaded["optimizer_state"])
for group in optimizer.param_groups:
    group["lr"] = 0.01
x = torch.arange(40 * 56 * 40, dtype=torch.float32).sin().view(1, 1, 40, 56, 40)
network(x)[0].square().mean().backward()
torch.nn.utils.clip_grad_norm_(network.parameters(), 12)
optimizer.step()
torch.save({"network_weights": network.state_dict()}, target)
