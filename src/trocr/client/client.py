"""A server's readers, as if they were here."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from ..document import Document, Word
from ..errors import ImageError
from ..line_result import Candidate, LineResult
from ..readers import read_document
from .job import Job
from .sources import ReadOptions, query_and_headers, source_of
from .transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

_OK = 200
_FAILED_PAGES = "X-Trocr-Failed-Pages"


class Client:
    """Reads with the models of a server of ``trocr serve``.

    Connection errors and answers of 429 and 503 are tried again, after the time that the server
    names, and with growing pauses.

    Args:
        url: where it is: ``"http://127.0.0.1:8000"``.
        api_key: that it asks for, if it does.
        timeout: seconds until a call fails, with all that is tried again.
        retries: how often that is.

    Raises:
        UsageError: arguments that cannot work, or httpx2 is missing.

    All methods raise what the same call would raise here: ``ImageError`` for what cannot be read,
    ``UsageError`` for what cannot be asked; and ``ServerError`` where the server does not answer,
    or has no time.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, timeout: float = 60.0, retries: int = 4
    ) -> None:
        self._transport = Transport(url, api_key, timeout, retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._transport.close()

    @overload
    def read(
        self, source: Any, format: None = None, **options: Unpack[ReadOptions]
    ) -> Document: ...

    @overload
    def read(self, source: Any, format: str, **options: Unpack[ReadOptions]) -> bytes: ...

    def read(
        self, source: Any, format: str | None = None, **options: Unpack[ReadOptions]
    ) -> Document | bytes:
        """Read all pages of one source.

        Args:
            source: a path, a URL that the server is to fetch, bytes, a binary file, a PIL image
                or an array.
            format: a name in ``trocr.writers.FORMATS``.
            options: see `ReadOptions`.

        Returns:
            A document, or with a `format` the file. A page that cannot be read is missing, with a
            warning.
        """
        query, headers = query_and_headers(options)
        answer = self._transport.send(
            "POST",
            "/v1/read",
            params={**query, "format": format or "json"},
            headers=headers,
            **source_of(source).body("file"),
        )
        if failed := answer.headers.get(_FAILED_PAGES):
            warnings.warn(f"Pages that cannot be read: {failed}.", stacklevel=2)
        return answer.content if format else read_document(answer.content)

    def read_lines(
        self, sources: Sequence[Any], **options: Unpack[ReadOptions]
    ) -> list[LineResult]:
        """Read pictures of one line each.

        Args:
            sources: as for `read`; no URLs.
            options: see `ReadOptions`.

        Returns:
            One result a picture, in order; without tokens.

        Raises:
            ImageError: a picture that cannot be read.
        """
        if not sources:
            return []
        query, headers = query_and_headers(options)
        parts = [source_of(each, number).part("files") for number, each in enumerate(sources, 1)]
        answer = self._transport.send(
            "POST", "/v1/lines", params=query, headers=headers, files=parts
        )
        return [_line_result(line) for line in answer.json()["lines"]]

    def submit(self, source: Any, **options: Unpack[ReadOptions]) -> Job:
        """Have a document read while you do something else; arguments as of `read`."""
        query, headers = query_and_headers(options)
        answer = self._transport.send(
            "POST",
            "/v1/jobs",
            repeatable=False,
            params=query,
            headers=headers,
            **source_of(source).body("file"),
        )
        return self.job(answer.json()["id"])

    def job(self, job_id: str) -> Job:
        """A job that was submitted before; nothing is asked yet."""
        return Job(self._transport, job_id)

    def models(self) -> list[str]:
        """The names that ``model`` may have, the default first."""
        found = self._transport.send("GET", "/v1/models").json()
        names = [model["name"] for model in found["models"]]
        return sorted(names, key=lambda name: name != found["default"])

    def ready(self) -> bool:
        """Whether the server takes requests now; tried once."""
        return self._transport.once("GET", "/readyz") == _OK


def _line_result(line: Mapping[str, Any]) -> LineResult:
    if error := line.get("error"):
        raise ImageError(error["detail"], error.get("hint", ""))
    return LineResult(
        text=line["text"],
        confidence=line["confidence"],
        finish_reason=line["finish_reason"],
        n_best=tuple(
            Candidate(each["text"], each["confidence"]) for each in line.get("n_best", ())
        ),
        words=tuple(
            Word(word["text"], tuple(word["box"]) if word["box"] else None, word["confidence"])
            for word in line.get("words", ())
        ),
    )
