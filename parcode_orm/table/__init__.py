"""Tables: rows in immutable row groups, a tree of slices over them, and hash indexes over their keys."""
