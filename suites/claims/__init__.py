"""Claims, held against what was seen."""
