"""Where a file is, and what else one is read from."""

from __future__ import annotations

import os
from typing import Any, BinaryIO, TypeAlias

from ..errors import told


def is_remote(path: object) -> bool:
    """Whether `path` says where a file elsewhere is: a text such as `s3://bucket/key`, or a `Remote`."""
    return ("://" in path and path[0].isalpha()) if isinstance(path, str) else hasattr(path, "_p_remote_")


class Remote:
    """A file elsewhere, and how it is reached: `Session.open(Remote("s3://games/world.par", endpoint_url=...))`.

    Args:
        url: where it is. Where nothing else is needed, the text alone does.
        cache: a folder that keeps what is fetched for later programs; None: until the session ends.
        options: what fsspec takes for the protocol, as keyword arguments.

    Raises:
        ValueError: `url` says nothing of where the file is. TypeError: `cache` is no folder.
    """

    _p_remote_ = True

    def __init__(self, url: str, *, cache: str | os.PathLike[str] | None = None, **options: Any) -> None:
        if not is_remote(url):
            raise ValueError(f"Remote(url): url says where a file is, as s3://bucket/key does, not {told(url)}")
        if cache is not None and not isinstance(cache, str | os.PathLike):
            raise TypeError(f"Remote(url, cache=...): cache is a folder, as a text or a Path, not {told(cache)}")
        self.url = url
        self.cache = None if cache is None else os.fspath(cache)
        self.options = options

    def __repr__(self) -> str:
        return f"<Remote {self.url}>"


def remote_of(path: Any) -> Remote:
    """A path that `is_remote`, with the options to reach it."""
    return path if isinstance(path, Remote) else Remote(path)


LocalPath: TypeAlias = str | os.PathLike[str]  # a file of this machine
AnyPath: TypeAlias = LocalPath | Remote  # or one elsewhere, which a text may name, too
Content: TypeAlias = bytes | bytearray | memoryview | BinaryIO  # what is in a file
