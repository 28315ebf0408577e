"""Restoration of images: models, tiles, the pipeline and its checks."""
