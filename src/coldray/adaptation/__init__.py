"""A user's own measured pairs → a model adapted to them, written only with proof that it is better."""
