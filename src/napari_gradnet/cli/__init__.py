"""The command line: ``gradnet``.

Exit codes: 0 done, 1 failed, 2 wrong use, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import sys
from typing import TYPE_CHECKING

import click

from napari_gradnet import __version__
from napari_gradnet.errors import GradNetError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "LazyGroup", "gradnet", "main"]

#: Command: (where it is, its line in ``gradnet --help``). The module is imported when
#: the command runs, so the line stands here.
COMMANDS: dict[str, tuple[str, str]] = {
    name: (f"napari_gradnet.cli.{name}:command", line)
    for name, line in {
        "denoise": "Denoise images with a trained network.",
        "batch": "Denoise many files, resumable, here or on a cluster.",
        "naive": "Denoise images with a classical method.",
        "gradient": "Write the Sobel gradient of images, as float32 TIFF.",
        "noise": "Estimate the noise of images, in each file's units.",
        "models": "List the packaged models, or show all about one.",
        "demo": "Denoise an embedded noisy photo and draw the result.",
        "train": "Train a network as a YAML file says.",
        "export": "Write a network for other programs: ONNX or torch.export.",
        "benchmark": "Measure accuracy and speed.",
    }.items()
}

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """Group that imports a command's module when the command is used.

    Parameters
    ----------
    lazy_commands : dict of str to (str, str)
        Command name: its ``"module:attribute"`` and its line in the group's help.
    **attributes : object
        Of `click.Group`.
    """

    def __init__(
        self, *, lazy_commands: dict[str, tuple[str, str]], **attributes: object
    ) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self._lazy_commands = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands, in the order of the mapping."""
        return [*self._lazy_commands, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command `cmd_name`; None if there is none."""
        if cmd_name not in self._lazy_commands:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy_commands[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of commands without importing any."""
        rows = [(name, line) for name, (_, line) in self._lazy_commands.items()]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    lazy_commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="gradnet")
def gradnet() -> None:
    """Denoise images with GradNet and its relatives."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``gradnet``, by default what the program was called with.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong use, 130 interrupted.
    """
    # names of files need not be text that the terminal or pipe takes
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    # as Ctrl-C does, so that temporary files are removed
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        result = gradnet.main(arguments, prog_name="gradnet", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except (GradNetError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        return EXIT_FAILED
    # click hands back the code of `ctx.exit`, or what the command returned
    return result if isinstance(result, int) else 0
