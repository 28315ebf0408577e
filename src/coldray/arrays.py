"""Types of arrays that several rooms say."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Floating = TypeVar("Floating", bound=np.floating)
"""Type of the pixels of an image that is transformed."""
Scalar = TypeVar("Scalar", bound=np.generic)
"""Type of the pixels of an array that comes back as it is: cut, turned, grouped or spread."""
