"""Real sets: split by page, cleaned of marks."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import configuration, drawn, prepared, uncut

from trocr.errors import DataError
from trocr.labelled_lines import LabelledLine, write_labelled_lines
from trocr.training.config import LineSetSection
from trocr.training.data import BlankLines, RealLines
from trocr.training.sets import group_of, read_split, split_by_group
from trocr.training.sources import read_sources

PATTERN = LineSetSection("", "").group_pattern


def section(**keys: object) -> LineSetSection:
    values = {"name": "lines", "path": "lines", "validation_fraction": 0.3, **keys}
    return LineSetSection(**values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lines() -> list[LabelledLine]:
    return [LabelledLine(f"images/r{i // 4}_{i}.png", b"", str(i)) for i in range(400)]


def groups(side: list[LabelledLine]) -> set[str]:
    return {group_of(line.file, PATTERN) for line in side}


def test_no_group_is_on_both_sides(lines: list[LabelledLine]) -> None:
    training, validation = split_by_group(lines, section())
    assert len(training) + len(validation) == len(lines)
    assert not groups(training) & groups(validation)
    assert 0.2 < len(validation) / len(lines) < 0.4


def test_a_group_stays_on_its_side(lines: list[LabelledLine]) -> None:
    """Whatever the order and whatever else there is."""
    validation = split_by_group(lines, section())[1]
    assert split_by_group(lines[::-1], section())[1] == validation[::-1]
    assert groups(split_by_group(lines[100:], section())[1]) == groups(validation) - {
        f"r{i}" for i in range(25)
    }
    more = split_by_group(lines, section(validation_fraction=0.5))[1]
    assert groups(validation) < groups(more)


def test_groups_of_one_picture_are_on_one_side(lines: list[LabelledLine]) -> None:
    apart = [groups(side) for side in split_by_group(lines, section())]
    pairs = [(f"r{i}", f"r{i + 1}") for i in range(0, 100, 2)]
    assert any(len({*pair} & apart[0]) == 1 for pair in pairs)
    together = [groups(side) for side in split_by_group(lines, section(same_group=tuple(pairs)))]
    assert all(len({*pair} & together[0]) in (0, 2) for pair in pairs)


def test_excluded_groups_are_gone(lines: list[LabelledLine]) -> None:
    sides = split_by_group(lines, section(exclude=("r3", "r7")))
    assert sum(map(len, sides)) == len(lines) - 8
    assert not {"r3", "r7"} & (groups(sides[0]) | groups(sides[1]))


def test_the_pattern_says_what_a_group_is() -> None:
    assert group_of("images/will-12_3.png", PATTERN) == "will-12"
    assert group_of("images/will-12_3.png", r"(.*)-\d+_\d+$") == "will"
    for pattern in (r"(\d+)-", "x*", "(", r"()will"):
        with pytest.raises(DataError, match=r"group_pattern|does not match"):
            group_of("images/will-12_3.png", pattern)


def test_marks_of_a_transcriber_leave_the_labels(tmp_path: Path) -> None:
    texts = ["_Sir,_  yours", "^_a b", "plain"] * 4
    write_labelled_lines(drawn(texts, "r", 1), tmp_path / "lines")
    sides = read_split(section(remove="_^"), tmp_path)
    assert {line.text for side in sides for line in side} == {"Sir, yours", "a b", "plain"}
    with pytest.raises(DataError, match="12 lines to train on and 0 to validate on"):
        read_split(section(validation_fraction=1e-9), tmp_path)
    train, validation = read_split(section(validation_fraction=0.0), tmp_path)
    assert (len(train), len(validation)) == (12, 0)


def test_sources_are_those_of_the_configuration(tmp_path: Path) -> None:
    config = configuration(prepared(tmp_path), 1, first_set="weight = 2")
    sources, validation = read_sources(config, uncut)
    assert [weight for _, weight in sources] == [2, 0.5, 0.1]
    receipts, pages, blanks = (source for source, _ in sources)
    assert isinstance(receipts, RealLines)
    assert isinstance(blanks, BlankLines)
    assert [source.case_blind for source in (receipts, pages, blanks)] == [False, True, False]
    assert [(name, blind) for name, (_, blind) in validation.items()] == [
        ("receipts", False),
        ("pages", True),
    ]
    assert len(receipts.lines) + len(validation["receipts"][0]) == 40


def test_a_run_needs_lines(tmp_path: Path) -> None:
    config = configuration(tmp_path, 1)
    head, _, rest = config.source.partition("[[data.sets]]")
    path = tmp_path / "empty.toml"
    path.write_text(head + "[model]" + rest.partition("[model]")[2])
    with pytest.raises(DataError, match="no lines to train on"):
        read_sources(type(config).read(path), uncut)
