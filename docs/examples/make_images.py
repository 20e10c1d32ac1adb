"""Write the images of the tutorials: a noisy stack, a noisy photo, clean photos."""

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data
from tifffile import imwrite

rng = np.random.default_rng(0)

# cells.tif: four planes of 0.11 micrometres a pixel, in the counts of a camera
# (2 counts an electron, 100 counts without light, read noise 6 counts)
cell = data.cell()[:512, :512] / 255
electrons = np.stack([cell * level for level in (40, 60, 80, 100)])
counts = rng.normal(2 * rng.poisson(electrons) + 100, 6).clip(0, 65535)
imwrite(
    "cells.tif",
    counts.round().astype(np.uint16),
    imagej=True,
    resolution=(1 / 0.11, 1 / 0.11),
    metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"},
)

# photo.png and clean.png: a photo with white noise of sigma 25, and without
clean = data.chelsea()
noisy = rng.normal(clean, 25).clip(0, 255).round().astype(np.uint8)
Image.fromarray(clean).save("clean.png")
Image.fromarray(noisy).save("photo.png")

# photos/: twelve clean grey photos to train on
Path("photos").mkdir(exist_ok=True)
for name in ("camera", "coins", "page"):
    image = getattr(data, name)()
    for number, corner in enumerate((0, 30, 60, 90)):
        part = image[corner : corner + 100, corner : corner + 100]
        Image.fromarray(part).save(f"photos/{name}-{number}.png")
