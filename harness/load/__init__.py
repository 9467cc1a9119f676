"""Load: what an endpoint does under many requests at a time, measured so that the figures are true."""
