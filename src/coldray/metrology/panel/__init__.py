"""Characterisation of a flat-panel detector from one folder of acquisitions, after ASTM E2597."""
