from napari_gradnet.api._benchmark import (
    benchmark_accuracy,
    benchmark_inference,
    benchmark_precision,
)
from napari_gradnet.api._demo import demo
from napari_gradnet.api._files import denoise_file, gradient_file, naive_denoise_file
from napari_gradnet.api._functions import describe_noise, gradient
from napari_gradnet.axes import guess_axes
from napari_gradnet.errors import GradNetError
from napari_gradnet.events import Event, Progress
from napari_gradnet.inference.denoise import denoise, iter_denoise
from napari_gradnet.inference.device import (
    describe_device,
    list_devices,
    resolve_device,
)
from napari_gradnet.inference.models import ModelInfo, list_models, open_model
from napari_gradnet.io import open_image
from napari_gradnet.metrics import psnr, ssim
from napari_gradnet.naive import naive_denoise
from napari_gradnet.networks.registry import build_network, list_networks
from napari_gradnet.noise.estimate import NoiseEstimate, estimate_noise
from napari_gradnet.training.run import iter_train, train

__all__ = [
    "Event",
    "GradNetError",
    "ModelInfo",
    "NoiseEstimate",
    "Progress",
    "benchmark_accuracy",
    "benchmark_inference",
    "benchmark_precision",
    "build_network",
    "demo",
    "denoise",
    "denoise_file",
    "describe_device",
    "describe_noise",
    "estimate_noise",
    "gradient",
    "gradient_file",
    "guess_axes",
    "iter_denoise",
    "iter_train",
    "list_devices",
    "list_models",
    "list_networks",
    "naive_denoise",
    "naive_denoise_file",
    "open_image",
    "open_model",
    "psnr",
    "resolve_device",
    "ssim",
    "train",
]
