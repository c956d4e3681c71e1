"""What a statement does: preparing it, running it, its results, and the statements that change rows."""
