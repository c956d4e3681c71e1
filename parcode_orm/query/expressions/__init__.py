"""What a query says of a row, as trees, and the values of an expression for many rows."""
