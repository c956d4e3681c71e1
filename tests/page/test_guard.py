"""The page answers to its own browser on this machine, and to nobody else: each rule has a request that breaks it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from parcode_orm.inspector.page.guard import ADDRESS, HEADERS, LONGEST
from parcode_orm.inspector.page.page import STATIC
from parcode_orm.inspector.page.server import CONNECTIONS, Server

from .served import asked, game, request, serving, token

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(game(tmp_path_factory.mktemp("page") / "game.par")) as found:
        yield found


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    assert server.server_address[0] == ADDRESS == "127.0.0.1"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {ADDRESS}
    for address in (each for each in others if not str(each).startswith("127.")):
        with pytest.raises(OSError):
            socket.create_connection((str(address), server.server_port), timeout=2)


def test_no_name_is_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("getfqdn", "gethostbyaddr", "gethostbyname"):
        monkeypatch.setattr(socket, name, None)
    Server(game(tmp_path / "game.par")).server_close()


@pytest.mark.parametrize(
    "target", ["/", "/main.js", "/page.css", "/icon.svg", "/api/report", "/nothing", "/../pyproject"]
)
def test_every_answer_has_the_headers(server: Server, target: str) -> None:
    answer = request(server, "GET", target, token(server))
    for name, value in HEADERS.items():
        assert answer.headers.get_all(name) == [value], name
    assert answer.headers["Server"] == "parcode" and "Set-Cookie" not in answer.headers
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_data_needs_the_token(server: Server) -> None:
    for given in (
        None,
        "",
        "Bearer",
        "Bearer " + "x" * 43,
        f"Bearer {server.token}x",
        f"Basic {server.token}",
        "Bearer é",
    ):
        sent = None if given is None else given.encode().decode("latin-1")
        answer = request(server, "GET", "/api/report", {"Authorization": sent})
        assert answer.status == 401 and b"Aldermoor" not in answer.read()
    assert request(server, "GET", f"/api/report?token={server.token}").status == 401
    assert request(server, "GET", "/api/report", token(server)).status == 200
    assert server.token not in request(server, "GET", "/").read().decode()
    assert len(server.token) >= 40 and server.url.endswith(f"/#token={server.token}")


def test_no_name_but_that_of_this_machine(server: Server) -> None:
    port = server.server_port
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        "localhost",
        f"127.0.0.1.evil.example:{port}",
        f"[::1]:{port}",
        "",
    ):
        for target in ("/", "/api/report"):
            answer = request(server, "GET", target, {**token(server), "Host": host})
            assert answer.status == 403, host
    assert request(server, "GET", "/", {"Host": None}).status == 403
    assert request(server, "GET", "/api/report", {**token(server), "Host": f"LOCALHOST:{port}"}).status == 200


def test_no_other_site(server: Server) -> None:
    port = server.server_port
    for origin in (
        "null",
        "https://evil.example",
        f"https://127.0.0.1:{port}",
        f"http://127.0.0.1:{port + 1}",
        "file://",
    ):
        assert request(server, "GET", "/api/report", {**token(server), "Origin": origin}).status == 403, origin
    for site in ("cross-site", "same-site", "other"):
        for target in ("/", "/page.css", "/api/report"):
            assert request(server, "GET", target, {**token(server), "Sec-Fetch-Site": site}).status == 403
    good = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    assert request(server, "GET", "/api/report", {**token(server), **good}).status == 200
    assert "Access-Control-Allow-Origin" not in request(server, "GET", "/api/report", {**token(server), **good}).headers


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "__init__"]
)
def test_nothing_writes(server: Server, method: str) -> None:
    for target in ("/", "/api/report", "/api/verify"):
        answer = request(server, method, target, token(server))
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_head_has_no_content(server: Server) -> None:
    answer = request(server, "HEAD", "/api/report", token(server))
    assert (answer.status, answer.read()) == (200, b"") and int(answer.headers["Content-Length"]) > 500


def test_a_request_has_no_body(server: Server) -> None:
    assert request(server, "GET", "/", {"Content-Length": "5"}).status == 400
    assert request(server, "GET", "/", {"Transfer-Encoding": "chunked"}).status == 400


def test_only_the_files_of_the_page(server: Server) -> None:
    for target in (
        "/../server.py",
        "/%2e%2e/server.py",
        "/static/main.js",
        "//etc/passwd",
        "/page.html",
        "/main.js/..",
        "/api",
        "/%00",
    ):
        assert request(server, "GET", target).status == 404, target
    for target in ("http://evil.example/", "*", "main.js"):
        assert request(server, "GET", target).status == 400
    for name, path in STATIC.items():
        answer = request(server, "GET", f"/{name}")
        assert answer.read() == path.read_bytes()
        assert answer.headers["Content-Type"].split(";")[0] == {
            "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"
        }[path.suffix[1:]]  # fmt: skip


def test_addresses_are_bounded(server: Server) -> None:
    assert request(server, "GET", "/" + "x" * LONGEST).status == 414
    assert request(server, "GET", "/" + "x" * 70_000).status == 414
    query = "&".join(f"a{n}=1" for n in range(50))
    for target in (
        query,
        "path=a&path=b",
        "path",
        "nothing=1",
        "limit=-1",
        "limit=201",
        "offset=1e9",
        "limit=%D9%A3",
        f"offset={'9' * 5000}",
    ):
        answer = request(server, "GET", f"/api/rows?{target}", token(server))
        assert answer.status == 400 and json.loads(answer.read())["error"]["message"], target
    assert asked(server, "nothing")[0] == asked(server, "__init__")[0] == asked(server, "get")[0] == 400


def test_what_is_no_http(server: Server) -> None:
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"<script>\r\n\r\n",
        b"A" * 70_000,
    ):
        with socket.create_connection((ADDRESS, server.server_port), timeout=10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            try:
                assert b"<script>" not in connection.recv(4096)
            except ConnectionResetError:
                pass
    assert asked(server, "newer") == (200, {"newer": None})


def test_connections_that_say_nothing_are_few(server: Server) -> None:
    idle = [socket.create_connection((ADDRESS, server.server_port)) for _ in range(CONNECTIONS + 3)]
    idle[-1].settimeout(10)
    assert idle[-1].recv(1) == b""  # it is hung up on
    for each in idle:
        each.close()
    while True:  # until the server has noticed
        try:
            assert asked(server, "newer")[0] == 200
            break
        except (ConnectionError, OSError):
            continue


def test_the_file_is_only_read(server: Server, tmp_path: Path) -> None:
    path = game(tmp_path / "game.par")
    before = path.read_bytes(), path.stat().st_mtime_ns
    with serving(path) as found:
        for route, given in (
            ("report", {"newest": "1"}),
            ("verify", {}),
            ("rows", {"path": "Trade"}),
            ("diff", {"a": "1"}),
        ):
            assert asked(found, route, **given)[0] == 200
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before and [*tmp_path.iterdir()] == [path]
