"""A simulated panel: every acquisition of a characterisation, and the figures it must give, in closed form."""
