"""The rules, by surface; `harness.content` finds them, pytest collects them."""
