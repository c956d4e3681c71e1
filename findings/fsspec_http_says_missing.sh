#!/usr/bin/env bash
# fsspec 2026.9.0 with aiohttp 3.14.5: HTTPFileSystem.info() raises FileNotFoundError for a server that refuses the connection, and for
# an answer 403, as it does for 404. A program that takes the error at its word says that the file is missing. Fails if that
# changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "fsspec==2026.9.0" "aiohttp==3.14.5"
"$scratch/venv/bin/python" - <<'PY'
import http.server
import socket
import threading

import fsspec


class Answers(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(int(self.path.strip("/")))

    do_GET = do_HEAD

    def log_message(self, *of):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.socket() as free:  # a port where nobody listens
    free.bind(("127.0.0.1", 0))
    closed = free.getsockname()[1]


def raised(url):
    try:
        fsspec.filesystem("http").info(url)
    except Exception as problem:
        return type(problem).__name__
    return None


found = {
    "404": raised(f"http://127.0.0.1:{server.server_port}/404"),
    "403": raised(f"http://127.0.0.1:{server.server_port}/403"),
    "refused": raised(f"http://127.0.0.1:{closed}/x"),
}
print(found)
assert found == {"404": "FileNotFoundError", "403": "FileNotFoundError", "refused": "FileNotFoundError"}
PY
