"""How long does one forward pass take: every model, eager and compiled, in each precision and layout?

A step is the model in evaluation mode under inference_mode, as in predict.
"""

import torch
from torch import Tensor, nn

from benchmarks.grid import Step, run_grid


def inference_job(model: nn.Module, inputs: Tensor, _targets: Tensor, precision: str) -> tuple[Step, None]:
    """Return a step that computes the outputs."""
    model.eval()
    autocast = torch.autocast(inputs.device.type, torch.bfloat16, enabled=precision == "bf16")

    def step() -> None:
        with torch.inference_mode(), autocast:
            model(inputs)

    return step, None


def run(*, device: str, quick: bool, detail: bool = False) -> dict:
    """Measure a forward pass of every registered model; print milliseconds and samples a second."""
    return run_grid(inference_job, device=device, quick=quick, detail=detail)
