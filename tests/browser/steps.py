"""What a user does and sees."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PICTURE = {"name": "scan.png", "mimeType": "image/png", "buffer": b"whatever"}


def choose(page: Any, *files: Path | dict[str, Any]) -> None:
    """Give files to be read."""
    page.get_by_label("Choose files").set_input_files(list(files) or [PICTURE])


def row(page: Any, number: int, on: int = 1) -> Any:
    """The text of a line, by its place on a page."""
    return page.get_by_label(f"Page {on}, line {number},")


def shown(page: Any) -> list[str]:
    """The texts of the list, as it has them."""
    return [field.input_value() for field in page.locator("#lines textarea").all()]


def corrections(url: str, job: str) -> list[tuple[int, str, str]]:
    """What the server has: number, text and mark of each line."""
    with urllib.request.urlopen(f"{url}/v1/jobs/{job}/corrections", timeout=10) as answer:
        kept = json.load(answer)["lines"]
    return [(each["line"], each["text"], each["mark"]) for each in kept]


def job_id(page: Any) -> str:
    (id,) = json.loads(page.evaluate("sessionStorage.getItem('trocr-jobs')"))
    return str(id)
