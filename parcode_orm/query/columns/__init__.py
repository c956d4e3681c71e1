"""Columns of many rows as vectors: where they stand, how they are read and compared."""
