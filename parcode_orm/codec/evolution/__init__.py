"""Rows of an older schema read as today's classes have them."""
