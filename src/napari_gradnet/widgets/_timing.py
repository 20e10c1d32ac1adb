"""Time left, in words."""

from __future__ import annotations

import time

__all__ = ["TimeLeft", "in_words"]


def in_words(seconds: float) -> str:
    """Say how long something takes, to the precision that matters."""
    if seconds < 1.5:
        return "1 s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


class TimeLeft:
    """Estimates the time left from the pace since the first step was done.

    The first step is left out where others follow: it loads the model.
    """

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._began: float | None = None

    def update(self, done: int, total: int, now: float | None = None) -> str:
        """Take a step.

        Parameters
        ----------
        done, total : int
            Finished and all steps.
        now : float, optional
            Seconds of any clock.

        Returns
        -------
        str
            Such as ``"40 s left"``; empty while nothing is known.
        """
        now = time.monotonic() if now is None else now
        if done < 1:
            self._began = now if self._began is None else self._began
            return ""
        if self._began is None:  # nobody knows what of it was done before
            self._began, self._first = now, (now, done)
            return ""
        if self._first is None:
            self._first = (now, done)
            pace = (now - self._began) / done
        elif done > self._first[1]:
            pace = (now - self._first[0]) / (done - self._first[1])
        else:
            return ""
        left = pace * (total - done)
        return f"{in_words(left)} left" if done < total else ""
