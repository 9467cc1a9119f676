"""HTTP beneath every surface."""
