"""Parameters with a visible effect."""
