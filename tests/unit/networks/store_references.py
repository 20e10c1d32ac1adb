"""Store what small networks give for a fixed input.

Run it as a script after a change that is meant to change what networks compute.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from napari_gradnet.networks.registry import build_network

if __package__:
    from .variants import SMALL, fill, inputs
else:
    from variants import SMALL, fill, inputs


@torch.inference_mode()
def reference(variant: str) -> list[float]:
    """Every 37th value of a variant's output."""
    name, options = SMALL[variant]
    network = build_network(name, **options).eval()
    fill(network)
    shape = (1, network.config.in_channels, 11, 14)
    values = network(*inputs(network, shape)).flatten()[::37]
    return [round(float(v), 6) for v in values]


if __name__ == "__main__":
    lines = (f'  "{v}": {json.dumps(reference(v))}' for v in SMALL)
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    path = Path(__file__).parent / "references.json"
    path.write_text(text, encoding="utf-8")
