"""Bytes to records and back: layout, chunks, commit records, checksums, compression. No I/O."""
