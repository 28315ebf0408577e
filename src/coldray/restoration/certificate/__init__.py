"""The consistency certificate: where a result contradicts its measurement."""
