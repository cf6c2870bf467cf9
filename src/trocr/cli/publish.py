"""``trocr publish``: a model folder to what a hub takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ..bundled import bundled_folder
from ..errors import CheckpointError, UsageError

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def publish(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="A new folder to write.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="USER/NAME", help="Upload to this repository of the hub."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="With --to: a new repository is private.")
    ] = False,
    license: Annotated[
        str,
        typer.Option(metavar="ID", help="Such as mit, apache-2.0, cc-by-4.0. Default: MODEL's."),
    ] = "",
    license_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its text. Default: MODEL's LICENSE.")
    ] = None,
    language: Annotated[
        str, typer.Option(metavar="CODES", help="Such as en; several with commas.")
    ] = "",
    dataset: Annotated[
        str, typer.Option(metavar="NAMES", help="Learnt from; several with commas.")
    ] = "",
    tag: Annotated[str, typer.Option(metavar="NAMES", help="Several with commas.")] = "",
    summary: Annotated[
        str, typer.Option(metavar="TEXT", help="The first sentence of a new card.")
    ] = "",
    scores: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="From `trocr evaluate --format json`. Repeatable."),
    ] = None,
) -> None:
    """Write a model as a hub takes it: safetensors, settings, tokenizer, model card, licence.

    MODEL's own README.md stays its card, with what is given here in its front matter; without
    one, a card is written. Pickles, training settings and whatever else lies in the folder stay
    behind. Models of the published architectures are what transformers loads; scores have to be
    those of this model.

    \b
    trocr evaluate letters --model runs/mine/model --format json > scores.json
    trocr publish runs/mine/model -o mine --license mit --language fr --scores scores.json
    trocr publish runs/mine/model --to me/mine --license mit --private

    The network is used with --to only. Log in before with `hf auth login`.
    """
    if out is None and to is None:
        raise UsageError("There is no place for the model.", "Name a folder (-o), or --to.")
    if to is not None and not _REPOSITORY.fullmatch(to):
        raise UsageError(f"--to {to} is no repository.", "Write it as user/name.")
    folder = bundled_folder(model) or Path(model)
    if not folder.is_dir():
        raise CheckpointError(f"There is no model folder {model}.", "Check the path.")

    from ..publishing import LICENSE, About, read_scores
    from ..publishing import publish as write

    about = About(
        name=to or Path(str(out)).resolve().name,
        license=license,
        languages=_several(language),
        tags=_several(tag),
        datasets=_several(dataset),
        summary=summary,
        scores=[read_scores(path, folder) for path in scores or []],
    )
    with TemporaryDirectory() as temporary:
        target = out or Path(temporary, "model")
        for path in write(folder, target, about, license_file):
            print(f"{path.stat().st_size:>13,}  {path.name}")
        if not (target / LICENSE).exists():
            print("trocr: the text of the licence is missing: --license-file", file=sys.stderr)
        if to is not None:
            _upload(target, to, private)
    if out is not None:
        print(out, flush=True)


def _upload(folder: Path, repository: str, private: bool) -> None:
    from ..hub import upload_folder

    # None leaves it to the hub, and a repository that is there as it is.
    name = upload_folder(folder, repository, private=private or None)
    print(f"https://huggingface.co/{name}", flush=True)


def _several(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
