"""History: earlier commits of a file, and what changed between two of them."""
