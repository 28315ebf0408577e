"""Methods compared: scores, the paper's comparison, the demonstration."""
