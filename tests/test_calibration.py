"""Confidence as a probability: the evidence, the fit, what is stored, and the command."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from line_models import (
    save_tiny_model,
    text_picture,
    tiny_line_model,
    tiny_processor,
    tiny_recognizer,
)
from PIL import Image

import trocr
from trocr.cli import main
from trocr.confidence import CALIBRATION, Calibration, evidence, stored_calibration
from trocr.errors import CheckpointError, DataError
from trocr.evaluation.calibration import ReadSet, fit_calibration, read_set
from trocr.evaluation.protocols import scoring_protocol
from trocr.hybrid import Hypothesis
from trocr.labelled_lines import LabelledLine, write_labelled_lines
from trocr.line_result import LineResult
from trocr.metrics import expected_calibration_error
from trocr.recognizer import Recognizer, load

NAMES = ("brevity", "decoder", "weakest_token", "ctc")
HALF = Calibration(0.0, {"weakest_token": 0.5, "ctc": 0.25}, 100, [])
TEXTS = ["1", "ABC", "12.50", "0123456789", "A-B", "J", "2024/11/22", "ABCDEFGHIJ 0123456789"]
PICTURES = [text_picture(text) for text in TEXTS]


def hypothesis(*logprobs: float, ctc: float | None = -0.5) -> Hypothesis:
    return Hypothesis([5] * (len(logprobs) - 1), list(logprobs), "eos", ctc)


def test_evidence_grows_with_every_probability() -> None:
    base = evidence(hypothesis(-0.1, -0.4, -0.2))
    assert tuple(base) == NAMES
    better = evidence(hypothesis(-0.1, -0.3, -0.2, ctc=-0.4))
    assert better["brevity"] == base["brevity"]
    assert all(better[name] > base[name] for name in NAMES[1:])
    certain = evidence(hypothesis(0.0, 1e-7, ctc=1e-7))
    assert all(np.isfinite(value) and value > better[name] for name, value in certain.items())
    impossible = evidence(hypothesis(-0.1, ctc=float("-inf")))
    assert np.isfinite(impossible["ctc"])
    assert "ctc" not in evidence(hypothesis(-0.1, ctc=None))


def test_of_two_even_texts_the_longer_differs_in_brevity_alone() -> None:
    short = evidence(hypothesis(-0.1, -0.1, ctc=-0.2))
    long = evidence(hypothesis(*[-0.1] * 8, ctc=-0.8))
    assert short.pop("brevity") == pytest.approx(long.pop("brevity") + np.log(4))
    assert short == pytest.approx(long)


def test_readings_of_a_line_exclude_each_other() -> None:
    readings = [dict.fromkeys(NAMES, value) for value in (1.0, 3.0, -2.0, 3.0)]
    found = HALF.probabilities(readings)
    assert found[0] == HALF.probability(readings[0])
    assert found == sorted(found, reverse=True)
    assert sum(found) <= 1
    assert HALF.probability(dict.fromkeys(NAMES, -1e5)) == pytest.approx(0.0)


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    assert stored_calibration(tmp_path) is None
    HALF.save(tmp_path)
    assert stored_calibration(tmp_path) == HALF


@pytest.mark.parametrize("text", ["", "[]", '{"bias": 1}', '{"bias": 1, "weights": 2, "n": 3}'])
def test_a_damaged_calibration_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / CALIBRATION).write_text(text)
    with pytest.raises(CheckpointError, match=r"calibration\.json is damaged.*trocr calibrate"):
        stored_calibration(tmp_path)


def read_lines_of(seed: int, lines: int, weights: tuple[float, ...], bias: float) -> ReadSet:
    """A set whose lines are right with exactly the probability that the weights say."""
    generator = np.random.default_rng(seed)
    found = generator.normal(1, 1, (lines, len(weights)))
    chance = 1 / (1 + np.exp(-(bias + found @ np.array(weights))))
    right = (generator.random(lines) < chance).astype(float)
    return ReadSet(f"set {seed}", "none", NAMES[1:], found, right, np.full(lines, 0.99))


def test_the_fit_finds_the_weights_and_the_error_goes() -> None:
    sets = [read_lines_of(seed, 4000, (0.0, 1.0, 0.5), -1.0) for seed in range(2)]
    calibration, gains = fit_calibration(sets)
    assert calibration.bias == pytest.approx(-1.0, abs=0.15)
    assert calibration.weights["weakest_token"] == pytest.approx(1.0, abs=0.1)
    assert calibration.weights["ctc"] == pytest.approx(0.5, abs=0.1)
    assert calibration.n == 8000
    assert [gain.data for gain in gains] == ["set 0", "set 1"]
    for gain, one in zip(gains, sets, strict=True):
        assert gain.exact_match == pytest.approx(100 * one.right.mean(), abs=0.01)
        assert gain.ece_before == pytest.approx(0.99 - one.right.mean(), abs=1e-3)
        assert gain.ece_after < 0.03
        assert 0.005 < gain.ece_by_chance < 0.02


def test_evidence_with_the_wrong_sign_is_dropped() -> None:
    calibration, _ = fit_calibration([read_lines_of(3, 4000, (-1.0, 1.0, 0.5), 0.0)])
    assert set(calibration.weights) == {"weakest_token", "ctc"}
    assert all(weight > 0 for weight in calibration.weights.values())


def test_after_is_measured_on_what_was_left_out() -> None:
    # The first half of the set is right, the second wrong, and the evidence says nothing.
    generator = np.random.default_rng(0)
    right = np.repeat([1.0, 0.0], 200)
    noise = generator.normal(0, 1e-3, (400, 1))
    _, [gain] = fit_calibration([ReadSet("a", "none", ("ctc",), noise, right, np.full(400, 0.5))])
    assert gain.ece_before == 0.0
    assert gain.ece_after > 0.02


def test_a_fit_needs_right_and_wrong_lines() -> None:
    one = read_lines_of(0, 100, (0.0, 0.0, 0.0), 20.0)
    with pytest.raises(DataError, match=r"100 of 100 lines.*20 right and 20 wrong"):
        fit_calibration([one])


class HalfReader:
    """Reads the width of a picture; bare where it is below 10."""

    def read_lines(self, images: list[Image.Image], **options: Any) -> list[LineResult]:
        found = {"decoder": 1.0, "weakest_token": 2.0}
        return [
            LineResult(f"W {image.width}", 0.5, "eos", evidence=found if image.width > 9 else {})
            for image in images
        ]


def png(width: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, 8), 255).save(stream, "PNG")
    return stream.getvalue()


def test_bare_and_unreadable_lines_are_left_out() -> None:
    lines = [
        LabelledLine("a", png(12), "w 12"),
        LabelledLine("b", b"text", "W 13"),
        LabelledLine("c", png(8), ""),
        LabelledLine("d", png(14), "W 15"),
    ]
    errors: list[bool] = []
    reader: Any = HalfReader()
    for ignore_case, first in ((False, 0.0), (True, 1.0)):
        found = read_set(
            reader,
            Path("data"),
            lines,
            scoring_protocol("cer", ignore_case=ignore_case),
            on_reading=lambda reading: errors.append(reading.error is not None),
        )
        assert found.right.tolist() == [first, 0.0]
        assert found.evidence.tolist() == [[1.0, 2.0]] * 2
        assert found.confidence.tolist() == [0.5, 0.5]
    assert errors == [False, True, False, False] * 2
    with pytest.raises(DataError, match="no line with ink"):
        read_set(reader, Path("data"), lines[1:3], scoring_protocol("cer"))


def test_a_calibrated_model_reads_the_same_with_other_confidence() -> None:
    plain, calibrated = tiny_recognizer(3), tiny_recognizer(3)
    calibrated.calibration = HALF
    pictures = [*PICTURES, Image.new("L", (90, 32), 240)]
    before = plain.read_lines(pictures, n_best=3)
    after = calibrated.read_lines(pictures, n_best=3)
    assert [line.text for line in after] == [line.text for line in before]
    assert [line.tokens for line in after] == [line.tokens for line in before]
    for line in after[:-1]:
        assert line.confidence == pytest.approx(HALF.probability(line.evidence))
        shares = [candidate.confidence for candidate in line.n_best]
        assert shares[0] == line.confidence
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1
    assert (after[-1].finish_reason, after[-1].confidence, after[-1].evidence) == ("blank", 1.0, {})


def test_a_calibration_of_another_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Recognizer, "has_ctc_head", False)
    with pytest.raises(CheckpointError, match="no CTC head"):
        Recognizer(tiny_line_model(), tiny_processor(), "tiny", HALF)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny_model(tmp_path / "model", seed=3)
    return tmp_path / "model"


@pytest.fixture
def data(tmp_path: Path, folder: Path) -> Path:
    """48 lines, every second one labelled as the model reads it."""
    texts = [result.text for result in load(folder, "cpu").read_lines(PICTURES)]
    lines = []
    for i in range(48):
        stream = io.BytesIO()
        PICTURES[i // 2 % 8].save(stream, "PNG")
        label = texts[i // 2 % 8] if i % 2 else "no such text"
        lines.append(LabelledLine(f"{i:02}.png", stream.getvalue(), label))
    write_labelled_lines(lines, tmp_path / "data")
    return tmp_path / "data"


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    return int(exit_info.value.code or 0)


def test_calibrate_stores_what_load_applies(
    folder: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [result.confidence for result in load(folder, "cpu").read_lines(PICTURES)]
    caseless = data.with_name("caseless")
    caseless.symlink_to(data)
    arguments = ("calibrate", folder, data, caseless, "--caseless", caseless)
    assert run(*arguments) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 3
    assert table[1].split()[:2] == ["48", "50.00"]
    stored = json.loads((folder / CALIBRATION).read_text())
    assert stored["n"] == 96
    assert [entry["normalization"] for entry in stored["fitted_on"]] == ["none", "lower case"]
    # Each picture is right every second time, so there is nothing to tell the lines apart.
    after = [result.confidence for result in load(folder, "cpu").read_lines(PICTURES)]
    assert after == pytest.approx([0.5] * 8, abs=0.02)
    right = [True, False] * 4
    assert expected_calibration_error(after, right) < expected_calibration_error(before, right)
    again = stored["weights"], stored["fitted_on"]
    assert run(*arguments) == 0
    stored = json.loads((folder / CALIBRATION).read_text())
    assert (stored["weights"], stored["fitted_on"]) == again, "a stored calibration does not count"


def test_calibrate_refuses(
    folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundled = Path(trocr.__file__).parent / "models" / "printed"
    (data / "00.png").write_bytes(b"")
    for arguments, code, words in (
        (["printed", data], 2, "Copy its folder"),
        ([bundled, data], 2, "Copy its folder"),
        ([folder], 2, "DATA"),
        ([folder, data, "--caseless", "other"], 2, "other"),
        ([tmp_path / "none", data], 4, "no model folder"),
        ([folder, tmp_path / "none"], 5, "none"),
        ([folder, data], 3, "00.png"),
    ):
        assert run("calibrate", *arguments) == code
        assert words in capsys.readouterr().err
    (folder / CALIBRATION).unlink()
    (folder / CALIBRATION).mkdir()
    assert run("calibrate", folder, data) == 4
    assert "cannot be written" in capsys.readouterr().err
