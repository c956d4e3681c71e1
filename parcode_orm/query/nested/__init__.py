"""Statements inside of others, and statements made of several."""
