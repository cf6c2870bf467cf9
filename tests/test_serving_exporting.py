"""Files of documents: one, or several in an archive, with what a person corrected."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from pages import bar_page, find_bars, pdf_of
from PIL import Image, ImageStat

from trocr.document import Document, Page, Region, from_dict
from trocr.errors import DataError, RefusedError, UsageError
from trocr.image import load_image
from trocr.line_sets import read_line_set
from trocr.pages import read_pages
from trocr.serving.folders import DOCUMENT, ORIGINAL, PAGES, find_page, line_name, page_file
from trocr.serving.formats import MEDIA_TYPES, TRAINING_SET, ZIP, clean_name
from trocr.serving.messages import Export
from trocr.serving.workers import exporting
from trocr.serving.workers.exporting import export, rendered
from trocr.writers import FORMATS, Options, render

PICTURES = [bar_page(100, 200), bar_page(150, 50)]
HEADER = "line\tread\ttext\tmark\n"


def document(pages: int = 2) -> Document:
    found = []
    for number, picture in enumerate(PICTURES[:pages], start=1):
        lines = tuple(
            replace(line, text=str(line.box[2] - line.box[0])) for line in find_bars(picture)
        )
        found.append(Page(*picture.size, (Region(lines),), number, "scan.pdf"))
    return Document(tuple(found), "scan.pdf", "bars")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's, as a worker leaves it; and no file of that name where the server runs."""
    kept = tmp_path / "job"
    (kept / PAGES).mkdir(parents=True)
    for number, picture in enumerate(PICTURES, start=1):
        picture.save(kept / page_file(number), quality=95)
    (kept / ORIGINAL).write_bytes(pdf_of(PICTURES))
    (kept / DOCUMENT).write_text(str(render(document(), "json")))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (400, 300)).save("scan.pdf", "PDF")  # not what was read
    return kept


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_there_is_a_media_type_for_every_format_without_a_template() -> None:
    assert set(MEDIA_TYPES) == set(FORMATS) - {"template"}


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_a_page_is_one_file(format: str) -> None:
    options = Options(pages=PICTURES, original=pdf_of(PICTURES))
    output = rendered(document(1), format, options)
    assert output.media_type == MEDIA_TYPES[format]
    assert output.file_name == f"scan{FORMATS[format].suffix}"
    assert output.content


@pytest.mark.parametrize("format", [name for name in MEDIA_TYPES if FORMATS[name].one_page])
def test_formats_of_single_pages_come_in_an_archive(format: str) -> None:
    output = rendered(document(), format, Options(pages=lambda number: PICTURES[number - 1]))
    assert (output.media_type, output.file_name) == (ZIP, f"scan.{format}.zip")
    suffix = FORMATS[format].suffix
    assert set(unpacked(output.content)) == {f"scan-0001{suffix}", f"scan-0002{suffix}"}


def test_there_is_a_limit_to_an_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MOST", 100)
    for format in ("json", "page"):
        with pytest.raises(RefusedError):
            rendered(document(), format, Options())


def test_a_template_of_the_server_is_no_format() -> None:
    with pytest.raises(UsageError, match="template"):
        rendered(document(), "template", Options())


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_what_was_kept_is_exported(folder: Path, format: str) -> None:
    output = export(Export(folder, format))
    assert output.file_name.startswith("scan.")
    if format == "pdf":
        assert len(list(read_pages(output.content))) == 2


def test_pictures_are_those_that_were_kept(folder: Path) -> None:
    overlays = unpacked(export(Export(folder, "overlay")).content)
    picture = load_image(overlays["scan-0002.overlay.png"])
    assert picture.size >= PICTURES[1].size
    assert ImageStat.Stat(picture.convert("L")).mean[0] > 200  # the one beside the folder is black


def test_an_export_is_corrected(folder: Path) -> None:
    rows = f"{line_name(2, 1)}\t150\tone fifty\t\n{line_name(1, 2)}\t200\t\tnot-text\n"
    output = export(Export(folder, "json", HEADER + rows))
    first, second = from_dict(json.loads(output.content))
    assert [line.text for line in first.lines] == ["100"]
    assert [line.text for line in second.lines] == ["one fifty", "50"]
    assert next(second.lines).confidence == 1.0
    unchanged = from_dict(json.loads((folder / DOCUMENT).read_text()))
    assert unchanged == document()


def test_a_correction_of_another_reading_is_left_out(folder: Path) -> None:
    output = export(Export(folder, "txt", f"{HEADER}{line_name(1, 1)}\t999\tx\t\n"))
    assert output.content.decode().split() == ["100", "200", "150", "50"]


def test_what_was_looked_through_is_a_set_to_learn_from(folder: Path, tmp_path: Path) -> None:
    rows = f"{line_name(2, 1)}\t150\tone fifty\t\n{line_name(1, 2)}\t200\t200\tok\n"
    output = export(Export(folder, TRAINING_SET, HEADER + rows))
    assert (output.media_type, output.file_name) == (ZIP, "scan.training-set.zip")
    path = tmp_path / output.file_name
    path.write_bytes(output.content)
    found = read_line_set(path)
    assert {line.text for line in found.lines} == {"one fifty", "200"}
    for line in found.lines:
        [bar] = find_bars(load_image(line.image))
        width = bar.box[2] - bar.box[0]
        assert width == pytest.approx(150 if line.text == "one fifty" else 200, abs=2)


@pytest.mark.parametrize("corrections", ["", HEADER, f"{HEADER}{line_name(1, 1)}\t100\t100\t\n"])
def test_a_set_of_nothing_is_refused(folder: Path, corrections: str) -> None:
    with pytest.raises(DataError):
        export(Export(folder, TRAINING_SET, corrections))


def test_a_picture_that_is_gone_is_no_reason_to_look_elsewhere(folder: Path) -> None:
    path = find_page(folder, 1)
    assert path is not None
    path.unlink()
    with pytest.raises(DataError, match="page 1"):
        export(Export(folder, "html"))


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("scan.pdf", "scan.pdf"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\a.png", "a.png"),
        ("../..", "upload"),
        ("", "upload"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ('a\n"b"; filename=c.txt', "a b ; filename=c.txt"),
        (".hidden", "hidden"),
        ("café.jpg", "café.jpg"),
        ("x" * 300 + ".png", "x" * 116 + ".png"),
    ],
)
def test_names_are_clean(given: str, clean: str) -> None:
    assert clean_name(given) == clean
