"""What a configuration may say, and the schedule it asks for."""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from training_runs import configuration

from trocr.errors import UsageError
from trocr.training.config import (
    DataSection,
    LineSetSection,
    ModelSection,
    OptimizationSection,
    SyntheticSection,
    TrainingConfig,
)
from trocr.training.schedule import learning_rate

ROOT = Path(__file__).parent.parent
CONFIGS = [*(ROOT / "configs").glob("*.toml"), ROOT / "examples/first-run.toml"]
DOCS = ROOT / "docs/training.md"
MODEL = '[model]\ncharacters = "ab"\n[optimization]\nmax_steps = 1\n'
SET = '[[data.sets]]\nname = "a"\npath = "a"\n'


def read(folder: Path, text: str) -> TrainingConfig:
    (folder / "given.toml").write_text(text)
    return TrainingConfig.read(folder / "given.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data\n", "Cannot read"),
        ("[data]\ncolour = 1\n" + MODEL, "unknown key 'colour' in .data."),
        (SET + "colour = 1\n" + MODEL, "unknown key 'colour' in .data.sets."),
        ('[[data.sets]]\nname = "a"\n' + MODEL, "has no 'path'"),
        ("", "has no 'characters'"),
        ('data = "lines"\n' + MODEL, "data is no table"),
        ('[data]\nsets = ["lines"]\n' + MODEL, "data.sets is no table"),
        ('[data]\nsets = "lines"\n' + MODEL, "sets in .data. cannot be 'lines'"),
        (SET + SET + MODEL, "two sets are called 'a'"),
        (SET + "weight = -1\n" + MODEL, "weight in .data.sets. cannot be -1"),
        (SET + 'case_blind = "no"\n' + MODEL, "cannot be 'no'"),
        (MODEL + "tokens_per_batch = 0\n", "cannot be 0"),
        (MODEL + "gradient_accumulation = 1.5\n", "cannot be 1.5"),
        (MODEL + "bfloat16 = 1\n", "bfloat16 in .optimization. cannot be 1"),
        (MODEL + "warmup_steps = true\n", "cannot be True"),
    ],
)
def test_a_bad_configuration_is_a_usage_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    config = read(tmp_path, SET + "weight = 2\n" + 'same_group = [["p", "q"]]\n' + MODEL)
    assert config.name == "given"
    assert config.folder == tmp_path
    (section,) = config.data.sets
    assert section.weight == 2
    assert section.same_group == (("p", "q"),)
    assert config.optimization == OptimizationSection(max_steps=1)


@pytest.mark.parametrize("path", sorted(CONFIGS), ids=lambda path: path.stem)
def test_the_configurations_that_come_along_are_good(path: Path) -> None:
    config = TrainingConfig.read(path)
    assert config.name == path.stem
    assert config.data.sets


SECTIONS = {
    "[data]": DataSection,
    "[[data.sets]]": LineSetSection,
    "[[data.synthetic]]": SyntheticSection,
    "[model]": ModelSection,
    "[optimization]": OptimizationSection,
}


@pytest.mark.parametrize("name", SECTIONS)
def test_the_reference_table_has_every_key_and_its_default(name: str) -> None:
    table = DOCS.read_text(encoding="utf-8").partition(f"### `{name}`\n\n| key |")[2]
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.+?)` )?\|", table.partition("\n\n")[0], re.MULTILINE)
    expected = []
    for key in fields(SECTIONS[name]):
        default = key.default
        if key.default_factory is not MISSING:
            default = key.default_factory()
        expected.append((key.name, "" if default is MISSING else json.dumps(default)))
    assert dict(rows) == dict(expected)


def test_learning_rate_schedule(tmp_path: Path) -> None:
    text = "learning_rate = 0.5"
    section = configuration(tmp_path, 102, optimization=text).optimization
    rates = [learning_rate(step, 102, section) for step in range(103)]
    assert rates[:3] == [0.25, 0.5, 0.5]
    assert rates[2 + 25] == pytest.approx(0.5 * (2 + 2**0.5) / 4)
    assert rates[2 + 50] == pytest.approx(0.25)
    assert rates[102] == 0
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert learning_rate(51, 52, section) < rates[51]
