"""A file from a URL: http and https only, never from a private address unless that is allowed."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from typing import IO
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from ..errors import ImageError
from ..image import reason
from .page import Limits
from .spool import spool, too_long

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = {301, 302, 303, 307, 308}
_HEADERS = {"User-Agent": "trocr", "Accept": "*/*", "Accept-Encoding": "identity"}
_HEADERS["Connection"] = "close"
_SAFE = "!$%&'()*+,/:;=?@[]~"  # what a URL may hold besides letters, digits and "-._"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class PrivateAddressError(ImageError):
    """A URL leads to an address that is not on the public internet."""


def download(url: str, limits: Limits, *, allow_private: bool = False) -> IO[bytes]:
    """What a URL leads to, as a stream that can seek; the caller closes it.

    A name is resolved once, its addresses are checked, and one of these is connected to; so again
    at each redirect. Proxies named in the environment are not used: behind one nothing could be
    checked.

    Raises:
        ImageError: another scheme than http and https, an address that is refused, no answer, an
            answer that is no file, or more of anything than `limits` allow.
    """
    target, deadline = url, time.monotonic() + limits.seconds
    for _ in range(limits.redirects + 1):
        try:
            found = _fetch(target, url, limits, deadline, allow_private)
        except (OSError, http.client.HTTPException) as error:
            raise _failure(error, url, limits.seconds, deadline) from error
        if not isinstance(found, str):
            return found
        target = urljoin(target, found)
    raise ImageError(
        f"{url} redirects more than {limits.redirects} times.",
        "Find out where it should lead, and give that address.",
    )


def is_public(address: str) -> bool:
    """Whether an IP address, and any that it wraps, belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    wrapped: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [ip]
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped += [inner for inner in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if inner]
        if ip in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return all(each.is_global and not each.is_multicast for each in wrapped)


def _fetch(
    target: str, url: str, limits: Limits, deadline: float, allow_private: bool
) -> IO[bytes] | str:
    """One request: the body, or where it redirects to."""
    parts = _checked(target, url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(_connect(host, port, url, deadline, allow_private))
        kind: type[http.client.HTTPConnection] = http.client.HTTPConnection
        if parts.scheme == "https":
            kind = http.client.HTTPSConnection
            line = stack.enter_context(
                ssl.create_default_context().wrap_socket(line, server_hostname=host)
            )
        # A timeout of the socket alone starts anew with every byte.
        watchdog = threading.Timer(max(deadline - time.monotonic(), 0), _cut, (line,))
        watchdog.daemon = True
        watchdog.start()
        stack.callback(watchdog.cancel)
        connection = kind(host, port)
        connection.sock = line
        path = quote(parts.path or "/", safe=_SAFE)
        query = "?" + quote(parts.query, safe=_SAFE) if parts.query else ""
        connection.request("GET", path + query, headers=_HEADERS)
        response = stack.enter_context(connection.getresponse())
        if response.status in _REDIRECTS:
            return response.headers.get("Location", "")
        return _body(response, url, limits, deadline)


def _checked(target: str, url: str) -> SplitResult:
    where = url if target == url else f"{url} redirects to {target}, which"
    try:
        parts = urlsplit(target)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ImageError(f"{where} is no URL: {reason(error)}.", "Check the address.") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ImageError(
            f"{where} cannot be read: only http and https are.", "Download the file yourself."
        )
    if parts.username is not None:
        raise ImageError(
            f"A URL for {parts.hostname} holds a user name.",
            "Download the file yourself, and give its path.",
        )
    return parts


def _connect(host: str, port: int, url: str, deadline: float, allow_private: bool) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    private = {str(entry[4][0]) for entry in found if not is_public(str(entry[4][0]))}
    if private and not allow_private:
        raise PrivateAddressError(
            f"{url} leads to {_named(host, min(private))}, which is not on the public internet.",
            "If you trust it, allow that (--allow-private).",
        )
    problem: OSError = TimeoutError()
    for family, kind, protocol, _, address in found:
        line = socket.socket(family, kind, protocol)
        try:
            line.settimeout(max(deadline - time.monotonic(), 0.001))
            line.connect(address)
            return line
        except OSError as error:
            line.close()
            problem = error
    raise problem


def _named(host: str, address: str) -> str:
    return host if host == address else f"{host} ({address})"


def _cut(line: socket.socket) -> None:
    """End a connection that another thread waits for."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)


def _body(
    response: http.client.HTTPResponse, url: str, limits: Limits, deadline: float
) -> IO[bytes]:
    if response.status != http.HTTPStatus.OK:
        raise ImageError(
            f"{url} answered {response.status} {response.reason}.", "Check the address."
        )
    if (response.length or 0) > limits.stream_bytes:
        raise too_long(url, limits.stream_bytes)
    stream = spool(response.read, url, limits.stream_bytes)
    if response.length or time.monotonic() >= deadline:
        stream.close()
        raise http.client.IncompleteRead(b"", response.length)
    return stream


def _failure(error: Exception, url: str, seconds: float, deadline: float) -> ImageError:
    if isinstance(error, TimeoutError) or time.monotonic() >= deadline:
        return ImageError(
            f"{url} was not there after {seconds:g} seconds.",
            "Try again later, or download the file yourself.",
        )
    if isinstance(error, http.client.IncompleteRead):
        return ImageError(f"{url} broke off before its end.", "Try again.")
    if isinstance(error, socket.gaierror):
        return ImageError(
            f"{url} cannot be found: {error.strerror or reason(error)}.",
            "Check the address and the network.",
        )
    return ImageError(f"{url} cannot be downloaded: {reason(error)}.", "Check the address.")
