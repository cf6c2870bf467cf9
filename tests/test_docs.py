"""Every example in the README and in docs/ that can run offline, run.

Blocks marked ``python`` and ``console`` run, those marked ``no-run`` do not. In a console block,
lines after a ``$ command`` are its output, where ``…`` stands for anything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)")


def blocks(page: Path, mark: str) -> list[str]:
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [match[3] for match in found if match[2] == mark]


def pages_with(mark: str) -> list[Any]:
    return [pytest.param(page, id=page.name) for page in PAGES if blocks(page, mark)]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with the example picture and a labelled set called ``lines``."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "lines").symlink_to(ROOT / "tests" / "data" / "receipt-lines")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_examples(page: Path, desk: Path) -> None:
    exec(compile("\n".join(blocks(page, "python")), page.name, "exec"), {})


@pytest.mark.slow  # a process for each command
@pytest.mark.parametrize("page", pages_with("console"))
def test_console_examples(page: Path, desk: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for part in re.split(r"^\$ ", "".join(blocks(page, "console")), flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if output:
            assert re.fullmatch(re.escape(output).replace("…", ".*"), done.stdout), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_every_module_is_in_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = {path.stem for path in (ROOT / "src" / "trocr").iterdir() if path.suffix == ".py"}
    assert not {name for name in names if not name.startswith("_") and f"`{name}`" not in page}
