"""The plug-in for OCRmyPDF: its PDF has our text, where we read it, with or without Tesseract."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import BAR, LEFT, PITCH, BarReader, bar_page, find_bars
from PIL import Image

from trocr.document import Line
from trocr.pipeline import draft

ocrmypdf = pytest.importorskip("ocrmypdf")
pikepdf = pytest.importorskip("pikepdf")
pypdfium2 = pytest.importorskip("pypdfium2")
from ocrmypdf._plugin_manager import get_plugin_manager  # noqa: E402

import trocr.ocrmypdf as plugin  # noqa: E402

DPI = 300  # at which OCRmyPDF draws scans of less as well


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plugin, "_reader", lambda model, device: BarReader())
    monkeypatch.setattr(draft, "find_lines", find_bars)
    monkeypatch.setattr(draft, "quarter_turn", lambda image: 90 * (image.height > image.width))
    monkeypatch.chdir(tmp_path)


def make_pdf(*pages: Image.Image) -> None:
    first, *others = pages
    options = {"save_all": True, "append_images": others, "resolution": DPI, "quality": 95}
    first.save("in.pdf", "PDF", **options)


def run(**options: Any) -> Any:
    settings = {"use_threads": True, "jobs": 1, "optimize": 0, "progress_bar": False}
    manager = get_plugin_manager(["trocr.ocrmypdf"])  # a new one: that of earlier tests is kept
    settings |= {"plugin_manager": manager, "sidecar": "out.txt", **options}
    return ocrmypdf.ocr("in.pdf", "out.pdf", **settings)


def texts() -> list[str]:
    return [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument("out.pdf")]


@pytest.mark.parametrize("renderer", ["auto", "sandwich", "fpdf2"])
@pytest.mark.parametrize("tesseract", [True, False])
def test_the_text_is_ours(
    tesseract: bool, renderer: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not tesseract:
        monkeypatch.setenv("PATH", str(tmp_path))
    elif not plugin._has_tesseract():
        pytest.skip("no Tesseract")
    make_pdf(bar_page(100, 200), bar_page(150))
    assert run(pdf_renderer=renderer) == 0
    assert [text.split() for text in texts()] == [["100", "200"], ["150"]]
    assert Path("out.txt").read_text().split() == ["100", "200", "150"]
    with pikepdf.open("out.pdf") as pdf:
        assert pdf.open_metadata().pdfa_status == "2B"
        assert "trocr" in str(pdf.docinfo["/Creator"])


def test_words_lie_where_they_were_read() -> None:
    make_pdf(bar_page(100, 200))
    run()
    page = pypdfium2.PdfDocument("out.pdf")[0]
    boxes = [page.get_textpage().get_charbox(index, loose=True) for index in range(3)]
    height = page.get_height()
    points = (boxes[0][0], height - boxes[0][3], boxes[2][2], height - boxes[2][1])
    expected = (LEFT, PITCH, LEFT + 100, PITCH + BAR + 4)
    assert [point * DPI / 72 for point in points] == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_pages_are_turned_upright(turn: int) -> None:
    make_pdf(bar_page(100, 200).rotate(turn, expand=True))
    run(rotate_pages=True)
    with pikepdf.open("out.pdf") as pdf:
        assert int(pdf.pages[0].get("/Rotate", 0)) == turn
    assert texts()[0].split() == ["100", "200"]


def test_pages_are_levelled(monkeypatch: pytest.MonkeyPatch) -> None:
    falling = Line("", ((0, 0), (200, 7), (200, 27), (0, 20)), ((0, 18), (200, 25)))
    monkeypatch.setattr("trocr.layout.find_lines", lambda image: (falling,))
    bar_page(100).save("in.png")
    assert plugin.Engine.get_deskew(Path("in.png"), None) == pytest.approx(2, abs=0.01)


def test_a_model_that_is_not_there_is_said_before_anything_is_drawn() -> None:
    make_pdf(bar_page(100))
    with pytest.raises(ocrmypdf.exceptions.BadArgsError, match="no model folder"):
        run(trocr_model="./nowhere")
    assert not Path("out.pdf").exists()


def test_a_page_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(image: Image.Image, detector: str) -> Any:
        raise ValueError("odd page")

    make_pdf(bar_page(100))
    monkeypatch.setattr(draft, "find_lines", stumbles)
    with pytest.raises(ocrmypdf.exceptions.ExitCodeException, match="odd page"):
        run()


def test_without_ocrmypdf_it_says_what_to_install() -> None:
    script = "import sys; sys.modules['ocrmypdf'] = None; import trocr.ocrmypdf"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "trocr[ocrmypdf]" in done.stderr.splitlines()[-1]
