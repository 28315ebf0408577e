"""Image files, corrections, boards and training fields."""
