"""Probability of detection against the size of a defect, after MIL-HDBK-1823A: hit/miss and signal response."""
