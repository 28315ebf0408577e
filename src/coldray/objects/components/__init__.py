"""Electronic components as bodies on a canvas: what they are made of, whoever decides where they stand.

Procedural boards choose sizes and lands themselves; boards from fabrication data take them from their lands.
Both draw the same bodies.
"""
