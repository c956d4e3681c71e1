"""The page that shows a file: served on this machine alone, or written as one file of HTML."""
