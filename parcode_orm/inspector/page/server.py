"""`Server`: gives the page and its data to a browser on this machine only."""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ...errors import NoResultFound, ParcodeError, QueryError
from .answers import Answers, error_data
from .guard import ADDRESS, HEADERS, Refused, check_request, check_token
from .page import STATIC, TYPES, page

CONNECTIONS = 32  # at a time: a browser opens six
PATIENCE = 15.0  # seconds for which a connection may say nothing
PARAMETERS = 12  # of an address, at most
API = "/api/"


class Server(ThreadingMixIn, HTTPServer):
    """A server of one file, on the loopback interface. `serve_forever()` runs it, `shutdown()` ends that.

    Args:
        path: the file.
        port: 0 takes one that is free.

    Raises:
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read at all.
        OSError: there is no such file, or the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 2 * CONNECTIONS

    def __init__(self, path: str | Path, port: int = 0) -> None:
        self.answers = Answers(path)
        self.token = secrets.token_urlsafe(32)
        self.one_at_a_time = threading.Lock()  # who asks for data waits for it
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError:
            self.answers.close()
            raise

    def server_bind(self) -> None:
        """Bind without the look-up of a name that `HTTPServer` makes: no request leaves the machine."""
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    @property
    def url(self) -> str:
        """The address to open. What stands behind `#` stays in the browser: no log and no other site gets the token."""
        return f"http://{ADDRESS}:{self.server_port}/#token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, or hang up where too many are waiting."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See `ThreadingMixIn`."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser hangs up when it likes."""

    def server_close(self) -> None:
        """Close the socket and the file."""
        super().server_close()
        with self.one_at_a_time:
            self.answers.close()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = PATIENCE

    def version_string(self) -> str:
        """What the header `Server` says."""
        return "parcode"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: addresses hold what was asked."""

    def parse_request(self) -> bool:
        """Answer every method by one function: what is not allowed is refused there."""
        if not super().parse_request():
            return False
        setattr(self, f"do_{self.command}", self._respond)
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A request that is not HTTP gets the same headers as any other, and nothing of what it says."""
        self._send(code, "text/plain; charset=utf-8", b"this is no request that the server understands")

    def _respond(self) -> None:
        try:
            check_request(self.command, self.path, self.headers, self.server.server_port)
            url = urlsplit(self.path)
            if url.path.startswith(API):
                check_token(self.headers, self.server.token)
                self._answer(url.path.removeprefix(API), url.query)
            else:
                self._static(url.path)
        except Refused as problem:
            self._send_json(problem.status, {"error": {"type": "Refused", "message": str(problem)}})

    def _static(self, path: str) -> None:
        if path == "/":
            self._send(200, "text/html; charset=utf-8", page().encode())
            return
        name = path.removeprefix("/")
        if name not in STATIC:
            raise Refused(404, "there is no such page")
        self._send(200, TYPES[name.rpartition(".")[2]], STATIC[name].read_bytes())

    def _answer(self, route: str, query: str) -> None:
        try:
            pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=PARAMETERS)
            given = dict(pairs)
            if len(given) < len(pairs):
                raise ValueError("a parameter is given twice")
        except ValueError as problem:
            raise Refused(400, f"the address is not understood: {problem}") from problem
        with self.server.one_at_a_time:
            status, found = _asked(self.server.answers, route, given)
        self._send_json(status, found)

    def _send_json(self, status: int, value: Any) -> None:
        self._send(status, "application/json", json.dumps(value, separators=(",", ":")).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _asked(answers: Answers, route: str, given: dict[str, str]) -> tuple[int, Any]:
    """The status and the content of an answer."""
    try:
        return 200, answers.get(route, given)
    except NoResultFound as problem:
        return 404, error_data(problem)
    except (QueryError, ValueError) as problem:
        return 400, error_data(problem)
    except ParcodeError as problem:
        return 422, error_data(problem)
    except Exception as problem:
        return 500, error_data(problem)
