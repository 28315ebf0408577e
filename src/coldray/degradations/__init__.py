"""Degradations: plug-ins that state a transfer function of strength."""
