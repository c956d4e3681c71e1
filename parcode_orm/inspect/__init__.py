"""What a file holds, and whether it holds it still: reports that never need the classes."""
