"""Any other format, by a Jinja template of the user's."""

from __future__ import annotations

from pathlib import Path

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..document import Document, as_dict
from ..errors import UsageError
from .characters import encodable
from .options import Options

_ENDINGS = (".j2", ".jinja", ".jinja2")
_ESCAPED = (".html", ".htm", ".xml", ".xhtml")


def render(document: Document, options: Options) -> str:
    """Fill ``options.template`` with ``document`` (the `Document`) and ``data`` (plain dicts).

    Templates called ``….html`` or ``….xml`` (or ``….html.j2``) escape what they insert. They run
    in Jinja's sandbox, and a name that does not exist is an error.

    Raises:
        UsageError: there is no template, or it cannot be read, parsed or filled.
    """
    path = _path(options)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The template {path} cannot be read: {error}.", "Check it.") from error
    environment = ImmutableSandboxedEnvironment(
        autoescape=_plain(path).lower().endswith(_ESCAPED),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        template = environment.from_string(source)
        return encodable(template.render(document=document, data=as_dict(document)))
    except TemplateSyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: {error.message}.", "Mend it.") from error
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"The template {path} cannot be filled: {error}.",
            "It gets `document` and `data`; see docs/formats.md.",
        ) from error


def suffix(options: Options) -> str:
    """How its files end: ``.csv`` for ``receipt.csv.j2``; ``.txt`` if the name does not say."""
    return Path(_plain(_path(options))).suffix or ".txt"


def _path(options: Options) -> Path:
    if options.template is None:
        raise UsageError("There is no template to fill.", "Name the file of a Jinja template.")
    return Path(options.template)


def _plain(path: Path) -> str:
    """The name without Jinja's ending."""
    return path.stem if path.suffix in _ENDINGS else path.name
