"""Rows of several sources that belong together."""
