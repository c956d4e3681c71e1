"""What `edits` and `churn` measure: owners and what they hold, in several shapes, and the stores that keep them.

`shapes` has the worlds, `plain` the edits and plain objects that take them, `ours`, `sqlite` and `zodb` a store each.
"""
