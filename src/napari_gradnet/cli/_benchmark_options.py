"""Options that the measurements of ``gradnet benchmark`` share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = [
    "COUNT",
    "DEVICE",
    "FOLDER",
    "GREY",
    "LIMIT",
    "LUMA",
    "MODELS",
    "NOISES",
    "PRECISION",
    "SIDE",
    "SIGMAS",
    "ManyValues",
]


class ManyValues(click.Command):
    """Lets ``--sigma 15 25 50`` stand for three times ``--sigma``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        inside = False
        for word in args:
            if inside and _is_number(word):
                if spread[-1] != "--sigma":
                    spread.append("--sigma")
            else:
                inside = word == "--sigma"
            spread.append(word)
        return super().parse_args(ctx, spread)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


MODELS = click.option(
    "--model", "models", multiple=True, help="All that fit when not given."
)
SIDE = click.IntRange(8)
COUNT = click.IntRange(1)
DEVICE = click.option("--device", default="auto", show_default=True)
PRECISION = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
)
SIGMAS = click.option(
    "--sigma",
    "sigmas",
    multiple=True,
    type=click.FloatRange(0),
    default=(15.0, 25.0, 50.0),
    show_default=True,
    help="Noise, levels of 255; several numbers may follow.",
)
NOISES = click.option(
    "--noise",
    "noises",
    multiple=True,
    metavar="KIND=NUMBER",
    help="Instead of --sigma: poisson=PEAK, poisson-gaussian=PEAK, jpeg=QUALITY, ...",
)
LUMA = click.option(
    "--luma", is_flag=True, help="Compare luma, as for compressed images."
)
LIMIT = click.option("--limit", type=click.IntRange(1), help="Only so many images.")
GREY = click.option("--grey", is_flag=True, help="Turn the images to luma.")
FOLDER = click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
