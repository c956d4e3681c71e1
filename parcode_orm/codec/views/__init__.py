"""Views: how buffers become values again, one field at a time or in bulk."""
