"""``trocr batch`` on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from batch_runs import pages_in, records, tar_of
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


def test_a_template_is_part_of_the_settings(batch: Any, scans: Path, tmp_path: Path) -> None:
    template, out = tmp_path / "sum.csv.j2", tmp_path / "out"
    template.write_text("text,{{ document.text }}\n")
    arguments = (scans, "-o", out, "--workers", 0, "--template", template)
    assert batch(*arguments)[0] == 0
    folder = out / "documents"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        f"page {n}.png.csv": f"text,{10 * (n + 2)}\n" for n in range(3)
    }
    template.write_text("{{ document.text }}\n")
    code, _, err = batch(*arguments)
    assert code == 2
    assert "was begun with template" in err
    template.write_text("{{ nothing }}")
    assert batch(*arguments[:2], tmp_path / "new", *arguments[3:])[0] == 2
    assert not (tmp_path / "new").exists()


def test_rules_reach_the_recognizer(
    batch: Any, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = []

    def read_lines(self: BarReader, images: Any, **options: Any) -> Any:
        rules.append({name: options[name] for name in ("allow", "regex", "lexicon")})
        return [self._read(image) for image in images]

    monkeypatch.setattr(BarReader, "read_lines", read_lines)
    lexicon = tmp_path / "words.txt"
    lexicon.write_text("20\n30\n")
    for at, given in enumerate((["--allow", "0-9"], ["--regex", "[0-9]+"], ["--lexicon", lexicon])):
        assert batch(scans, "-o", tmp_path / f"out{at}", "--workers", 0, *given)[0] == 0
        assert (tmp_path / f"out{at}" / "report.json").exists()
    none = dict.fromkeys(("allow", "regex", "lexicon"))
    assert [rule for at, rule in enumerate(rules) if rule not in rules[:at]] == [
        none | {"allow": "0-9"},
        none | {"regex": "[0-9]+"},
        none | {"lexicon": ["20", "30"]},
    ]
    code, _, err = batch(scans, "-o", tmp_path / "out0", "--workers", 0, "--allow", "0-8")
    assert code == 2
    assert "was begun with allow 0-9, not 0-8" in err


def test_boxes_of_what_is_in_a_tar(batch: Any, scans: Path, tmp_path: Path) -> None:
    shard = tar_of(scans, tmp_path / "a.tar")
    boxes = tmp_path / "boxes"
    boxes.mkdir()
    for number in (0, 2):
        (boxes / f"page {number}.txt").write_text("0 0 400 100\n")
    code, _, _ = batch(shard, "-o", tmp_path / "out", "--workers", 0, "--boxes", boxes)
    assert code == 3
    assert {Path(name).name for name in records(tmp_path / "out")} == {"page 0.png", "page 2.png"}
    assert "has no boxes in" in (tmp_path / "out" / "quarantine.tsv").read_text()
    missing = tmp_path / "missing"
    assert batch(shard, "-o", tmp_path / "x", "--workers", 0, "--boxes", missing)[0] == 5


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
