"""Rows of a file to JSON lines, CSV and Parquet, and back."""
