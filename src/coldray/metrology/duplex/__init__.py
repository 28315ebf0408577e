"""Duplex wires to basic spatial resolution."""
