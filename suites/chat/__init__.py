"""Chat completions, plain."""
