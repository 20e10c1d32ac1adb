"""The base of all configuration models and how their errors are told."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_gradnet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FrozenModel", "explain"]


class FrozenModel(BaseModel):
    """An immutable configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, values: Mapping[str, Any], what: str = "configuration") -> Self:
        """Validate a mapping.

        Raises
        ------
        ConfigError
            With one line for every value that does not fit.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError(explain(error, what, cls)) from error


def explain(
    error: ValidationError, what: str, model: type[BaseModel], skip: int = 0
) -> str:
    """Turn a pydantic error into sentences that name path, value and remedy.

    `skip` leaves out that many leading parts of each path (a union's tag).
    """
    lines = []
    for item in error.errors(include_url=False):
        loc = item["loc"][skip:]
        path = ".".join(str(part) for part in loc)
        if item["type"] == "extra_forbidden":
            hint = (
                f"; known are {', '.join(model.model_fields)}" if len(loc) == 1 else ""
            )
            lines.append(f"{path} is not an option here{hint}")
        elif item["type"] == "missing":
            lines.append(f"{path} is missing: give a value")
        elif item["type"] == "value_error":  # a rule of ours, which tells the value
            reason = item["msg"].removeprefix("Value error, ")
            lines.append(f"{path}: {reason}" if path else reason)
        elif not path:
            lines.append(f"{item['msg']}, not {reprlib.repr(item['input'])}")
        else:
            lines.append(f"{path}={reprlib.repr(item['input'])}: {item['msg']}")
    return f"invalid {what}: " + "; ".join(lines)
