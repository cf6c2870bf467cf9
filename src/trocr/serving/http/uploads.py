"""The body of a request to files: multipart, raw bytes, or the URL of a file."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import anyio
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ...errors import UsageError
from ..formats import clean_name
from ..messages import Upload
from .admission import Place, body_too_large
from .problems import Problem, too_large

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_JSON_BYTES = 4 << 20
MAX_NAME = 200
MAX_URL = 2000
_RAW = re.compile(r"image/.+|application/(pdf|octet-stream)")
_MULTIPART = "multipart/form-data"
_JSON = "application/json"
_Parsed = TypeVar("_Parsed", bound=BaseModel)
_Result = TypeVar("_Result")


class FileAtUrl(BaseModel):
    """A file that the server fetches."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(max_length=MAX_URL, examples=["https://example.org/scan.pdf"])


class UploadReader:
    """Reads the body of one request.

    Args:
        request: of which nothing was read yet.
        place: that it was given.
        max_bytes: of the whole body.
        seconds: until it must have come.
    """

    def __init__(self, request: Request, place: Place, max_bytes: int, seconds: float) -> None:
        self._request, self._place = request, place
        self._max_bytes, self._seconds = max_bytes, seconds

    async def files(
        self, field: str, most: int, name: str | None = None, *, urls: bool = False
    ) -> tuple[Upload, ...]:
        """The files of the body, at least one.

        Args:
            field: of a multipart form in which they come.
            most: files.
            name: of a raw body.
            urls: may the body be JSON with a URL?

        Raises:
            Problem: there are none or too many, the body is malformed, too large, too slow, or of
                a type that is not taken.
            Busy: there is no room for it.
            ClientDisconnect: the client went away.
        """
        kind, options = parse_options_header(self._request.headers.get("content-type"))
        media_type = kind.decode("latin-1")
        if media_type == _MULTIPART:
            return await self._in_time(self._form(options.get(b"boundary"), field, most))
        if media_type == _JSON and urls:
            return (_at_url((await self.json(FileAtUrl)).url),)
        if media_type and not _RAW.fullmatch(media_type):
            raise _wrong_type(media_type, field, urls)
        content = await self._in_time(self._whole(self._max_bytes))
        if not content:
            raise _empty(field)
        return (Upload(clean_name(name or ""), content),)

    async def json(self, model: type[_Parsed]) -> _Parsed:
        """The body as JSON.

        Raises:
            Problem: it is none or does not fit; else as for `files`.
        """
        content = await self._in_time(self._whole(min(self._max_bytes, MAX_JSON_BYTES)))
        try:
            return model.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(step) for step in first["loc"]) or "the body"
            raise Problem(422, "body", f"{where}: {first['msg']}.", "See /openapi.json.") from None

    async def _in_time(self, work: Awaitable[_Result]) -> _Result:
        try:
            with anyio.fail_after(self._seconds):
                return await work
        except TimeoutError:
            raise Problem(
                408,
                "slow",
                f"The body of the request was not there after {self._seconds:g} seconds.",
                "Send less at a time, or raise the limit.",
            ) from None

    async def _chunks(self, limit: int) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._request.stream():
            size += len(chunk)
            if size > limit:
                raise body_too_large(limit)
            self._place.hold(len(chunk))
            yield chunk

    async def _whole(self, limit: int) -> bytes:
        content = io.BytesIO()
        async for chunk in self._chunks(limit):
            content.write(chunk)
        return content.getvalue()

    async def _form(self, boundary: bytes | None, field: str, most: int) -> tuple[Upload, ...]:
        form = _Form(field, most)
        try:
            parser = MultipartParser(boundary or b"", form.callbacks())
            async for chunk in self._chunks(self._max_bytes):
                parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            raise _malformed(str(error)) from None
        if not boundary or not form.ended:
            raise _malformed("it has no boundary" if not boundary else "it breaks off")
        if not form.uploads:
            raise _empty(field)
        return tuple(form.uploads)


class _Form:
    """Collects the files of a multipart form; it has no other fields.

    Args:
        field: whose parts are files.
        most: files.
    """

    def __init__(self, field: str, most: int) -> None:
        self._field, self._most = field, most
        self.uploads: list[Upload] = []
        self.ended = False
        self._header = self._value = b""
        self._disposition = b""
        self._name = ""
        self._content = io.BytesIO()

    def callbacks(self) -> MultipartCallbacks:
        """For the parser, which keeps headers few and short."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._disposition = b""
        self._content = io.BytesIO()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        field = options.get(b"name", b"").decode("utf-8", "replace")
        if field != self._field:
            raise Problem(
                400,
                "form",
                f"The form has a part {field[:MAX_NAME]!r}.",
                f"Send files in the field {self._field!r}; options belong in the query.",
            )
        if len(self.uploads) == self._most:
            raise too_large(f"The form has more than {self._most} files.", "Send fewer at a time.")
        self._name = clean_name(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._content.write(data[start:end])

    def _end(self) -> None:
        self.uploads.append(Upload(self._name, self._content.getvalue()))

    def _finish(self) -> None:
        self.ended = True


def _at_url(url: str) -> Upload:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        known = False
    if not known:
        raise UsageError("This is no URL of a file.", "It begins with https:// or http://.")
    return Upload(clean_name(unquote(parts.path)), url=url)


def _malformed(why: str) -> Problem:
    return Problem(400, "form", f"The form cannot be read: {why}.", "Send multipart/form-data.")


def _empty(field: str) -> Problem:
    hint = f"Send one as the field {field!r} of a form, or as the body."
    return Problem(400, "no-file", "The request has no file.", hint)


def _wrong_type(media_type: str, field: str, urls: bool) -> Problem:
    also = ', or {"url": …} as application/json' if urls else ""
    return Problem(
        415,
        "media-type",
        f"A body of type {media_type[:100]} is not taken.",
        f"Send a form with the field {field!r}, or a file as image/…, application/pdf or "
        f"application/octet-stream{also}.",
    )
