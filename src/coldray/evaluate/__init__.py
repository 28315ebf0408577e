"""Judging restorations: metrics, comparisons, figures and reports."""
