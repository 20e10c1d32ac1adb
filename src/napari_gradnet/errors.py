"""Exceptions of napari-gradnet.

::

    GradNetError
    ├── InputError (ValueError)          an image or an argument that cannot be used
    │   └── AxesError                    axes that do not fit an image
    ├── ConfigError (ValueError)         a configuration that does not validate
    ├── FileFormatError (ValueError)     a file that cannot be read or written as asked
    ├── ModelError (ValueError)          a model file that is damaged, unknown or unfit
    ├── DeviceError (RuntimeError)       a device that is absent or out of memory
    ├── MissingDependencyError (ImportError)
    └── TrainingError (RuntimeError)     a training that cannot go on

Every message says what was found, what was expected and what to do.
"""

from __future__ import annotations

__all__ = [
    "AxesError",
    "ConfigError",
    "DeviceError",
    "FileFormatError",
    "GradNetError",
    "InputError",
    "MissingDependencyError",
    "ModelError",
    "TrainingError",
]


class GradNetError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(GradNetError, ValueError):
    """An image or an argument that cannot be used."""


class AxesError(InputError):
    """Axes that do not fit an image."""


class ConfigError(GradNetError, ValueError):
    """A configuration that does not validate."""


class FileFormatError(GradNetError, ValueError):
    """A file that cannot be read or written as asked."""


class ModelError(GradNetError, ValueError):
    """A model file that is damaged, unknown or unfit for the image."""


class DeviceError(GradNetError, RuntimeError):
    """A device that is absent or out of memory."""


class MissingDependencyError(GradNetError, ImportError):
    """An optional package that is needed here and not installed."""


class TrainingError(GradNetError, RuntimeError):
    """A training that cannot go on."""
