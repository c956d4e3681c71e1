"""From an annotation to columns: what a type is made of, and the column that stores it."""
