"""Restoring frames: model, tiles, noise, gain, layers; torch is not needed."""
