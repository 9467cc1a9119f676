"""How a bad request is refused."""
