"""Files of labelled sets for tests."""

import io
import json
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from trocr.line_sets import read_line_set

TEXTS = {"a.png": "Größe 3,50 €", "b.png": 'He said "hi"', "c.png": "a, b; c"}


def picture(seed: int, suffix: str = "PNG", size: tuple[int, int] = (40, 12)) -> bytes:
    stream = io.BytesIO()
    pixels = random.Random(seed).randbytes(size[0] * size[1])
    Image.frombytes("L", size, pixels).save(stream, suffix)
    return stream.getvalue()


def put(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def pictures(folder: str = "", names: tuple[str, ...] = tuple(TEXTS)) -> dict[str, bytes]:
    return {folder + name: picture(seed) for seed, name in enumerate(names)}


def texts(path: Path) -> dict[str, str]:
    return {line.file: line.text for line in read_line_set(path).lines}


def reasons(path: Path) -> dict[str, str]:
    return {one.where: one.reason for one in read_line_set(path).skipped}


TSV = "".join(f"{name}\t{text}\n" for name, text in TEXTS.items())
CSV = '{0}\na.png{1}Größe 3,50 €\nb.png{1}"He said ""hi"""\nc.png{1}"a, b; c"\n'.replace(
    "a.png{1}Größe 3,50 €", 'a.png{1}"Größe 3,50 €"'
)
JSONL = "".join(
    json.dumps({"file_name": name, "text": text}) + "\n" for name, text in TEXTS.items()
)


def packed(path: Path, files: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def parquet(path: Path, columns: dict[str, list[object]], **settings: object) -> None:
    table = pa.table(columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, **settings)
        return
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def rows(names: list[str | None]) -> dict[str, list[object]]:
    """As Hugging Face's ``Image`` is stored."""
    pictures = [{"bytes": picture(seed), "path": name} for seed, name in enumerate(names)]
    return {"image": pictures, "text": [f"text {seed}" for seed in range(len(names))]}
