"""Training: recipes, pairs, the loop and its resumable states."""
