"""Columns: how the values of a type become buffers."""
