"""Pages and figures for people: restorations, batches, measurements."""
