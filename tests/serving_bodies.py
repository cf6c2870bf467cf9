"""Bodies of requests for the upload reader, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from serving_fakes import FakePool
from starlette.requests import Request

from trocr.serving.http.admission import Admission
from trocr.serving.http.uploads import UploadReader
from trocr.serving.messages import Upload
from trocr.serving.settings import ServeSettings

BOUNDARY = b"limit"
FORM = b"multipart/form-data; boundary=" + BOUNDARY


def files_of(
    chunks: Sequence[bytes],
    content_type: bytes = FORM,
    *,
    most: int = 9,
    max_bytes: int = 1 << 20,
    room: int = 1 << 30,
) -> tuple[Upload, ...]:
    """What the reader makes of a body that comes in these chunks; nothing may be held after."""
    settings = ServeSettings(max_waiting_bytes=room)
    left = list(chunks)

    async def receive() -> dict[str, object]:
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    async def read() -> tuple[Upload, ...]:
        admission = Admission(settings, FakePool(settings))
        request = Request(
            {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)]},
            receive,
        )
        try:
            with admission.place(None) as place:
                reader = UploadReader(request, place, max_bytes, 10.0)
                return await reader.files("files", most, urls=True)
        finally:
            assert admission.receiving == admission.receiving_bytes == 0

    return asyncio.run(read())


def form(*files: tuple[bytes, bytes], field: bytes = b"files") -> bytes:
    """A form of files by name and content."""
    parts = [
        b'--%s\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
        % (BOUNDARY, field, name, content)
        for name, content in files
    ]
    return b"".join(parts) + b"--%s--\r\n" % BOUNDARY
