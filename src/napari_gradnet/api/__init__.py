"""The programming interface: what a scientist scripts.

Importing it loads no torch; each function brings what it needs at its first use.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
