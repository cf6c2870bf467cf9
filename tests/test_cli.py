"""The command line: what goes to which stream, and what the exit code says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from line_models import save_tiny_model
from PIL import Image

import trocr
from trocr.bundled import BundledModel
from trocr.cli import console, doctor, main, models

LINES = Path(__file__).parent / "data" / "receipt-lines"
PICTURES = sorted(str(path) for path in (LINES / "images").iterdir())


@dataclass
class Run:
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", seed=3)


@pytest.fixture(scope="module")
def expected(folder: Path) -> list[trocr.LineResult]:
    return trocr.load(folder).read_lines(PICTURES)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> Run:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Run(int(exit_info.value.code or 0), captured.out, captured.err)

    return run


def test_the_fixture_reads_something(expected: list[trocr.LineResult]) -> None:
    assert any(result.text for result in expected)


def test_one_file_gives_its_text(run: Any, folder: Path, expected: list[trocr.LineResult]) -> None:
    for options in ([], ["--lines"]):
        done = run("read", PICTURES[0], "--model", folder, *options)
        assert (done.code, done.out, done.err) == (0, expected[0].text + "\n", "")


def test_several_files_come_in_their_order(
    run: Any, folder: Path, expected: list[trocr.LineResult]
) -> None:
    order = [5, 0, 11, 3]
    done = run(
        "read", "--lines", *(PICTURES[i] for i in order), "--model", folder, "--batch-size", 2
    )
    assert done.code == 0
    assert done.out.splitlines() == [f"{PICTURES[i]}\t{expected[i].text}" for i in order]


def test_json_is_one_object_a_line(
    run: Any, folder: Path, expected: list[trocr.LineResult]
) -> None:
    done = run("read", "--lines", *PICTURES, "--model", folder, "--format", "json")
    assert done.code == 0
    for line, path, result in zip(done.out.splitlines(), PICTURES, expected, strict=True):
        entry = json.loads(line)
        assert set(entry) == {"path", "text", "confidence", "finish_reason"}
        assert (entry["path"], entry["text"]) == (path, result.text)
        assert entry["confidence"] == pytest.approx(result.confidence, abs=1e-3)
        assert entry["finish_reason"] == result.finish_reason


def test_bad_files_are_reported_and_the_rest_is_read(
    run: Any, folder: Path, expected: list[trocr.LineResult], tmp_path: Path
) -> None:
    bad = {name: tmp_path / name for name in ("empty.png", "text.png", "cut.webp", "none.png")}
    bad["empty.png"].write_bytes(b"")
    bad["text.png"].write_text("I am no picture\n")
    bad["cut.webp"].write_bytes(Path(PICTURES[0]).read_bytes()[:300])
    files = [bad["empty.png"], PICTURES[0], bad["text.png"], bad["cut.webp"], PICTURES[1]]
    done = run("read", "--lines", *files, bad["none.png"], tmp_path, "--model", folder)
    assert done.code == 3
    assert [line.split("\t")[0] for line in done.out.splitlines()] == PICTURES[:2]
    assert [line.split("\t")[1] for line in done.out.splitlines()] == [
        result.text for result in expected[:2]
    ]
    reports = done.err.splitlines()
    for report, path in zip(reports, [*bad.values(), tmp_path], strict=True):
        assert report.startswith(f"trocr: {path} ")
    assert "0 bytes" in reports[0]
    assert "is text" in reports[1]
    assert "damaged" in reports[2]
    assert "does not exist" in reports[3]
    assert "is a folder" in reports[4]
    assert "*.png" in reports[4]


def test_a_picture_from_standard_input(
    run: Any, folder: Path, expected: list[trocr.LineResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stdin(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    stdin(Path(PICTURES[2]).read_bytes())
    done = run("read", "--lines", "-", "--model", folder, "--format", "json")
    assert done.code == 0
    entry = json.loads(done.out)
    assert (entry["path"], entry["text"]) == ("-", expected[2].text)
    stdin(b"no picture")
    done = run("read", "--lines", "-", "--model", folder)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("trocr: stdin: ")
    assert run("read", "--lines", "-", "-", "--model", folder).code == 2


def test_a_terminal_shows_progress_and_standard_output_stays_clean(
    run: Any, folder: Path, expected: list[trocr.LineResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    done = run("read", "--lines", *PICTURES, "missing.png", "--model", folder)
    assert done.code == 3
    assert [line.split("\t")[1] for line in done.out.splitlines()] == [r.text for r in expected]
    assert "reading" in terminal.getvalue()
    assert "trocr: missing.png does not exist" in terminal.getvalue()


def test_constraints_reach_the_decoder(run: Any, folder: Path, tmp_path: Path) -> None:
    texts = [
        line.split("\t")[1]
        for line in run(
            "read", "--lines", *PICTURES, "--model", folder, "--allow", "0-9"
        ).out.splitlines()
    ]
    assert any(texts)
    assert all(set(text) <= set("0123456789") for text in texts)
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("AB\n\nCD 1\n")
    done = run("read", "--lines", *PICTURES, "--model", folder, "--lexicon", lexicon)
    assert {line.split("\t")[1] for line in done.out.splitlines()} <= {"AB", "CD 1", ""}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--allow", "0-9", "--regex", "A+"], ["--allow and --regex", "Use one"]),
        (["--regex", "A("], ["A("]),
        (["--lexicon", "missing.txt"], ["missing.txt", "one entry a line"]),
        (["--device", "abacus"], ["abacus", "cpu"]),
        (["--num-beams", "0"], ["--num-beams"]),
        (["--format", "xml"], ["xml"]),
    ],
)
def test_wrong_usage(run: Any, folder: Path, arguments: list[str], words: list[str]) -> None:
    done = run("read", "--lines", PICTURES[0], "--model", folder, *arguments)
    assert (done.code, done.out) == (2, "")
    assert all(word in done.err for word in words)


def test_a_missing_and_a_damaged_model(run: Any, folder: Path, tmp_path: Path) -> None:
    done = run("read", "--lines", PICTURES[0], "--model", tmp_path / "none")
    assert (done.code, done.out) == (4, "")
    assert done.err.count("\n") == 1
    assert str(tmp_path / "none") in done.err
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    done = run("read", "--lines", PICTURES[0], "--model", tmp_path)
    assert (done.code, done.err.count("\n")) == (4, 1)


def test_evaluate_prints_one_json_object(run: Any, folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "lines.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(LINES, ".")
    entries = []
    for data in (LINES, archive):
        done = run(
            "evaluate", data, "--model", folder, "--protocol", "sroie", "--format", "json",
            "--ignore-case",
        )  # fmt: skip
        assert (done.code, done.err, done.out.count("\n")) == (0, "", 1)
        entries.append(json.loads(done.out))
    entry = entries[0]
    scores = ("cer", "wer", "exact_match", "precision", "recall", "f1")
    assert [entry[name] for name in scores] == [entries[1][name] for name in scores]
    assert all(0 <= entry[name] <= 100 for name in ("exact_match", "precision", "recall", "f1"))
    assert (entry["n"], entry["unreadable"], entry["protocol"]) == (12, 0, "sroie")
    assert entry["normalization"] == "lower case"
    assert 0 <= entry["ece"] <= 1
    assert entry["cer_kept"]["100"] == entry["cer"]
    assert entry["lines_per_second"] > 0
    assert "greedy" in entry["decoding"]


def test_evaluate_scores_a_reader_of_its_own_texts_full_marks(
    run: Any, folder: Path, expected: list[trocr.LineResult], tmp_path: Path
) -> None:
    (tmp_path / "images").symlink_to(LINES / "images")
    names = [f"images/{Path(path).name}" for path in PICTURES]
    rows = [f"{name}\t{result.text}\n" for name, result in zip(names, expected, strict=True)]
    (tmp_path / "labels.tsv").write_text("file\ttext\n" + "".join(rows))
    done = run("evaluate", tmp_path, "--model", folder, "--limit", 6)
    assert done.code == 0
    values = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    found = [values[name].split()[0] for name in ("n", "cer", "exact_match")]
    assert found == ["6", "0.00", "100.00"]
    assert values["protocol"] == "cer"


def test_evaluate_reports_bad_pictures_and_bad_sets(run: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.webp").write_bytes(Path(PICTURES[0]).read_bytes())
    labels = tmp_path / "labels.tsv"
    labels.write_text("file\ttext\na.png\tA\nb.webp\tB\n")
    done = run("evaluate", tmp_path, "--model", folder, "--format", "json")
    assert done.code == 3
    assert done.err.startswith("trocr: a.png: ")
    assert json.loads(done.out)["unreadable"] == 1
    labels.write_text("file\ttext\nmissing.png\tA\n")
    done = run("evaluate", tmp_path, "--model", folder)
    assert (done.code, done.out) == (5, "")
    assert "missing.png" in done.err
    assert run("evaluate", tmp_path / "none.tar", "--model", folder).code == 5


def test_models_and_doctor(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = [BundledModel("tiny", folder, "Reads nothing well.")]
    for module in (models, doctor):
        monkeypatch.setattr(module, "bundled_models", lambda: bundled)
    done = run("models")
    assert done.code == 0
    assert all(word in done.out for word in ("tiny", str(folder), " MB", "Reads nothing well."))
    done = run("doctor")
    assert done.code == 0
    assert "no self-test" in done.out
    assert all(
        name in done.out for name in ("torch", "pillow", "threads", "cpu", trocr.__version__)
    )


def test_doctor_compares_token_for_token(
    run: Any, folder: Path, expected: list[trocr.LineResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    index = next(i for i, result in enumerate(expected) if result.text)
    bundled = [BundledModel("tiny", folder, "")]
    monkeypatch.setattr(doctor, "bundled_models", lambda: bundled)
    Image.open(PICTURES[index]).save(folder / "selftest.png")
    stored = {"text": expected[index].text, "token_ids": list(expected[index].token_ids)}
    (folder / "selftest.json").write_text(json.dumps(stored))
    done = run("doctor")
    assert (done.code, "ok" in done.out) == (0, True)
    stored["token_ids"][-1] += 1
    (folder / "selftest.json").write_text(json.dumps(stored))
    done = run("doctor")
    assert (done.code, "FAILED" in done.out) == (1, True)


def test_train_checks_its_configuration(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    done = run("train", config)
    assert (done.code, str(config) in done.err) == (2, True)
    sets = "[[data.sets]]\nname = 'none'\npath = 'none.tar'\n"
    config.write_text(sets + "[model]\ncharacters = 'a'\n[optimization]\n")
    assert run("train", config).code == 2
    config.write_text(config.read_text() + "max_steps = 1\n")
    done = run("train", config, "--run", tmp_path / "run")
    assert (done.code, "none.tar" in done.err) == (5, True)


@pytest.mark.parametrize("verb", ["read", "evaluate", "models", "doctor", "train", "calibrate"])
def test_help_teaches_with_an_example(run: Any, verb: str) -> None:
    done = run(verb, "--help")
    assert done.code == 0
    assert f"  trocr {verb}" in done.out.split("Usage:")[1].split("\n", 1)[1]


def test_help_version_and_an_unknown_verb(run: Any) -> None:
    assert "Exit codes" in run("--help").out
    assert run("--version").out == f"trocr {trocr.__version__}\n"
    assert run("sing").code == 2


def test_file_names_that_are_not_unicode(folder: Path, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff.webp"
    try:
        Path(os.fsdecode(name)).write_bytes(Path(PICTURES[0]).read_bytes())
    except OSError:
        pytest.skip("this file system takes Unicode only")
    command = [
        sys.executable,
        "-m",
        "trocr",
        "read",
        "--lines",
        name,
        PICTURES[0],
        "--model",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout.startswith(name + b"\t")
    # In JSON a lone surrogate is an escape, and stays valid JSON.
    assert json.loads(console.json_line({"path": "\udcff é"})) == {"path": "\udcff é"}


def test_a_closed_pipe_is_quiet(folder: Path) -> None:
    command = [sys.executable, "-m", "trocr", "read", "--lines", *PICTURES, "--model", str(folder)]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stream:
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, check=False)
    assert done.stderr == b""


def test_an_interrupt_is_quiet(run: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trocr.recognizer.load", interrupted)
    done = run("read", "--lines", PICTURES[0], "--model", folder)
    assert (done.code, done.out, done.err) == (130, "", "")
