"""Which requests the server answers: those of its own page, from this machine, that read.

A page of another site can make a browser send requests here. It knows neither the token nor can it send the header that
carries it. A name that leads to this machine (DNS rebinding) is not one of `Host`.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from hmac import compare_digest

METHODS = frozenset({"GET", "HEAD"})
ADDRESS = "127.0.0.1"
LONGEST = 16_384  # characters of a target
SCHEME = "Bearer "

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Connection": "close",
}


class Refused(Exception):
    """A request that is not answered: `status` and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def check_request(method: str, target: str, headers: Message, port: int) -> None:
    """Refuse a request that comes from another machine or another site, or that does more than read.

    Raises:
        Refused: the request is not answered.
    """
    if method not in METHODS:
        raise Refused(405, "this server only reads: GET and HEAD")
    if len(target) > LONGEST or not target.startswith("/"):
        raise Refused(414 if len(target) > LONGEST else 400, "the address is too long, or no path")
    hosts = headers.get_all("Host", [])
    if len(hosts) != 1 or hosts[0].lower() not in _hosts(port):
        raise Refused(403, f"this server is http://{ADDRESS}:{port}/, and answers to no other name")
    if any(origin.lower() not in _origins(port) for origin in headers.get_all("Origin", [])):
        raise Refused(403, "the request comes from another origin")
    if any(site not in ("same-origin", "none") for site in headers.get_all("Sec-Fetch-Site", [])):
        raise Refused(403, "the request comes from another site: open the address that parcode serve printed itself")
    if "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0":
        raise Refused(400, "a request has no body")


def check_token(headers: Message, token: str) -> None:
    """Refuse a request for data that does not name the token.

    Raises:
        Refused: the token is missing, or another one.
    """
    given = headers.get_all("Authorization", [])
    wanted = (SCHEME + token).encode()
    if len(given) != 1 or not compare_digest(given[0].encode("utf-8", "surrogateescape"), wanted):
        raise Refused(401, "the token is missing or wrong: open the address that parcode serve printed last")


def _hosts(port: int) -> set[str]:
    names = (ADDRESS, "localhost")
    return {f"{name}:{port}" for name in names} | ({*names} if port == 80 else set())


def _origins(port: int) -> set[str]:
    return {f"http://{host}" for host in _hosts(port)}
