"""The manifest of a batch run: fast with many entries, and honest about each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trocr.distribution.entries import Container, Entry, Fault
from trocr.distribution.intake import Intake
from trocr.distribution.listing import Found
from trocr.distribution.lock import Lock, is_going_on
from trocr.distribution.manifest import Manifest
from trocr.distribution.status import status_of
from trocr.distribution.units import Outcome
from trocr.errors import OutputError, UsageError


def entries(count: int, *, changed: int | None = None) -> Iterator[Entry]:
    for number in range(count):
        name = f"/scans/{number // 1000}/{number}.png"
        stamp = "new" if number == changed else "old"
        yield Entry(name, name, None, 1000, stamp)


def filled(folder: Path, count: int, unit_size: int = 80) -> Manifest:
    """By default all are the last, in units of 10."""
    manifest = Manifest(folder, write=True)
    manifest.begin({"model": "m"})
    take_all(Intake(manifest, entries(count), unit_size))
    return manifest


def take_all(intake: Intake) -> None:
    while not intake.is_over:
        intake.step()


def sizes_of(manifest: Manifest) -> list[int]:
    return [len(manifest.unit(number).entries) for number in manifest.todo(100)]


def read(manifest: Manifest, units: int) -> None:
    with manifest.transaction():
        run = manifest.history.start(1)
    for number in manifest.todo(units):
        unit = manifest.unit(number)
        outcomes = [Outcome(each.number, 2) for each in unit.entries]
        assert manifest.commit(unit, outcomes, run)


def test_two_hundred_thousand_entries(tmp_path: Path) -> None:
    manifest = filled(tmp_path, 200_000, unit_size=100)
    read(manifest, 500)
    manifest.close()
    again = Manifest(tmp_path, write=True)
    take_all(Intake(again, entries(200_000), 100))
    status = status_of(again, going_on=False)
    assert (status.entries, status.done, status.left) == (200_000, 50_000, 150_000)
    assert status.pages == 100_000
    assert len(again.todo(10_000)) == 1508


def test_units_do_not_depend_on_where_listing_was_cut_off(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole", 2345, unit_size=7)
    cut = Manifest(tmp_path / "cut", write=True)
    cut.begin({"model": "m"})
    Intake(cut, entries(2345), 7).step()
    assert status_of(cut, going_on=True).listed is False
    take_all(Intake(cut, entries(2345), 7))
    keys = [[each.unit(n).key for n in each.todo(1000)] for each in (whole, cut)]
    assert keys[0] == keys[1]
    assert status_of(cut, going_on=False).listed is True


def test_the_last_units_are_small(tmp_path: Path) -> None:
    manifest = filled(tmp_path, 40, unit_size=16)
    assert sizes_of(manifest) == [16] + 12 * [2]
    other = Manifest(tmp_path / "other", write=True)
    take_all(Intake(other, entries(40), 16, 12))
    assert sizes_of(other) == [16, 12, 12]


def test_an_archive_is_listed_once_all_its_entries_are_in_units(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, write=True)
    manifest.begin({"model": "m"})
    found: list[Found] = list(entries(3000))
    found.insert(1500, Container("/scans/a.tar", "new", whole=True))
    intake = Intake(manifest, iter(found), 600)
    seen = []
    for _ in range(3):
        intake.step()
        is_listed = manifest.is_listed("/scans/a.tar", "new")
        seen.append((manifest.counters()["listed"], is_listed))
    assert seen == [(0, False), (1200, False), (1800, True)]


def test_a_changed_entry_opens_its_unit_alone(tmp_path: Path) -> None:
    manifest = filled(tmp_path, 30)
    read(manifest, 3)
    before = manifest.unit(11).key
    take_all(Intake(manifest, entries(30, changed=15), 80))
    assert manifest.todo(10) == [11]
    assert manifest.unit(11).key != before
    assert manifest.garbage() == [before]
    assert manifest.counters()["done"] == 20
    take_all(Intake(manifest, entries(30), 80))
    assert manifest.unit(11).key == before
    assert before not in manifest.garbage()


def test_what_changed_while_it_was_read_is_not_noted(tmp_path: Path) -> None:
    manifest = filled(tmp_path, 10)
    unit = manifest.unit(1)
    take_all(Intake(manifest, entries(10, changed=3), 80))
    outcomes = [Outcome(each.number, 1) for each in unit.entries]
    assert not manifest.commit(unit, outcomes, 1)
    assert manifest.counters()["done"] == 0
    assert manifest.todo(1) == [1]


def test_deaths_are_counted_until_an_entry_is_given_up(tmp_path: Path) -> None:
    manifest = filled(tmp_path, 10)
    unit = manifest.unit(1)
    assert not manifest.note_death(unit, None, 2, "killed")
    assert manifest.unit(1).deaths == 1
    assert not manifest.note_death(unit, 4, 2, "killed")
    assert manifest.note_death(unit, 4, 2, "killed")
    assert [each.number for each in manifest.unit(1).entries if each.quarantined] == [4]
    assert list(manifest.quarantine()) == [("/scans/0/3.png", "killed")]
    assert manifest.retry() == 1
    assert manifest.unit(1).deaths == 0
    assert manifest.counters()["quarantined"] == 0


def test_a_fault_that_is_mended_is_an_entry(tmp_path: Path) -> None:
    manifest = filled(tmp_path, 10)
    fault = Fault("/scans/x.png", "", "It cannot be read.")
    take_all(Intake(manifest, iter([fault, fault]), 10))
    assert manifest.counters()["quarantined"] == 1
    mended = Entry("/scans/x.png", "/scans/x.png", None, 5, "new")
    take_all(Intake(manifest, iter([mended]), 10))
    assert (manifest.counters()["quarantined"], manifest.counters()["listed"]) == (0, 11)


def test_a_name_need_not_be_utf_8(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, write=True)
    name = b"/scans/caf\xe9.png".decode("utf-8", "surrogateescape")
    take_all(Intake(manifest, iter([Entry(name, name, None, 5, "1")]), 10))
    assert manifest.unit(1).entries[0].entry.name == name


def test_one_run_at_a_time(tmp_path: Path) -> None:
    assert not is_going_on(tmp_path)
    with Lock(tmp_path):
        assert is_going_on(tmp_path)
        with pytest.raises(UsageError, match="is going on"):
            Lock(tmp_path)
    assert not is_going_on(tmp_path)


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no manifest"):
        Manifest(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Manifest(tmp_path / "file" / "below", write=True)
