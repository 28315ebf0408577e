"""Probability of detection in a user's own image: known defects put in, read raw, linear and restored, a90 and a90/95."""
