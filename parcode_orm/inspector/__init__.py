"""Reports on the content and the damage of a file. They never need the classes."""
