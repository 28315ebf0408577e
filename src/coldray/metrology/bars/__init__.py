"""Bar patterns to CTF, and CTF to MTF."""
