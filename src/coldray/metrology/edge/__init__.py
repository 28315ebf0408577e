"""Slanted edge to presampled MTF."""
