"""What each client tells its user."""
