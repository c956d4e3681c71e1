"""Keys of dictionaries as canonical bytes and hashes."""
