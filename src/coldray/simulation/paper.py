"""The acquisition of the paper, which simulations take where nothing else is asked for."""

from __future__ import annotations

SHARP_MG_CM2, BLURRED_MG_CM2 = 33.91, 134.55
"""Phosphor loadings of the two screens."""
PITCH_MM = 0.048
"""Pixel pitch of both detectors."""
OVERSAMPLING = 4
"""Cells of the fine grid per pixel and direction."""
SHARP_FRAMES = 20
"""Frames of 1 s that are averaged with the sharp detector."""
