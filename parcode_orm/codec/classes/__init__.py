"""Classes and their values: names, conversions, comparison, and how objects are rebuilt."""
