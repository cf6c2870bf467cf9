"""Parquet and Arrow, whole and damaged."""

import json
import sys

import numpy as np
import pyarrow as pa
import pytest
from line_set_files import (
    TEXTS,
    parquet,
    picture,
    pictures,
    put,
    reasons,
    rows,
    texts,
)

from trocr.errors import DataError, UsageError
from trocr.line_sets import read_line_set


def test_parquet_of_hugging_face(tmp_path):
    put(tmp_path, {"README.md": "# A data set", "dataset_infos.json": "{}"})
    first, second = (f"data/train-0000{number}-of-00002" for number in range(2))
    parquet(tmp_path / f"{first}.parquet", rows(["a.png", "b.png", "a.png", None]))
    pages = {"page_id": [7, 7], "document": ["deed", None]}
    parquet(
        tmp_path / "data/train-00001-of-00002.parquet", {**rows(["/x.png", "../y.png"]), **pages}
    )
    put(tmp_path, {"data/broken.parquet": b"PAR1 and no more"})
    found = read_line_set(tmp_path)
    names = ["a.png", "b.png", f"{first}/000003", f"{first}/000004"]
    # The second shard holds the pictures of the first once more, with the same labels.
    assert [line.file for line in found.lines] == names
    assert [one.where for one in found.skipped] == [
        "data/broken.parquet",
        f"{second}.parquet row 1",
        f"{second}.parquet row 2",
    ]
    assert found.format == "Parquet"
    found = read_line_set(tmp_path / f"{second}.parquet")
    assert [(line.file, line.page) for line in found.lines] == [
        ("train-00001-of-00002/000001", "deed/7"),
        ("train-00001-of-00002/000002", "7"),
    ]


def test_parquet_of_other_kinds(tmp_path):
    put(tmp_path / "files", pictures())
    parquet(tmp_path / "files/t.parquet", {"file_name": list(TEXTS), "text": list(TEXTS.values())})
    assert texts(tmp_path / "files") == TEXTS
    image: list[object] = [picture(1), picture(2), None, picture(3), b"no picture"]
    label = pa.array([b"one", b"Gr\xf6", b"x", None, b"y"]).view(pa.string())
    parquet(tmp_path / "raw.parquet", {"image": image, "path": list("abcde"), "gt": label})
    assert texts(tmp_path / "raw.parquet") == {"raw/000001": "one"}
    found = list(reasons(tmp_path / "raw.parquet").values())
    assert [reason[:16] for reason in found] == [
        "Its label is not",
        "It has no pictur",
        "It has no label.",
        "The picture raw/",
    ]
    elsewhere: list[object] = [
        {"bytes": picture(1), "path": "a"},
        {"bytes": None, "path": "/b.png"},
    ]
    parquet(tmp_path / "path.parquet", {"image": elsewhere, "text": ["one", "two"]})
    (reason,) = reasons(tmp_path / "path.parquet").values()
    assert reason.startswith("It holds a picture's name alone. The name /b.png is absolute")
    parquet(tmp_path / "classes.parquet", {"image": image, "label": list(range(5))})
    with pytest.raises(DataError, match="int64, not text"):
        read_line_set(tmp_path / "classes.parquet")
    parquet(tmp_path / "bare.parquet", {"image": image})
    with pytest.raises(DataError, match="its columns are image; it needs"):
        read_line_set(tmp_path / "bare.parquet")


def test_what_datasets_saved_to_disk(tmp_path):
    shard = "data-00000-of-00001.arrow"
    for split in ("train", "test"):
        state = json.dumps({"_data_files": [{"filename": shard}]})
        put(tmp_path, {f"{split}/state.json": state, f"{split}/dataset_info.json": "{}"})
    put(tmp_path, {"dataset_dict.json": '{"splits": ["train", "test"]}'})
    parquet(tmp_path / "train" / shard, rows(["a.png", "b.png", "c.png"]))
    parquet(tmp_path / "train/cache-0123.arrow", rows(["old.png"]))
    parquet(
        tmp_path / "test" / shard, {"image": [{"bytes": picture(9), "path": None}], "text": ["x"]}
    )
    found = read_line_set(tmp_path)
    assert [line.file for line in found.lines] == [
        "test/data-00000-of-00001/000001",
        "a.png",
        "b.png",
        "c.png",
    ]
    assert (found.format, found.skipped) == ("Arrow", [])


def test_arrow_that_points_outside_its_memory(tmp_path):
    good = pa.record_batch({"image": pa.array([picture(1), picture(2)]), "text": ["one", "two"]})
    offsets = pa.py_buffer(np.array([0, 1 << 30, 2], np.int32))
    bad = pa.Array.from_buffers(pa.binary(), 2, [None, offsets, pa.py_buffer(b"xx")])
    with (
        pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, good.schema) as writer,
    ):
        writer.write_batch(good)
        writer.write_batch(pa.record_batch({"image": bad, "text": ["x", "y"]}))
    assert list(texts(tmp_path).values()) == ["one", "two"]
    assert reasons(tmp_path)["a.arrow"].startswith("It cannot be read after row 2")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    parquet(tmp_path / "a.parquet", rows(["a.png"]))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"trocr\[data\]"):
        read_line_set(tmp_path)
