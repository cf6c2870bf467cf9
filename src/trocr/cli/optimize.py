"""``trocr optimize``: verbs that make a model faster or smaller."""

from __future__ import annotations

import typer

from .draft import draft
from .quantize import quantize

app = typer.Typer(
    name="optimize",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def optimize() -> None:
    """Make a model faster or smaller; each verb says what it costs."""


for verb in (draft, quantize):
    app.command()(verb)
