"""URLs: within limits of size, time and redirects, and never to a private address unasked."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from trocr.pages import Limits, PageFailure, PageImage, find_inputs, read_pages
from trocr.pages.download import is_public

Answer = Callable[[BaseHTTPRequestHandler], None]
PATIENCE = Limits(seconds=60)


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 4), (7, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


class Site:
    """A server on loopback; ``answers`` maps paths to what happens there."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.over = threading.Event()
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.requests.append((self.path, self.headers["Host"]))
                site.answers[self.path](self)

            def log_message(self, *arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """The client hangs up on those who take too long."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


def sends(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def leads_to(target: str) -> Answer:
    return sends(b"", 302, Location=target)


def read(url: str, limits: Limits = PATIENCE) -> PageImage | PageFailure:
    [page] = read_pages(url, allow_private=True, limits=limits)
    return page


def problem(page: PageImage | PageFailure) -> str:
    assert isinstance(page, PageFailure), page
    assert page.error.hint
    return str(page.error)


def test_a_picture(site: Site) -> None:
    site.answers["/a%20b/%C3%A9.png?x=1"] = sends(png())
    url = f"{site.url}/a b/é.png?x=1#part"
    page = read(url)
    assert isinstance(page, PageImage)
    assert page.image.getpixel((0, 0)) == (7, 0, 0)
    assert page.source == url
    assert site.requests == [("/a%20b/%C3%A9.png?x=1", f"127.0.0.1:{site.port}")]


def test_redirects_are_followed(site: Site) -> None:
    site.answers["/old/a"] = leads_to("../new")
    site.answers["/new"] = leads_to(f"{site.url}/picture.png")
    site.answers["/picture.png"] = sends(png())
    assert isinstance(read(f"{site.url}/old/a"), PageImage)


def test_redirects_have_a_limit(site: Site) -> None:
    site.answers["/circle"] = leads_to("/circle")
    message = problem(read(f"{site.url}/circle", Limits(redirects=3)))
    assert "redirects more than 3 times" in message
    assert len(site.requests) == 4


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/a", "gopher://x/", ""])
def test_a_redirect_to_something_else_is_refused(site: Site, target: str) -> None:
    site.answers["/a"] = leads_to(target) if target else sends(b"", 301)
    message = problem(read(f"{site.url}/a", Limits(redirects=1)))
    assert "only http and https" in message if target else "redirects more than" in message


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "s3://bucket/a.png",
        "http:///a.png",
        "http://[::1/a.png",
        "http://host:port/a.png",
        "http://" + "a" * 64 + ".org/",
        "http://me:secret@127.0.0.1/a.png",
    ],
)
def test_other_urls_are_refused_before_anything_is_sent(url: str, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked for a name"))
    message = problem(read(url))
    assert "secret" not in message


PRIVATE = ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"]
PRIVATE += ["0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0"]
PRIVATE += ["fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::"]
PRIVATE += ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2001:0:7f00:1::1"]


def test_what_is_public() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
    assert all(map(is_public, ["93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"]))


def resolves_to(*addresses: str, port: int = 80) -> Callable[..., list[tuple[object, ...]]]:
    def resolve(host: str, _: int, **options: object) -> list[tuple[object, ...]]:
        kinds = [socket.AF_INET6 if ":" in each else socket.AF_INET for each in addresses]
        found = zip(kinds, addresses, strict=True)
        return [(kind, socket.SOCK_STREAM, 6, "", (each, port)) for kind, each in found]

    return resolve


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"]])
def test_private_addresses_are_refused_after_the_name_is_resolved(
    addresses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolves_to(*addresses))
    monkeypatch.setattr(socket, "socket", lambda *_: pytest.fail("connected"))
    [failure] = read_pages("http://pictures.example.org/a.png")
    assert "not on the public internet" in problem(failure)
    assert addresses[-1] in problem(failure)


def test_loopback_by_number_is_refused(site: Site) -> None:
    for host in ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"):
        [failure] = read_pages(f"http://{host}:{site.port}/a.png")
        problem(failure)
    assert site.requests == []


def test_a_redirect_to_a_private_address_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trocr.pages.download.is_public", lambda address: address == "127.0.0.1")
    site.answers["/a"] = leads_to(f"http://127.0.0.2:{site.port}/secret")
    [failure] = read_pages(f"{site.url}/a", limits=PATIENCE)
    assert "leads to 127.0.0.2, which is not on the public internet" in problem(failure)
    assert [path for path, _ in site.requests] == ["/a"]


def test_the_address_that_was_checked_is_connected_to(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to another address the second time gains nothing."""
    asked: list[str] = []
    resolve = resolves_to("127.0.0.1", port=site.port)

    def once(host: str, *arguments: object, **options: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return resolve(host, 0)

    monkeypatch.setattr(socket, "getaddrinfo", once)
    site.answers["/a.png"] = sends(png())
    assert isinstance(read("http://rebound.example.org/a.png"), PageImage)
    assert asked == ["rebound.example.org"]
    assert site.requests == [("/a.png", "rebound.example.org")]


def test_what_the_server_says_is_told(site: Site) -> None:
    site.answers["/gone.png"] = sends(b"", 404)
    assert "answered 404 Not Found" in problem(read(f"{site.url}/gone.png"))
    site.answers["/page.html"] = sends(b"<html>Please log in</html>")
    assert "is text, not a picture" in problem(read(f"{site.url}/page.html"))


def test_size_limit(site: Site) -> None:
    limits = Limits(stream_bytes=100_000, seconds=60)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not site.over.is_set():
            handler.wfile.write(bytes(50_000))

    site.answers["/endless"] = endless
    site.answers["/promised"] = sends(b"", Content_Length="100001")
    site.answers["/chunked"] = sends(b"FFFFFFFF\r\n" + bytes(200_000), Transfer_Encoding="chunked")
    for path in ("/endless", "/promised"):
        assert "is longer than 100,000 bytes" in problem(read(site.url + path, limits)), path
    problem(read(f"{site.url}/chunked", limits))


def test_an_answer_that_breaks_off(site: Site) -> None:
    site.answers["/half.png"] = sends(png()[:40], Content_Length=str(len(png())))
    assert "broke off" in problem(read(f"{site.url}/half.png"))


def drip(site: Site, start: bytes, drop: bytes) -> Answer:
    """Never quiet for long, and never done."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        while not site.over.wait(0.05):
            handler.wfile.write(drop)

    return answer


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silent", "header", "body", "promised", "chunks"],
)
def test_time_limit(site: Site, start: bytes, drop: bytes) -> None:
    site.answers["/slow.png"] = drip(site, start, drop)
    began = time.monotonic()
    message = problem(read(f"{site.url}/slow.png", Limits(seconds=0.5)))
    assert "was not there after 0.5 seconds" in message
    assert time.monotonic() - began >= 0.5


def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for scheme in ("http", "https"):
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/a.png"
            assert "was not there after 0.3" in problem(read(url, Limits(seconds=0.3)))


def test_no_server_no_name_no_tls(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    assert "cannot be downloaded" in problem(read(f"http://127.0.0.1:{free}/a.png"))
    assert "cannot be downloaded" in problem(read(f"https://127.0.0.1:{site.port}/a.png"))

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    message = problem(read("http://nowhere.invalid/a.png"))
    assert "cannot be found: Name or service not known" in message


def test_a_dead_url_costs_only_itself(site: Site) -> None:
    site.answers["/a.png"] = sends(png())
    site.answers["/b.png"] = sends(b"", 500)
    pages = list(read_pages([f"{site.url}/{name}.png" for name in "aba"], allow_private=True))
    assert [type(page) for page in pages] == [PageImage, PageFailure, PageImage]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/scans/a%20b.pdf?x=/y", "a b.pdf"),
        ("https://example.org/", "example.org"),
        ("https://example.org/a/%2e%2e", "example.org"),
        ("https://example.org/..%2f..%2fetc", "etc"),
    ],
)
def test_the_name_of_an_output(url: str, name: str) -> None:
    [found] = find_inputs(url)
    assert (str(found.relative), found.name) == (name, url)
