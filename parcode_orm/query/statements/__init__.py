"""`select`, its joins and options, and statements written as text."""
