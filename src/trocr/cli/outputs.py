"""Which files become of which source."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from ..errors import UsageError
from ..pages import Input, PageFailure, find_inputs
from ..pages.inputs import STDIN, SUFFIXES, is_url
from ..writers import FORMATS, Options, format_of, suffix_of

PAGED = (".pdf", ".tif", ".tiff")  # files that may have several pages


@dataclass(frozen=True)
class Job:
    """A source, and its files by format; none where results go to standard output."""

    source: Input
    targets: dict[str, Path] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """The source if it is a file on this machine."""
        item = self.source.item
        is_path = isinstance(item, (str, os.PathLike)) and item != STDIN and not is_url(item)
        return Path(item) if is_path else None

    @property
    def journal(self) -> Path | None:
        """Where its pages are kept until the last file is written."""
        if self.file is None or not self.targets:
            return None
        folder = next(iter(self.targets.values())).parent
        return folder / f".{self.source.relative.name}.trocr.jsonl"

    @property
    def is_done(self) -> bool:
        """All its files are there, and no run was cut off while it wrote them."""
        cut_off = self.journal is not None and self.journal.exists()
        there = (self._is_there(path, format) for format, path in self.targets.items())
        return bool(self.targets) and not cut_off and all(there)

    def _is_there(self, path: Path, format: str) -> bool:
        """Of a format of single pages, the file of any page counts."""
        paged = FORMATS[format].one_page and self.source.relative.suffix.lower() in PAGED
        if path.exists() or not paged:
            return path.exists()
        suffix = FORMATS[format].suffix
        suffix = suffix if path.name.endswith(suffix) else path.suffix
        stem = path.name.removesuffix(suffix)
        numbered = path.parent.glob(f"{glob.escape(stem)}-[0-9][0-9][0-9][0-9]*{suffix}")
        return any(numbered)


def plan(
    files: Sequence[str], out: Path | None, formats: Sequence[str], options: Options
) -> tuple[list[Job], list[PageFailure]]:
    """A job for each source, in their order; and what names no source.

    Args:
        files: what ``find_inputs`` takes.
        out: a folder that will mirror theirs, or the file of a single source; None for standard
            output.

    Raises:
        UsageError: two sources would become one file, or a source would be written over; one
            file was named for several.
    """
    found = list(find_inputs(list(files)))
    failures = [each for each in found if isinstance(each, PageFailure)]
    sources = [each for each in found if isinstance(each, Input)]
    if out is None:
        return [Job(source) for source in sources], failures
    folders = [Path(file).resolve() for file in files if file != STDIN and Path(file).is_dir()]
    sources = _distinct(sources, out.resolve(), folders)
    suffixes = {format: suffix_of(format, options) for format in formats}
    mistakable = [end for end in suffixes.values() if SUFFIXES.fullmatch(Path(end).suffix)]
    if mistakable and out.resolve() in folders:
        raise UsageError(
            f"The next run would take the {mistakable[0]} files in {out} for sources.",
            "Name another folder.",
        )
    if is_file_name(out, options):
        if len(sources) > 1 or len(formats) > 1:
            raise UsageError(
                f"{out} is one file, and there would be more.",
                f"Name a folder: -o {out.with_suffix('')}/",
            )
        jobs = [Job(source, {formats[0]: out}) for source in sources]
    else:
        jobs = [
            Job(source, {format: Path(f"{stem}{end}") for format, end in suffixes.items()})
            for source, stem in zip(sources, _stems(sources, out), strict=True)
        ]
    _check(jobs)
    return jobs, failures


def formats_of(given: Sequence[str], out: Path | None, options: Options) -> list[str]:
    """The formats asked for: by their names, by the name of the output file, or plain text.

    Raises:
        UsageError: an unknown format, or a template that is missing or not used.
    """
    names = [name.strip().lower() for each in given for name in each.split(",") if name.strip()]
    if not names and options.template:
        names = ["template"]
    elif not names and out and is_file_name(out, options):
        names = [format_of(out)]
    formats = list(dict.fromkeys("txt" if name == "text" else name for name in names or ["txt"]))
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UsageError(f"There is no format {unknown[0]!r}.", f"Formats: {', '.join(FORMATS)}.")
    if ("template" in formats) != (options.template is not None):
        raise UsageError(
            "The format template and --template belong together.", "Give both, or neither."
        )
    return formats


def is_file_name(out: Path, options: Options) -> bool:
    """Whether the name is that of a file in some format, and no folder has it."""
    if out.is_dir():
        return False
    if options.template and out.suffix == suffix_of("template", options):
        return True
    try:
        return bool(format_of(out))
    except UsageError:
        return False


def _distinct(sources: Sequence[Input], out: Path, folders: Sequence[Path]) -> list[Input]:
    """Each file once; nothing that stands in the output folder inside of a folder that is read."""
    found, known = [], set()
    inside = any(folder in out.parents for folder in folders)
    for source in sources:
        if isinstance(source.item, Path):
            path = source.item.resolve()
            if path in known or (inside and out in path.parents):
                continue
            known.add(path)
        found.append(source)
    return found


def _stems(sources: Sequence[Input], out: Path) -> Iterator[Path]:
    """Outputs without their endings: ``scan`` of ``scan.png``, ``scan.png`` next to ``scan.tif``.

    Letters' case makes no difference, as on many file systems.
    """
    short = [_without_suffix(source.relative) for source in sources]
    count = Counter(str(stem).casefold() for stem in short)
    for source, stem in zip(sources, short, strict=True):
        yield out / (stem if count[str(stem).casefold()] == 1 else source.relative)


def _without_suffix(name: PurePath) -> PurePath:
    return name.with_suffix("") if SUFFIXES.fullmatch(name.suffix) else name


def _check(jobs: Sequence[Job]) -> None:
    """Raise where one file would replace another."""
    sources = {job.file.resolve() for job in jobs if job.file}
    claimed: dict[str, Job] = {}
    for job in jobs:
        for path in job.targets.values():
            whole = path.resolve()
            if whole in sources:
                raise UsageError(
                    f"{path} would be written over what is to be read.", "Name another folder."
                )
            other = claimed.setdefault(str(whole).casefold(), job)
            if other is not job:
                raise UsageError(
                    f"{other.source.name} and {job.source.name} would both become {path}.",
                    "Read them into folders of their own, or give the folder that holds both.",
                )
