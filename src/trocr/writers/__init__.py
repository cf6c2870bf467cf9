"""A `Document` to text, Markdown, JSON, TSV, hOCR, ALTO, PAGE, PDF, a picture or a web page.

One module a format; each is a function of a document and `Options`. ``FORMATS`` names them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ..document import Document
from ..errors import UsageError
from .files import write_atomically
from .options import Options, Pictures

__all__ = [
    "FORMATS",
    "WITHOUT_WORDS",
    "WITH_PICTURES",
    "Format",
    "Options",
    "Pictures",
    "files_of",
    "format_of",
    "render",
    "suffix_of",
    "write",
]

Writer = Callable[[Document, Options], "str | bytes"]


class Format(NamedTuple):
    """``suffix``: of its files; ``writer``: to text or bytes; ``one_page``: a file holds one."""

    suffix: str
    writer: Writer
    one_page: bool = False


def _lazy(module: str) -> Writer:
    """The ``render`` of a module here, imported when it is first used."""

    def writer(document: Document, options: Options) -> str | bytes:
        rendered: str | bytes = import_module(f".{module}", __name__).render(document, options)
        return rendered

    return writer


FORMATS = {
    "txt": Format(".txt", _lazy("plain_text")),
    "md": Format(".md", _lazy("markdown")),
    "json": Format(".json", _lazy("json_document")),
    "jsonl": Format(".jsonl", _lazy("json_lines")),
    "tsv": Format(".tsv", _lazy("tsv")),
    "hocr": Format(".hocr", _lazy("hocr")),
    "alto": Format(".alto.xml", _lazy("alto")),
    "page": Format(".page.xml", _lazy("page"), one_page=True),
    "pdf": Format(".pdf", _lazy("pdf")),
    "overlay": Format(".overlay.png", _lazy("overlay"), one_page=True),
    "html": Format(".html", _lazy("html_report")),
    "template": Format("", _lazy("template")),
}
WITH_PICTURES = {"html", "overlay", "pdf"}
WITHOUT_WORDS = {"txt", "md"}  # need no places of words, but `txt` for its layout
_ALSO = {".text": "txt", ".markdown": "md", ".xml": "alto", ".png": "overlay", ".htm": "html"}


def suffix_of(format: str, options: Options | None = None) -> str:
    """How the names of its files end: ``.alto.xml``; for a template what its own name says."""
    if format == "template":
        from .template import suffix

        return suffix(options or Options())
    return _known(format).suffix


def format_of(path: str | Path) -> str:
    """The format that the name of a file asks for; ``.xml`` alone is ALTO.

    Raises:
        UsageError: no format has such names.
    """
    name = Path(path).name.lower()
    for format, (suffix, _, _) in FORMATS.items():
        if suffix and name.endswith(suffix):
            return format
    if (format := _ALSO.get(Path(name).suffix, "")) in FORMATS:
        return format
    raise UsageError(f"{path}: no format is called so.", f"Name one: {', '.join(FORMATS)}.")


def render(document: Document, format: str, options: Options | None = None) -> str | bytes:
    """The whole of one file.

    Args:
        document: what was read.
        format: a name in `FORMATS`.
        options: pictures and settings, for those formats that use them.

    Raises:
        UsageError: an unknown format, or one that needs a picture, a template or a single page.
    """
    chosen = _known(format)
    if chosen.one_page and len(document) != 1:
        raise UsageError(
            f"A file of the format {format} holds one page, and the document has {len(document)}.",
            "Use `write`, which makes a file of each page.",
        )
    return chosen.writer(document, options or Options())


def write(
    document: Document,
    path: str | Path,
    format: str | None = None,
    options: Options | None = None,
    *,
    overwrite: bool = False,
) -> list[Path]:
    """Write a file, or for the formats of single pages a file of each page.

    Args:
        document: what was read.
        path: the file; with several pages and a format of single pages,
            ``scan.page.xml`` becomes ``scan-0001.page.xml`` and so on by page number.
        format: a name in `FORMATS`; by default what the name of the file asks for.
        options: as for `render`.
        overwrite: replace files that exist.

    Returns:
        The files. Each appears whole or not at all.

    Raises:
        UsageError: a file exists, or as for `render`.
        OutputError: a file cannot be written.
    """
    format = format or format_of(path)
    options = options or Options()
    parts = files_of(document, path, format)
    for part, _ in parts:
        if part.exists() and not overwrite:
            raise UsageError(f"{part} exists.", "Ask to overwrite it, or choose another name.")
    for part, pages in parts:
        content = render(pages, format, options)
        write_atomically(part, content if isinstance(content, bytes) else content.encode("utf-8"))
    return [part for part, _ in parts]


def files_of(document: Document, path: str | Path, format: str) -> list[tuple[Path, Document]]:
    """The files that `write` makes, and what each holds."""
    path, known = Path(path), _known(format)
    if not known.one_page or len(document) == 1:
        return [(path, document)]
    suffix = known.suffix if path.name.lower().endswith(known.suffix) else path.suffix
    stem = path.name[: len(path.name) - len(suffix)]
    return [
        (
            path.with_name(f"{stem}-{page.number:04d}{suffix}"),
            Document((page,), document.source, document.model),
        )
        for page in document
    ]


def _known(format: str) -> Format:
    if format not in FORMATS:
        raise UsageError(f"There is no format {format!r}.", f"Choose among {', '.join(FORMATS)}.")
    return FORMATS[format]
