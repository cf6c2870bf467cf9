"""From a picture to files, through the web page and workers that really read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from pypdf import PdfReader
from steps import choose, row

from trocr.line_sets import read_line_set

expect = pytest.importorskip("playwright.sync_api", reason="needs trocr[browser]").expect
pytestmark = pytest.mark.browser

RECEIPT = Path(__file__).parents[2] / "examples" / "receipt.jpg"
COMMAND = [sys.executable, "-m", "trocr", "serve", "--model", "fast", "--detector", "plain"]


@pytest.fixture
def url() -> Iterator[str]:
    """Of a server with a worker of its own."""
    command = [*COMMAND, "--port", "0", "--log-level", "error"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        ready = next((row for row in process.stderr if "ready at" in row), "")
        yield ready.split()[3] if ready else pytest.fail("The server did not start.")
        process.terminate()


def downloaded(page, button, folder):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button, exact=True).click()
    file = folder / waiting.value.suggested_filename
    waiting.value.save_as(file)
    return file


def exported(page, format, folder):
    page.get_by_label("Format").select_option(format)
    return downloaded(page, "Download", folder)


def test_a_receipt_is_read_corrected_exported_and_learnt_from(tab, url, tmp_path):
    page = tab(url)
    choose(page, RECEIPT)
    expect(page.locator("#frame polygon").nth(20)).to_be_attached(timeout=60_000)
    expect(page.locator(".status")).to_have_text(re.compile(r"\d+ lines, \d+ to check"))
    expect(page.locator("#frame image")).to_have_attribute("href", re.compile("^blob:"))
    line = row(page, 1)
    text = " ".join([*line.input_value().split()[:-1], "corrected"])
    line.fill(text)
    line.press("Enter")
    expect(page.locator("#saving")).to_have_text("Saved")

    alto = etree.parse(exported(page, "alto", tmp_path))
    assert "corrected" in alto.xpath("//*[local-name()='String']/@CONTENT")
    pdf = exported(page, "pdf", tmp_path)
    assert pdf.name == "receipt.pdf"
    assert "corrected" in PdfReader(pdf).pages[0].extract_text()

    page.get_by_role("button", name="Train on my corrections").click()
    archive = downloaded(page, "Download the training set", tmp_path)
    (learnt,) = read_line_set(archive).lines
    assert learnt.text == text
    first, second = page.locator("#command").text_content().splitlines()
    assert first == f"trocr finetune fast {archive.name} -o receipt-model"
    assert second == "trocr read next-page.jpg --model receipt-model/model"
