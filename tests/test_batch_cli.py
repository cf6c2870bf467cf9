"""``trocr batch`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_runs import pages_in, records
from pages import BarReader, find_bars

from trocr.cli import main
from trocr.pipeline import draft


@pytest.fixture
def batch(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setattr("trocr.recognizer.load", lambda *arguments, **options: BarReader())
    monkeypatch.setattr(draft, "find_lines", find_bars)
    monkeypatch.setattr(draft, "quarter_turn", lambda image: 0)

    def batch(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(["batch", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(exit_info.value.code or 0), captured.out, captured.err

    return batch


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return pages_in(tmp_path / "scans", 3)


def test_a_run_and_its_status(batch: Any, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _, err = batch(scans, "-o", out, "--workers", 0)
    assert (code, len(records(out))) == (0, 3)
    assert "3 files: 3 read, 0 left" in err
    assert batch("status", out)[1].startswith("3 files: 3 read, 0 left\n")
    code, text, _ = batch("status", out, "--format", "json")
    status = json.loads(text)
    assert (status["done"], status["last"], status["settings"]["model"]) == (
        3,
        "complete",
        "printed",
    )
    assert json.loads((out / "report.json").read_text())["done"] == 3


def test_a_list_of_files(batch: Any, scans: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"# some\n{scans / 'page 0.png'}\n\n{scans / 'page 2.png'}\n")
    code, _, _ = batch("--list", listed, "-o", tmp_path / "out", "--workers", 0)
    assert (code, len(records(tmp_path / "out"))) == (0, 2)


def test_documents(batch: Any, scans: Path, tmp_path: Path) -> None:
    batch(scans, "-o", tmp_path / "out", "--workers", 0, "--format", "txt,alto")
    folder = tmp_path / "out" / "documents"
    assert (folder / "page 0.png.txt").read_text() == "20\n"
    assert len(list(folder.iterdir())) == 6


def test_exit_codes(batch: Any, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert batch(scans)[0] == 2
    assert batch(scans, "-o", out, "--format", "jsonl,parquet")[0] == 2
    assert batch(scans, "-o", out, "--format", "docx")[0] == 2
    assert batch("status", out)[0] == 2
    (scans / "bad.png").write_bytes(b"")
    code, _, err = batch(scans, "-o", out, "--workers", 0)
    assert code == 3
    assert "1 in quarantine" in err
    assert str(scans / "bad.png") in (out / "quarantine.tsv").read_text()
    code, _, err = batch(scans, "-o", out, "--workers", 0, "--lines")
    assert code == 2
    assert "was begun with lines False, not True" in err
    (tmp_path / "file").write_text("")
    assert batch(scans, "-o", tmp_path / "file", "--workers", 0)[0] == 6
