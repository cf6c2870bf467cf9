"""What the OpenAPI document says beyond the types of parameters: bodies, answers, examples."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ... import __version__
from ..formats import MEDIA_TYPES
from .corrected import CorrectedLine, Corrections
from .uploads import FileAtUrl

Json = dict[str, Any]
Responses = dict[int | str, Json]

_JSON, _PROBLEM = "application/json", "application/problem+json"
_BINARY: Json = {"type": "string", "format": "binary"}
_TEXT: Json = {"type": "string"}
_SCORE: Json = {"type": "number", "minimum": 0, "maximum": 1}
_CORNERS = [[41, 20], [388, 20], [388, 51], [41, 51]]


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _object(required: Mapping[str, Json], **optional: Json) -> Json:
    properties = {**required, **optional}
    return {"type": "object", "properties": properties, "required": list(required)}


def _named(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_BOX = {**_array({"type": "integer"}), "description": "Left, top, right, bottom, in pixels."}
_COUNT: Json = {"type": "integer", "minimum": 0}
_CANDIDATE = _object({"text": _TEXT, "confidence": _SCORE})
_TIME: Json = {"type": "string", "format": "date-time"}
SCHEMAS: Json = {
    "Problem": _object(
        {
            "type": {"type": "string", "description": "A fixed name, `urn:trocr:…`."},
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What went wrong and where."},
            "hint": {"type": "string", "description": "What to do about it."},
        }
    ),
    "Word": _object(
        {"text": _TEXT, "confidence": {"anyOf": [_SCORE, {"type": "null"}]}},
        box={"anyOf": [_BOX, {"type": "null"}]},
    ),
    "LineResult": _object(
        {"name": _TEXT},
        text=_TEXT,
        confidence=_SCORE,
        finish_reason={"enum": ["eos", "length", "blank", "repetition"]},
        n_best=_array(_CANDIDATE),
        words=_array(_named("Word")),
        error=_object({"title": _TEXT, "detail": _TEXT, "hint": _TEXT}),
    ),
    "Job": _object(
        {
            "id": _TEXT,
            "name": _TEXT,
            "model": _TEXT,
            "status": {"enum": ["queued", "reading", "done", "failed", "cancelled"]},
            "url": _TEXT,
            "pages_done": _COUNT,
            "pages_failed": _array(_object({"number": {}, "detail": _TEXT, "hint": _TEXT})),
            "created": _TIME,
        },
        expires=_TIME,
        error=_object({"detail": _TEXT, "hint": _TEXT}),
    ),
}

_JOB_EXAMPLE: Json = {
    "id": "hT3xkXq0bq7pZ1mWcQyLr2aA",
    "name": "letters.pdf",
    "model": "handwritten",
    "status": "reading",
    "url": "/v1/jobs/hT3xkXq0bq7pZ1mWcQyLr2aA",
    "pages_done": 3,
    "pages_failed": [{"number": 2, "detail": "The page is damaged.", "hint": "Scan it again."}],
    "created": "2026-11-23T21:00:00+00:00",
}
_LINE_EXAMPLE: Json = {
    "text": "104 COTTON GLOVE (DOZEN)",
    "confidence": 0.98,
    "finish_reason": "eos",
}
_CORRECTIONS_EXAMPLE: Json = {
    "lines": [{"page": 1, "line": 12, "read": "Tota1 9.80", "text": "Total 9.80", "mark": "ok"}]
}
_DOCUMENT_EXAMPLES: Json = {
    "json": {
        "version": 1,
        "source": "receipt.jpg",
        "model": "printed",
        "pages": [
            {
                "number": 1,
                "source": "receipt.jpg",
                "width": 432,
                "height": 640,
                "orientation": 0,
                "skew": 0.0,
                "dpi": None,
                "language": None,
                "image_sha256": None,
                "regions": [
                    {
                        "kind": "text",
                        "polygon": _CORNERS,
                        "lines": [
                            {
                                **_LINE_EXAMPLE,
                                "flags": [],
                                "polygon": _CORNERS,
                                "baseline": [[41, 47], [388, 47]],
                                "words": [],
                            }
                        ],
                    }
                ],
            }
        ],
    },
    "txt": "104 COTTON GLOVE (DOZEN)\n",
}
_EVENTS_EXAMPLE = """\
id: 1
event: page-started
data: {"page":1,"width":432,"height":640,"lines":1}

id: 2
event: line
data: {"page":1,"index":0,"line":{"text":"104 COTTON GLOVE","confidence":0.98,…}}

id: 3
event: page
data: {"page":1,"width":432,"height":640,"lines":[{"text":"104 COTTON GLOVE",…}]}

id: 4
event: done
data: {"pages":1,"failed":0}
"""
_REASONS = {
    400: ("usage-error", "There is no format 'docx'.", "Choose among txt, md, json, pdf."),
    401: ("key", "The request has no API key that the server knows.", "Send one."),
    403: ("urls", "This server fetches no files.", "Send the file itself."),
    404: ("no-job", "There is no such job.", "Jobs are forgotten after a while."),
    406: ("format", "None of the media types can be written.", "Name a format: ?format=."),
    408: ("slow", "The body was not there after 30 seconds.", "Send less at a time."),
    409: ("not-done", "The job is reading.", "Wait until it is done; see its events."),
    413: ("too-large", "The body of the request is larger than 64 MiB.", "Send less."),
    415: ("media-type", "A body of type text/css is not taken.", "Send a form, or a file."),
    422: ("image-error", "scan.jpg is no picture.", "Open it in another program."),
    429: ("busy", "The server has as much to do as it takes.", "Try again later."),
    503: ("not-ready", "The server is not ready yet.", "Try again later, or elsewhere."),
    504: ("deadline", "It was not read within 60 seconds.", "Ask for fewer pages, or a job."),
}
_RETRY: Json = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}


def _problem(status: int) -> Json:
    kind, detail, hint = _REASONS[status]
    title = HTTPStatus(status).phrase
    example = {
        "type": f"urn:trocr:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "hint": hint,
    }
    content = {_PROBLEM: {"schema": _named("Problem"), "example": example}}
    headers = {"headers": _RETRY} if status in (429, 503) else {}
    return {"description": title, "content": content, **headers}


def _answers(
    status: int, description: str, content: Json, *problems: int, **more: Any
) -> Responses:
    found: Responses = {status: {"description": description, "content": content, **more}}
    return {**found, **{each: _problem(each) for each in sorted(problems)}}


def _file_types() -> Json:
    """All media types of documents, some with examples."""
    content: Json = {}
    for name, media_type in MEDIA_TYPES.items():
        media_type = media_type.partition(";")[0]
        is_text = media_type.startswith("text/")
        schema = {} if media_type == _JSON else _TEXT if is_text else _BINARY
        example = _DOCUMENT_EXAMPLES.get(name)
        content[media_type] = {"schema": schema, **({"example": example} if example else {})}
    return content


def _json(schema: Json, example: Any) -> Json:
    return {_JSON: {"schema": schema, "example": example}}


_TAKING = (400, 401, 403, 408, 413, 415, 422, 429, 503)
_FILE_HEADERS: Json = {
    "X-Trocr-Model": {"description": "The model that read it.", "schema": _TEXT},
    "X-Trocr-Failed-Pages": {"description": "Pages that are missing: `2,5`.", "schema": _TEXT},
    "Content-Disposition": {"description": "A name for the file.", "schema": _TEXT},
}
READ = _answers(200, "The document.", _file_types(), *_TAKING, 406, 504, headers=_FILE_HEADERS)
LINES = _answers(
    200,
    "A result for each picture, in order.",
    _json(
        _object({"model": _TEXT, "lines": _array(_named("LineResult"))}),
        {"model": "printed", "lines": [{"name": "amount.png", **_LINE_EXAMPLE}]},
    ),
    *_TAKING,
    504,
)
_LOCATION: Json = {"Location": {"description": "Of the job.", "schema": _TEXT}}
SUBMITTED = _answers(
    202, "The job.", _json(_named("Job"), _JOB_EXAMPLE), *_TAKING, headers=_LOCATION
)
JOB = _answers(200, "The job.", _json(_named("Job"), _JOB_EXAMPLE), 401, 404, 422)
GONE: Responses = {204: {"description": "Forgotten."}, **{n: _problem(n) for n in (401, 404, 422)}}
EVENTS = _answers(
    200,
    "Events until the job ends; `: ping` now and then.",
    {"text/event-stream": {"example": _EVENTS_EXAMPLE}},
    *(401, 404, 422),
)
PICTURE = _answers(
    200, "The picture.", {kind: {"schema": _BINARY} for kind in ("image/jpeg", "image/png")},
    *(401, 404, 422),
)  # fmt: skip
_EXPORTING = (400, 401, 404, 409, 422, 429, 503, 504)
DOCUMENT = _answers(200, "The document.", _file_types(), *_EXPORTING, 406, headers=_FILE_HEADERS)
TRAINING_SET = _answers(
    200, "The set.", {"application/zip": {"schema": _BINARY}}, *_EXPORTING, headers=_FILE_HEADERS
)
CORRECTIONS = _answers(
    200,
    "All corrections.",
    _json(_named("Corrections"), _CORRECTIONS_EXAMPLE),
    *(400, 401, 404, 408, 409, 413, 422, 429, 503),
)
MODELS = _answers(
    200,
    "The models.",
    _json(
        _object({"default": _TEXT, "models": _array(_object({"name": _TEXT}, description=_TEXT))}),
        {"default": "printed", "models": [{"name": "printed"}, {"name": "handwritten"}]},
    ),
    401,
)
HEALTH = _answers(200, "Yes.", _json(_object({"status": _TEXT}), {"status": "ready"}), 503)
METRICS: Responses = {
    200: {"description": "In Prometheus' text format.", "content": {"text/plain": {}}}
}


def _body(field: str, many: bool, **others: Json) -> Json:
    files = _array(_BINARY) if many else _BINARY
    form = {"multipart/form-data": {"schema": _object({field: files})}}
    raw = {kind: {"schema": _BINARY} for kind in ("application/octet-stream", "image/*")}
    return {"requestBody": {"required": True, "content": {**form, **raw, **others}}}


_PASSWORD: Json = {
    "name": "X-Document-Password",
    "in": "header",
    "description": "Of an encrypted PDF, in UTF-8.",
    "schema": _TEXT,
}
_URL = {"url": "https://example.org/scan.pdf"}
DOCUMENT_BODY: Json = {
    "parameters": [_PASSWORD],
    **_body(
        "file",
        False,
        **{
            "application/pdf": {"schema": _BINARY},
            _JSON: {"schema": _named("FileAtUrl"), "example": _URL},
        },
    ),
}
LINES_BODY = _body("files", True)
CORRECTIONS_BODY: Json = {
    "requestBody": {
        "required": True,
        "content": _json(_named("Corrections"), _CORRECTIONS_EXAMPLE),
    }
}
_KEYS: Json = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def describe(app: FastAPI, *, keys: bool) -> None:
    """Let the app's OpenAPI document be whole; ``keys``: requests need one."""

    def document() -> Json:
        if app.openapi_schema is None:
            found = get_openapi(title="trocr", version=__version__, routes=app.routes)
            components = found.setdefault("components", {})
            components.setdefault("schemas", {}).update(SCHEMAS, **_models())
            if keys:
                components["securitySchemes"] = _KEYS
                found["security"] = [{name: []} for name in _KEYS]
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _models() -> Json:
    template = "#/components/schemas/{model}"
    kinds = (FileAtUrl, CorrectedLine, Corrections)
    schemas = {kind.__name__: kind.model_json_schema(ref_template=template) for kind in kinds}
    for schema in schemas.values():
        schema.pop("$defs", None)
    return schemas
