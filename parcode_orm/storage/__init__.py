"""Chunks in files: mapped, written in order, recovered, locked. Nothing here knows a model."""
