"""The gate of 8-bit weights: what it keeps, what it refuses, and what it writes."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from line_models import save_tiny_model, text_picture, tiny_line_model

from trocr.cli import main
from trocr.engine import stored
from trocr.engine.int8 import Int8Linear
from trocr.engine.prepare import prepare
from trocr.engine.stored import INFERENCE, INT8_GROUPS, store_int8, stored_int8
from trocr.errors import CheckpointError, DataError, RefusedError
from trocr.labelled_lines import LabelledLine, write_labelled_lines
from trocr.optimize import quantize
from trocr.optimize.quantize import Variant, choose_int8
from trocr.recognizer import load

LABELS = ["0123456789", "ABCDEFGHIJ", "2024/11/22", "12.50-1234"]
LINES = [LabelledLine.of(str(i), text_picture(text), text) for i, text in enumerate(LABELS)]


@pytest.fixture(autouse=True)
def vnni(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines without it expand the weights, and read the same."""
    monkeypatch.setattr(quantize, "multiplies_int8", lambda: True)
    monkeypatch.setattr(stored, "multiplies_int8", lambda: True)


def test_a_cpu_that_is_slower_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_int8(tmp_path, ("decoder",), {})
    monkeypatch.setattr(quantize, "multiplies_int8", lambda: False)
    monkeypatch.setattr(stored, "multiplies_int8", lambda: False)
    assert stored_int8(tmp_path) == ()
    with pytest.raises(RefusedError, match="VNNI"):
        choose_int8(tmp_path, LINES, max_cer_increase=0.1)


@pytest.mark.parametrize("groups", [(), ("decoder",), INT8_GROUPS])
def test_stored_groups_come_back(groups: tuple[str, ...], tmp_path: Path) -> None:
    assert stored_int8(tmp_path) == ()
    store_int8(tmp_path, groups, {"before": {"cer": 1.5}})
    assert stored_int8(tmp_path) == groups
    assert json.loads((tmp_path / INFERENCE).read_text())["measured"] == {"before": {"cer": 1.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ('{"int8": "decoder"}', "damaged"),
        ('{"int8": ["decoder", "heart"]}', "'heart'"),
        ('{"int8": [["decoder"]]}', "decoder"),
    ],
)
def test_damaged_files_are_reported(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / INFERENCE).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        stored_int8(tmp_path)


@pytest.mark.parametrize("group", INT8_GROUPS)
def test_a_group_is_what_its_name_says(group: str) -> None:
    model = tiny_line_model()
    prepare(model, (group,))
    names = [name for name, module in model.named_modules() if isinstance(module, Int8Linear)]
    prefix = {"decoder": "decoder.model.", "output_projection": "decoder.output_projection"}
    assert names
    assert all(name.startswith(prefix.get(group, "encoder.")) for name in names)


class ScriptedReader:
    """Reads the labels, with as many mistakes as its groups bring."""

    def __init__(self, groups: Sequence[str], mistakes: Mapping[str, int]) -> None:
        self.groups = groups
        self.wrong = sum(mistakes.get(group, 0) for group in groups)

    def read_lines(self, pictures: Sequence[Any], **_: Any) -> list[Any]:
        texts = ["#" * self.wrong + LABELS[0][self.wrong :], *LABELS[1:]]
        return [SimpleNamespace(text=text) for text, _ in zip(texts, pictures, strict=True)]


def chosen(
    monkeypatch: pytest.MonkeyPatch,
    speeds: Mapping[str, float],
    mistakes: Mapping[str, int],
    limit: float = 0.1,
) -> tuple[Any, list[Variant]]:
    """The outcome where each group multiplies the speed and adds mistakes; 40 characters."""

    def speed(reader: ScriptedReader, *_: Any) -> tuple[dict[str, float], float]:
        factor = 1.0
        for group in reader.groups:
            factor *= speeds[group]
        return {"1": 10 * factor, "32": 20 * factor}, factor

    monkeypatch.setattr(quantize, "_reader", lambda _, groups: ScriptedReader(groups, mistakes))
    monkeypatch.setattr(quantize, "_speeds", speed)
    seen: list[Variant] = []
    try:
        outcome: Any = choose_int8(
            Path("model"), LINES, max_cer_increase=limit, on_variant=seen.append
        )
    except RefusedError as error:
        outcome = error
    return outcome, seen


FASTER = {"decoder": 1.5, "output_projection": 1.2, "encoder": 1.1}


def test_all_that_is_faster_and_as_good_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    choice, seen = chosen(monkeypatch, FASTER, {})
    assert choice.kept.int8 == ("decoder", "output_projection", "encoder")
    assert choice.kept.speed == pytest.approx(1.98)
    assert list(choice.variants) == seen
    assert [len(variant.int8) for variant in seen] == [0, 1, 2, 3]
    assert choice.to_dict()["before"]["lines_per_second"] == {"1": 10.0, "32": 20.0}


def test_a_group_that_harms_or_does_not_help_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    choice, seen = chosen(monkeypatch, FASTER, {"output_projection": 1})
    assert choice.kept.int8 == ("decoder", "encoder")
    assert seen[2].cer == pytest.approx(2.5)
    assert seen[2].identical == 75.0
    choice, _ = chosen(monkeypatch, {**FASTER, "decoder": 0.9, "encoder": 1.04}, {})
    assert choice.kept.int8 == ("output_projection",)


def test_the_limit_is_in_percentage_points(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, FASTER, {"decoder": 1}, 2.5)[0].kept.int8[0] == "decoder"
    assert "decoder" not in chosen(monkeypatch, FASTER, {"decoder": 1}, 2.4)[0].kept.int8


def test_refusals_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    slow, _ = chosen(monkeypatch, dict.fromkeys(FASTER, 1.01), {})
    assert isinstance(slow, RefusedError)
    assert "no faster here: 1.01 times" in slow.message
    wrong, _ = chosen(monkeypatch, FASTER, dict.fromkeys(FASTER, 1))
    assert "raise the CER by 2.50 points" in wrong.message
    assert "decoder: 1.50 times" in wrong.message


def test_a_set_without_a_picture() -> None:
    with pytest.raises(DataError):
        choose_int8(Path("model"), [LabelledLine("a", b"?", "a")], max_cer_increase=0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny_model(tmp_path / "model", seed=3)
    return tmp_path / "model"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_labelled_lines([*LINES, LabelledLine("bad.png", b"?", "x")], tmp_path / "data")
    return tmp_path / "data"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["optimize", "quantize", *map(str, arguments)])
    return int(exit_info.value.code or 0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """8 bits are twice as fast, whatever this machine says; models are real."""

    def speeds(reader: Any, *_: Any) -> tuple[dict[str, float], float]:
        eight = sum(isinstance(module, Int8Linear) for module in reader.model.modules())
        return {"1": 10.0, "32": 20.0}, 1.0 + eight

    monkeypatch.setattr(quantize, "_speeds", speeds)


def test_the_command_notes_what_load_uses(
    folder: Path, data: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    assert run(folder, "--data", data, "--max-cer-increase", 100) == 3
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 6
    assert out.splitlines()[-1].startswith("kept: decoder, output_projection, encoder")
    assert err.count("bad.png") == 1
    assert stored_int8(folder) == ("decoder", "output_projection", "encoder")
    measured = json.loads((folder / INFERENCE).read_text())["measured"]
    assert measured["lines"] == 5
    assert measured["after"]["speed"] > 1
    assert (folder / "model.safetensors").read_bytes() == weights


def test_load_uses_what_is_noted(folder: Path) -> None:
    store_int8(folder, ("decoder",), {})

    def eight(dtype: str) -> set[str]:
        model = load(folder, "cpu", dtype).model
        names = {name for name, module in model.named_modules() if isinstance(module, Int8Linear)}
        return {name.split(".")[0] for name in names}

    assert eight("auto") == {"decoder"}
    assert eight("float32") == set()


def test_the_command_can_leave_the_model_as_it_is(folder: Path, data: Path, quick: None) -> None:
    copy = folder.with_name("copy")
    arguments = ("--data", data, "--max-cer-increase", 100, "--limit", 4, "-o", copy)
    assert run(folder, *arguments) == 0
    assert not (folder / INFERENCE).exists()
    assert stored_int8(copy)
    assert {path.name for path in copy.iterdir()} == {
        INFERENCE,
        *(path.name for path in folder.iterdir()),
    }
    assert run(folder, *arguments) == 2, "the folder is there already"


def test_the_command_refuses(
    folder: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quantize, "_speeds", lambda *_: ({"1": 1.0, "32": 1.0}, 1.0))
    assert run(folder, "--data", data, "-o", folder.with_name("copy")) == 7
    assert "no faster here" in capsys.readouterr().err
    assert not (folder / INFERENCE).exists()
    assert not folder.with_name("copy").exists()


@pytest.mark.parametrize(("model", "code"), [("printed", 2), ("no/such/folder", 4)])
def test_models_that_cannot_be_changed(model: str, code: int, data: Path) -> None:
    assert run(model, "--data", data) == code


class SleepingReader:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def read_lines(self, pictures: Sequence[Any], batch_size: int) -> None:
        assert len(pictures) <= batch_size
        time.sleep(self.seconds)


def test_speed_is_measured_against_the_model_as_it_is() -> None:
    fast: Any = SleepingReader(0.002)
    slow: Any = SleepingReader(0.006)
    pictures = [line.image for line in LINES]
    speeds, speed = quantize._speeds(fast, slow, pictures)
    assert 1.5 < speed < 4.5
    assert 50 < speeds["1"] <= 1 / 0.002
    assert 2 * speeds["1"] < speeds["32"] <= 4 / 0.002
    assert quantize._speeds(slow, fast, pictures)[1] == pytest.approx(1 / speed, rel=0.5)
