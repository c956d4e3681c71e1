"""`parcode serve`: the page of a file, on this machine."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from .app import File, Json, command, say, say_json


@command("parcode serve savegame.par")
def serve(
    file: File,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 takes a free one.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
    json_: Json = False,
) -> None:
    """Show a file as a page, in a browser on this machine. Nothing is written, and no request leaves the machine.

    The address holds a token. Whoever has it can read the file while the command runs. Ctrl-C ends it.
    """
    import webbrowser  # late: other commands need no HTTP

    from ..inspector.page.server import Server

    server = Server(file, port)
    try:
        if json_:
            say_json({"url": server.url})
        else:
            say(f"{file} is shown at\n\n  {server.url}\n\nCtrl-C ends it.")
        if not no_open and has_browser():
            webbrowser.open(server.url)
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


def has_browser() -> bool:
    """Whether a browser can open a window. One that runs in the terminal would take the terminal."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in names)
