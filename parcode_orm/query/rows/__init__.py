"""The rows that a statement asks: where they come from, which are left, in which order and groups."""
