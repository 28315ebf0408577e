"""Images in, curves out; the same code judges detectors and restorations."""
