"""`parcode serve`: it prints an address that answers, opens a browser if there is one, and ends by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import Model

from .shell import parcode

pytestmark = pytest.mark.once


class Root(Model):
    n: int


@pytest.fixture
def file(tmp_path: Path) -> Path:
    parcode_orm.save(tmp_path / "a.par", Root(n=1))
    return tmp_path / "a.par"


def test_serve(file: Path) -> None:
    pytest.importorskip("typer")
    # A shell's background jobs ignore the signal.
    main = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    main += "from parcode_orm.cli import main; main()"
    command = [sys.executable, "-c", main, "serve", str(file), "--no-open", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url, _, token = json.loads(process.stdout.readline())["url"].partition("#token=")
            request = urllib.request.Request(f"{url}api/rows?path=Root", headers={"Authorization": f"Bearer {token}"})
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request, timeout=10)
            assert raised.value.code == 400 and "Root" in raised.value.read().decode()
            request = urllib.request.Request(
                f"{url}api/value?path=Root.n", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert json.load(answer)["text"] == "1"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_browser_is_opened_where_there_is_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typer")
    import webbrowser

    import parcode_orm.cli.serve as module
    from parcode_orm.inspector.page.server import Server

    def served(self: Any) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(Server, "serve_forever", served)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(module, "has_browser", lambda: True)
    text = parcode("serve", file).stdout
    assert opened[0] in text and opened[0].startswith("http://127.0.0.1:")
    parcode("serve", file, "--no-open")
    assert len(opened) == 1
    monkeypatch.undo()
    if sys.platform == "linux":
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            monkeypatch.delenv(name, raising=False)
        assert not module.has_browser() and os.environ.get("DISPLAY") is None


def test_what_cannot_be_served(file: Path, tmp_path: Path) -> None:
    (tmp_path / "b.par").write_bytes(b"x" * 1_000)
    parcode("serve", tmp_path / "b.par", "--no-open", code=3)
    parcode("serve", tmp_path / "c.par", "--no-open", code=2)
    from parcode_orm.inspector.page.server import Server

    with Server(file) as server:
        assert "use" in parcode("serve", file, "--no-open", "--port", server.server_port, code=2).stderr
