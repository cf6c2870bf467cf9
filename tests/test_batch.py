"""``trocr.distribution``: every file exactly once, whatever it is in and whatever happens."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from batch_runs import pages_in, quarantine, records, run, shards, tar_of, texts
from pages import bar_page, pdf_of

from trocr.distribution import mirrored, read_status
from trocr.distribution.manifest import Manifest
from trocr.document import from_dict
from trocr.errors import OutputError, UsageError
from trocr.pipeline import draft
from trocr.writers import files


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Runs in this process put stand-ins there."""
    before = draft.find_lines, draft.quarter_turn
    yield
    draft.find_lines, draft.quarter_turn = before


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return pages_in(tmp_path / "scans", 10)


# What is read


def test_a_record_says_what_was_read(tmp_path: Path) -> None:
    picture = tmp_path / "scan.pdf"
    data = pdf_of([bar_page(100), bar_page(50, 200)], picture)
    status = run(tmp_path / "out", picture)
    [record] = records(tmp_path / "out").values()
    document = from_dict(record.pop("document"))
    assert record == {
        "name": str(picture),
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "pages": 2,
        "text": "100\f50\n200",
        "failures": [],
    }
    assert document.text == record["text"]
    assert {page.image_sha256 for page in document} == {record["sha256"]}
    assert (status.entries, status.done, status.pages, status.left) == (1, 1, 2, 0)


def test_tars_are_read_like_folders(scans: Path, tmp_path: Path) -> None:
    run(tmp_path / "plain", scans)
    (tmp_path / "shards").mkdir()
    tar_of(scans, tmp_path / "shards" / "a.tar")
    tar_of(scans, tmp_path / "shards" / "b.tar.gz")
    status = run(tmp_path / "tars", tmp_path / "shards")
    assert status.done == 20
    assert texts(tmp_path / "tars") == texts(tmp_path / "plain")
    assert str(tmp_path / "shards" / "b.tar.gz" / "page 3.png") in records(tmp_path / "tars")


@pytest.mark.parametrize("nested", [False, True])
def test_rows_of_parquet(scans: Path, tmp_path: Path, nested: bool) -> None:
    data = [file.read_bytes() for file in sorted(scans.iterdir())]
    cells = [{"bytes": each, "path": "x.png"} for each in data] if nested else data
    table = pyarrow.table({"id": range(10), "image": cells})
    pyarrow.parquet.write_table(table, tmp_path / "pages.parquet", row_group_size=4)
    run(tmp_path / "out", tmp_path / "pages.parquet")
    found = records(tmp_path / "out")
    sums = {str(at): hashlib.sha256(each).hexdigest() for at, each in enumerate(data)}
    assert {name.rpartition("/")[2]: each["sha256"] for name, each in found.items()} == sums


def test_two_columns_of_bytes_need_a_choice(tmp_path: Path) -> None:
    table = pyarrow.table({"front": [b"x"], "back": [b"y"]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    run(tmp_path / "out", tmp_path / "a.parquet")
    assert "which of its columns" in quarantine(tmp_path / "out")[str(tmp_path / "a.parquet")]
    run(tmp_path / "out2", tmp_path / "a.parquet", column="back")
    assert list(quarantine(tmp_path / "out2")) == [str(tmp_path / "a.parquet" / "0")]


def test_an_object_store(scans: Path, tmp_path: Path) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(scans), "/bucket/scans", recursive=True)
    store.put(str(tar_of(scans, tmp_path / "a.tar")), "/bucket/a.tar")
    run(tmp_path / "local", scans)
    run(tmp_path / "out", "memory://bucket", "memory://bucket/scans/*.png")
    assert texts(tmp_path / "out") == texts(tmp_path / "local")
    assert len(records(tmp_path / "out")) == 20
    with pytest.raises(UsageError, match="Install"):
        run(tmp_path / "none", "nosuchstore://bucket/a")


def test_output_in_an_object_store(scans: Path, tmp_path: Path) -> None:
    import fsspec

    run(tmp_path / "local", scans)
    state = tmp_path / "state"
    run("memory://results", scans, state=state)  # type: ignore[arg-type]
    store = fsspec.filesystem("memory")
    sent = {Path(name).name: store.cat_file(name) for name in store.find("/results/shards")}
    assert sent == shards(tmp_path / "local")
    assert read_status(state).done == 10


def test_what_is_reached_twice_counts_once(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(scans)
    inputs = [scans, scans / "page 1.png", f"{scans}/*.png", scans.as_uri(), tmp_path / "link"]
    status = run(tmp_path / "out", *inputs)
    assert status.entries == len(records(tmp_path / "out")) == 10


def test_what_is_named_may_be_called_anything(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scans / "page 1.png").rename(scans / "scan.dat")
    (scans / "notes.gz").write_bytes(b"")
    monkeypatch.chdir(scans)
    assert run(tmp_path / "out", ".").entries == 9
    assert run(tmp_path / "out2", "./scan.dat").done == 1


def test_bad_files_are_quarantined_with_a_reason(scans: Path, tmp_path: Path) -> None:
    (scans / "bad.png").write_bytes(b"no picture")
    missing = tmp_path / "missing.png"
    status = run(tmp_path / "out", scans, missing)
    assert (status.done, status.quarantined, status.left) == (10, 2, 0)
    reasons = quarantine(tmp_path / "out")
    assert "is text, not a picture" in reasons[str(scans / "bad.png")]
    assert "No such file" in reasons[str(missing)]


@pytest.mark.parametrize(("damage", "whole"), [("header", 5), ("cut off", 9)])
def test_a_corrupt_tar_costs_what_is_behind_the_damage(
    scans: Path, tmp_path: Path, damage: str, whole: int
) -> None:
    shard = tar_of(scans, tmp_path / "a.tar")
    data = bytearray(shard.read_bytes())
    at = data.index(b"page 5.png") if damage == "header" else data.index(b"page 9.png") + 600
    data = data[:at] + bytes(4) + data[at + 4 :] if damage == "header" else data[:at]
    shard.write_bytes(data)
    (scans / "page 3.png").unlink()
    status = run(tmp_path / "out", shard, scans)
    assert len(records(tmp_path / "out")) == status.done == whole + 9
    assert str(shard) in quarantine(tmp_path / "out")
    again = run(tmp_path / "out", shard, scans)
    assert (again.done, again.quarantined) == (status.done, status.quarantined)


def test_documents_have_the_names_of_their_files(scans: Path, tmp_path: Path) -> None:
    (scans / "sub").mkdir()
    pdf_of([bar_page(100)], scans / "sub" / "a.pdf")
    run(tmp_path / "out", scans, formats=("txt", "pdf", "page"), mirrored=mirrored([str(scans)]))
    there = {str(path.relative_to(tmp_path / "out" / "documents")) for path in
             (tmp_path / "out" / "documents").rglob("*") if path.is_file()}  # fmt: skip
    assert {"page 1.png.txt", "sub/a.pdf.pdf", "sub/a.pdf.page.xml"} <= there
    assert len(there) == 33
    assert not (tmp_path / "out" / "shards").exists()


def test_mirrored_names_begin_where_the_inputs_part(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert mirrored([str(scans)]) == f"{scans}/"
    assert mirrored([f"{scans}/*.png"]) == mirrored([str(scans / "page 1.png")]) == f"{scans}/"
    assert mirrored([str(scans), str(tmp_path / "other")]) == f"{tmp_path}/"
    assert mirrored(["s3://bucket/a", "s3://bucket/b/*.png"]) == "s3://bucket/"


def test_parquet_shards(scans: Path, tmp_path: Path) -> None:
    run(tmp_path / "jsonl", scans)
    run(tmp_path / "out", scans, formats=("parquet",))
    found = pyarrow.parquet.read_table(tmp_path / "out" / "shards").to_pylist()
    assert {row["name"]: row["text"] for row in found} == {
        name: record["text"] for name, record in records(tmp_path / "jsonl").items()
    }


# Stopped and started again


def test_a_run_goes_on_where_it_was(scans: Path, tmp_path: Path) -> None:
    run(tmp_path / "undisturbed", scans, unit_size=3)
    pages = sorted(scans.iterdir(), key=lambda path: int(path.stem.split()[1]))
    for page in pages[6:]:
        page.rename(tmp_path / page.name)
    run(tmp_path / "out", scans, unit_size=3)
    before = shards(tmp_path / "out")
    for page in pages[6:]:
        (tmp_path / page.name).rename(page)
    status = run(tmp_path / "out", scans, unit_size=3)
    assert records(tmp_path / "out") == records(tmp_path / "undisturbed")
    assert before.items() <= shards(tmp_path / "out").items()
    assert (status.runs, status.done) == (2, 10)


def test_other_settings_are_refused(scans: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", scans)
    with pytest.raises(UsageError, match="was begun with model bars, not squares"):
        run(tmp_path / "out", scans, settings={"model": "squares"})


def test_a_changed_file_is_read_again(scans: Path, tmp_path: Path) -> None:
    run(tmp_path / "out", scans)
    before = shards(tmp_path / "out")
    bar_page(250).save(scans / "page 5.png")
    (scans / "page 7.png").write_bytes(b"")
    status = run(tmp_path / "out", scans)
    after = shards(tmp_path / "out")
    assert texts(tmp_path / "out")["page 5.png"] == "250"
    assert len(after.keys() - before.keys()) == 1
    assert (status.done, status.quarantined, status.pages) == (9, 1, 9)


def test_quarantine_can_be_tried_again(scans: Path, tmp_path: Path) -> None:
    (scans / "page 4.png").rename(tmp_path / "away")
    inputs = [scans / f"page {number}.png" for number in range(10)]
    assert run(tmp_path / "out", *inputs).quarantined == 1
    (tmp_path / "away").rename(scans / "page 4.png")
    status = run(tmp_path / "out", *inputs, retry=True)
    assert (status.done, status.quarantined) == (10, 0)


def test_a_full_disk_loses_nothing(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "undisturbed", scans)
    written = 0

    def fsync(file: int) -> None:
        nonlocal written
        written += 1
        if written == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OutputError, match="No space left") as caught:
        run(tmp_path / "out", scans)
    assert caught.value.exit_code == 6
    assert len(shards(tmp_path / "out")) == 1
    assert read_status(tmp_path / "out").last == "failed"
    assert run(tmp_path / "out", scans).done == 10
    assert shards(tmp_path / "out") == shards(tmp_path / "undisturbed")


@pytest.mark.parametrize("after", ["the shard", "a transaction"])
def test_cut_off_between_shard_and_manifest(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    run(tmp_path / "undisturbed", scans)

    def killed(*arguments: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "commit" if after == "the shard" else "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "out", scans)
    assert len(shards(tmp_path / "out")) == 1
    assert read_status(tmp_path / "out").done == 0
    run(tmp_path / "out", scans)
    assert shards(tmp_path / "out") == shards(tmp_path / "undisturbed")
