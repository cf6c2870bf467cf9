"""Reading while the client waits: documents and lines."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from ....document import Word
from ....line_result import LineResult
from ....writers import WITHOUT_WORDS
from ...logs import note
from ...messages import Failed, LineOptions, LineResults, Output, ReadDocument, ReadLines, Upload
from ..answers import as_file, as_json, last_of
from ..direct import direct_route
from ..documentation import DOCUMENT_BODY, LINES, LINES_BODY, READ
from ..negotiation import chosen_format
from ..problems import Problem
from ..queries import DocumentQuery, LinesAsked, LinesQuery, ReadAsked
from ..service import Service, TheService
from ..uploads import UploadReader

FILE, FILES = "file", "files"

router = APIRouter(tags=["reading"])
direct = APIRouter(tags=["reading"], route_class=direct_route(LinesQuery))


@router.post("/v1/read", responses=READ, openapi_extra=DOCUMENT_BODY, response_class=Response)
async def read(service: TheService, request: Request, query: ReadAsked) -> Response:
    """Read a file, and answer with a document in any format."""
    settings = service.settings
    format = chosen_format(query.format, request.headers.get("accept", ""))
    words = format not in WITHOUT_WORDS if query.words is None else query.words
    options = query.options(settings, words=words)
    query.check_pages()
    async with service.body(request) as body:
        upload = await one_file(service, body, query.name)
        task = document_task(upload, options, query, request, format=format)
        running = service.submit(task, query.deadline(settings.seconds))
    output = await last_of(Output, running, request)
    return as_file(output, options.model)


@direct.post("/v1/lines", responses=LINES, openapi_extra=LINES_BODY)
async def lines(service: TheService, request: Request, query: LinesAsked) -> Response:
    """Read pictures of one line each; one that cannot be read costs only itself."""
    settings = service.settings
    options = query.options(settings, words=query.words, n_best=query.n_best)
    async with service.body(request) as body:
        uploads = await body.files(FILES, settings.max_lines, query.name)
        task = ReadLines(uploads, options)
        running = service.submit(task, query.deadline(settings.seconds))
    found = await last_of(LineResults, running, request)
    note(lines=len(uploads))
    answered = [
        {"name": upload.name, **_line(result, options)}
        for upload, result in zip(uploads, found.results, strict=True)
    ]
    return as_json({"model": options.model, "lines": answered})


async def one_file(service: Service, body: UploadReader, name: str | None) -> Upload:
    """The file of a request for a document.

    Raises:
        Problem: URLs are given but not read here; else as `UploadReader.files`.
    """
    (upload,) = await body.files(FILE, 1, name, urls=True)
    if upload.url is not None and not service.settings.urls:
        raise Problem(403, "urls", "This server fetches no files.", "Send the file itself.")
    return upload


def document_task(
    upload: Upload, options: LineOptions, query: DocumentQuery, request: Request, **more: Any
) -> ReadDocument:
    """What a request for a document asks of a worker; ``more`` as for `ReadDocument`."""
    return ReadDocument(
        upload,
        options,
        pages=query.pages,
        password=password_of(request),
        dpi=query.dpi,
        keep_text=query.keep_text,
        **more,
    )


def password_of(request: Request) -> str | None:
    """That of an encrypted PDF, in UTF-8, though headers come as Latin-1."""
    given = request.headers.get("x-document-password")
    if given is None:
        return None
    try:
        return given.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return given


def _line(result: LineResult | Failed, options: LineOptions) -> dict[str, Any]:
    if isinstance(result, Failed):
        return {
            "error": {
                "title": "Unreadable",
                "detail": result.message,
                "hint": result.hint,
            }
        }
    line: dict[str, Any] = {
        "text": result.text,
        "confidence": result.confidence,
        "finish_reason": result.finish_reason,
    }
    if options.n_best > 1:
        line["n_best"] = [{"text": c.text, "confidence": c.confidence} for c in result.n_best]
    if options.words:
        line["words"] = [_word(word) for word in result.words]
    return line


def _word(word: Word) -> dict[str, Any]:
    return {"text": word.text, "confidence": word.confidence, "box": word.box}
