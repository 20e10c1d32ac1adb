"""``gradnet demo``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("demo")
@click.option(
    "-o",
    "--output",
    default="gradnet-demo.png",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture to write.",
)
@click.option("--model", default="auto", show_default=True)
@click.option(
    "--sigma",
    type=click.FloatRange(0),
    default=25.0,
    show_default=True,
    help="Noise, levels of 255.",
)
@click.option("--device", default="auto", show_default=True)
def command(output: Path, model: str, sigma: float, device: str) -> int:
    """Denoise an embedded noisy photo and draw the result."""
    from napari_gradnet import api

    result = api.demo(output, model=model, sigma=sigma, device=device)
    click.echo(
        f"model    {result.model}\n"
        f"device   {result.device}\n"
        f"noise    sigma {result.sigma:g} of 255\n"
        f"PSNR     {result.psnr_noisy:.2f} dB -> {result.psnr_denoised:.2f} dB\n"
        f"time     {result.seconds:.2f} s for {result.megapixels:.2f} megapixels\n"
        f"picture  {result.picture}"
    )
    return 0
