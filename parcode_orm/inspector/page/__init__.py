"""The page that shows a file: served on this machine alone, or written as one file of HTML."""

from .server import Server
from .standalone import html

__all__ = ["Server", "html"]
