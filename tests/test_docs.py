"""Every example in the README and in docs/ that can run offline, run.

Blocks marked ``python`` and ``console`` run, those marked ``no-run`` do not; those marked ``serve``
have a server. In a console block, lines after a ``$ command`` are its output, where ``…`` stands
for anything.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import trocr

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
DOCUMENTED_URL = "http://127.0.0.1:8000"
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


def run_commands(text: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        done = subprocess.run(
            ["bash", "-c", command],
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if output:
            pattern = re.escape(output.rstrip("\n")).replace("…", ".*")
            printed = done.stdout.rstrip("\n")
            assert re.fullmatch(pattern, printed), f"{command}\n{printed}"


@pytest.mark.slow  # a process for each command
@pytest.mark.parametrize("page", pages_with("console"))
def test_console_examples(page: Path, desk: Path) -> None:
    run_commands("".join(blocks(page, "console")))


@pytest.fixture
def server_url(desk: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = "trocr serve --model printed --model fast --log-level warning --port"
    with subprocess.Popen([sys.executable, "-m", *command.split(), str(port)]) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + 120
            with trocr.Client(url, retries=0) as client:
                while not is_ready(client):
                    assert process.poll() is None
                    assert time.monotonic() < end
                    time.sleep(0.2)
            yield url
        finally:
            process.terminate()


def is_ready(client: trocr.Client) -> bool:
    try:
        return client.ready()
    except trocr.ServerError:
        return False


@pytest.mark.slow  # it loads two models
@pytest.mark.parametrize("page", pages_with("console serve"))
def test_examples_with_a_server(page: Path, desk: Path, server_url: str) -> None:
    commands, code = ("".join(blocks(page, f"{kind} serve")) for kind in ("console", "python"))
    run_commands(commands.replace(DOCUMENTED_URL, server_url))
    exec(compile(code.replace(DOCUMENTED_URL, server_url), page.name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_every_module_is_in_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    names = {path.stem for path in (ROOT / "src" / "trocr").iterdir() if path.suffix == ".py"}
    assert not {name for name in names if not name.startswith("_") and f"`{name}`" not in page}
