"""Bodies: what they hold, and how many there may be."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serving_bodies import BOUNDARY, FORM, files_of, form
from serving_clients import PNG, Make, making, problem

from trocr.errors import UsageError
from trocr.image import MAX_PIXELS
from trocr.serving.http.problems import Problem
from trocr.serving.http.uploads import MAX_JSON_BYTES
from trocr.serving.messages import Busy
from trocr.serving.settings import MIB, ServeSettings

make = pytest.fixture(making)
contents = st.binary(max_size=200) | st.lists(
    st.sampled_from([b"\r\n", b"--", BOUNDARY, b"\r", b"-", b"a", b"\0", b"\r\n--limi"]),
    max_size=20,
).map(b"".join)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """The same in chunks."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@settings(max_examples=150, deadline=None)
@given(st.lists(contents, min_size=1, max_size=5), st.lists(st.integers(0, 2000), max_size=20))
def test_files_come_out_as_they_went_in(files: list[bytes], cuts: list[int]) -> None:
    files = [content.replace(b"\r\n--" + BOUNDARY, b"") for content in files]
    files = [content for content in files if not content.startswith(b"--" + BOUNDARY)] or [b"x"]
    body = form(*((b"%d.png" % number, content) for number, content in enumerate(files)))
    found = files_of(split(body, cuts))
    assert [upload.content for upload in found] == files
    assert [upload.name for upload in found] == [f"{n}.png" for n in range(len(files))]


pieces = st.sampled_from(
    [
        b"--limit", b"--limit--", b"\r\n", b"\n", b": ", b"; ", b'"', b'name="files"', b"filename",
        b"Content-Disposition", b"form-data", b"=", b"Content-Type: a/b", b"\r\n\r\n", b"files",
    ]
)  # fmt: skip
bodies = st.lists(pieces | st.binary(max_size=30), max_size=30).map(b"".join)
content_types = (
    st.just(FORM)
    | st.binary(max_size=40)
    | st.sampled_from(
        [
            b"image/png",
            b"application/json",
            b"multipart/form-data",
            b"multipart/form-data; boundary=",
        ]
    )
)


@settings(max_examples=400, deadline=None)
@given(bodies, content_types, st.lists(st.integers(0, 2000), max_size=5))
def test_any_body_is_read_or_refused(body: bytes, content_type: bytes, cuts: list[int]) -> None:
    try:
        found = files_of(split(body, cuts), content_type)
    except (Problem, UsageError):
        return
    assert found
    assert all("/" not in upload.name and "\\" not in upload.name for upload in found)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300).map(lambda name: name.encode("utf-8", "surrogatepass")))
def test_names_are_names(name: bytes) -> None:
    safe = name.translate(None, b'\r\n"\\')
    (upload,) = files_of([form((safe, b"a"))])
    assert 0 < len(upload.name) <= 200
    assert not set(upload.name) & set("/\\\0\r\n\t\u202e")
    assert upload.name not in (".", "..")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        (b"../../etc/passwd", "passwd"),
        (b"C:\\Users\\me\\scan.png", "scan.png"),
        (b"/", "upload"),
        (b"..", "upload"),
        (b"", "upload"),
        ("Brief 1.pdf ünïcode".encode(), "Brief 1.pdf ünïcode"),
    ],
)
def test_folders_in_names_are_dropped(name: bytes, safe: str) -> None:
    (upload,) = files_of([form((name, b"a"))])
    assert upload.name == safe


def status_of(*arguments: Any, **options: Any) -> int:
    with pytest.raises(Problem) as error:
        files_of(*arguments, **options)
    return error.value.status


def test_forms_that_are_too_much() -> None:
    assert status_of([form(*[(b"a", b"")] * 10)]) == 413
    assert status_of([form((b"a", b"x" * 2000))], max_bytes=1000) == 413
    assert status_of([form((b"a", b""), field=b"other")]) == 400
    head = b"--limit\r\nX-A: %s\r\n\r\n" % (b"a" * 10_000)
    assert status_of([head]) == 400
    heads = b"--limit\r\n" + b"X-A: b\r\n" * 100 + b"\r\n"
    assert status_of([heads]) == 400
    assert status_of([form((b"a", b"b"))[:-10]]) == 400  # breaks off
    assert status_of([b""]) == 400
    assert status_of([form((b"a", b"b"))], b"multipart/form-data") == 400
    assert status_of([form((b"a", b"b"))], FORM + b"x" * 1000) == 400
    assert status_of([b" " * (MAX_JSON_BYTES + 1)], b"application/json", max_bytes=1 << 30) == 413


@pytest.mark.parametrize("piece", [b"\r", b"\r\n", b"\r\n--limi", b"-", b"\r\n--limit\r\n"])
def test_no_form_takes_long_to_read(piece: bytes) -> None:
    """A pause of the event loop is a pause for all."""
    chunk = piece * (65_536 // len(piece))
    body = [form((b"a", b""))[:-11], *[chunk] * 16]
    began = time.perf_counter()
    assert status_of(body, max_bytes=64 * MIB) == 400
    assert time.perf_counter() - began < 5


def test_all_bodies_together_have_so_much_room() -> None:
    files_of([bytes(4000)], b"image/png", room=1000)  # it is alone
    assert ServeSettings().limits.pixels == MAX_PIXELS


def test_what_waits_leaves_no_room(make: Make) -> None:
    client = make(lambda task: [30.0], max_waiting=3, max_waiting_bytes=1000)
    for _ in range(2):
        assert client.post("/v1/jobs", content=bytes(400), headers=PNG).status_code == 202
    answer = client.post("/v1/read", content=bytes(400), headers=PNG)
    problem(answer, 429, "busy")
    assert int(answer.headers["retry-after"]) >= 1
    assert client.post("/v1/jobs", content=bytes(100), headers=PNG).status_code == 202
    problem(client.post("/v1/read", content=b"a", headers=PNG), 429, "busy")
    assert len(client.pool.tasks) == 3


def test_a_pool_that_has_no_room_left_says_when(make: Make) -> None:
    def full(*_: Any) -> None:
        raise Busy(2.2)

    client = make()
    client.pool.submit = full
    answer = client.post("/v1/lines", content=b"a", headers=PNG)
    problem(answer, 429, "busy")
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "a"])
def test_other_types_are_not_taken(make: Make, media_type: str) -> None:
    client = make()
    headers = {"Content-Type": media_type}
    said = problem(client.post("/v1/read", content=b"a", headers=headers), 415, "media-type")
    assert "image/" in said["hint"]
    problem(client.post("/v1/read", headers=PNG), 400, "no-file")
