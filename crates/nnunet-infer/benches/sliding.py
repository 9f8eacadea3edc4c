"""The Python program's side of the benchmark `sliding`: everything but the network, for 200^3 voxels
in 216 windows of 64^3 and 3 classes. The network has its answer ready, but must copy it, since the
program multiplies it in place; the time of the copies is taken off.

Run it with the interpreter of the Python program: `python crates/nnunet-infer/benches/sliding.py`.
Prints the seconds of every run, of the windows alone and with the argmax that makes labels of them,
and the peak memory in megabytes beyond what the libraries take.
"""

import time
from pathlib import Path
from types import SimpleNamespace

import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

IMAGE, WINDOW, CLASSES, RUNS = 200, 64, 3, 7


class Constant(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.answer = torch.rand(1, CLASSES, WINDOW, WINDOW, WINDOW)
        self.seconds = 0.0

    def forward(self, window):
        start = time.perf_counter()
        answer = self.answer.clone()
        self.seconds += time.perf_counter() - start
        return answer


def memory(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024 // 10**6


torch.set_num_threads(2)
predictor = nnUNetPredictor(tile_step_size=0.5, use_gaussian=True, use_mirroring=False,
                            perform_everything_on_device=False, device=torch.device("cpu"),
                            verbose=False, allow_tqdm=False)
predictor.network = Constant().eval()
predictor.configuration_manager = SimpleNamespace(patch_size=[WINDOW] * 3)
predictor.label_manager = SimpleNamespace(num_segmentation_heads=CLASSES)
predictor.allowed_mirroring_axes = (0, 1, 2)
image = torch.zeros(1, IMAGE, IMAGE, IMAGE)
before = memory("VmRSS")
for _ in range(RUNS):
    predictor.network.seconds = 0.0
    start = time.perf_counter()
    logits = predictor.predict_sliding_window_return_logits(image)
    windows = time.perf_counter() - start - predictor.network.seconds
    labels = logits.argmax(0)
    whole = time.perf_counter() - start - predictor.network.seconds
    print(f"{windows:.3f} s, with labels {whole:.3f} s")
print(f"peak {memory('VmHWM') - before} MB above {before} MB")
