"""Python types to column buffers and back."""
