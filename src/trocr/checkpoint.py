"""A checkpoint folder: tensors by their published names in, and out again.

Formats: safetensors, whole or in shards with an index, and PyTorch's ``.bin`` of the same two
kinds. A ``.bin`` is a pickle; only plain tensors are ever unpickled from one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from .errors import CheckpointError, UsageError
from .int8_weights import from_int8

NamePairs = tuple[tuple[str, str], ...]

SAFE_FILE, PICKLE_FILE = "model.safetensors", "pytorch_model.bin"

# What older files hold and nothing reads: the encoder's pooler and derived position buffers.
_IGNORED = re.compile(
    r"^(encoder\.)?pooler\.|\.position_ids$|\.embed_positions\.(_float_tensor|weights)$"
)
_SIZE_UNITS = {
    "": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}


class KeyTable:
    """Parameter names here and in the published files; each direction undoes the other.

    Args:
        pairs: (our prefix, published prefix) of dotted names; ``{n}`` stands for a layer number.
            A name that no prefix fits is the same on both sides.
    """

    def __init__(self, pairs: NamePairs = ()) -> None:
        self._to_published = [_rule(ours, published) for ours, published in pairs]
        self._to_ours = [_rule(published, ours) for ours, published in pairs]

    def to_published(self, key: str) -> str:
        return _rename(key, self._to_published)

    def to_ours(self, key: str) -> str:
        return _rename(key, self._to_ours)


def _rule(source: str, target: str) -> tuple[re.Pattern[str], str]:
    pattern = re.escape(source).replace(re.escape("{n}"), r"(\d+)")
    return re.compile(rf"{pattern}(?=\.|$)"), target.replace("{n}", r"\1")


def _rename(key: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, target in rules:
        match = pattern.match(key)
        if match:
            return match.expand(target) + key[match.end() :]
    return key


def read_tensors(folder: str | Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint folder on the CPU, by its name in the file.

    Matrices that were stored as 8-bit integers come as float32.

    Raises:
        CheckpointError: no weights, a corrupt file, a pickle of more than tensors, or an index
            that names a missing shard or one outside the folder.
    """
    folder = Path(folder)
    for name in (SAFE_FILE, PICKLE_FILE):
        if (folder / name).is_file():
            return from_int8(_read_file(folder / name))
        if (folder / f"{name}.index.json").is_file():
            tensors: dict[str, Tensor] = {}
            for shard in _shards(folder / f"{name}.index.json"):
                tensors.update(_read_file(shard))
            return from_int8(tensors)
    raise CheckpointError(
        f"No model weights in {folder}.",
        f"A checkpoint folder holds {SAFE_FILE} or {PICKLE_FILE}, or an index of shards.",
    )


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is corrupt or cannot be read: {error}.", "Download it again."
        ) from None
    except Exception as error:  # the unpickler raises whatever the bytes lead it to
        raise CheckpointError(
            f"{path} is corrupt, or holds more than tensors, and was not loaded "
            f"({type(error).__name__}).",
            "Download it again, or use a safetensors file from a source you trust.",
        ) from None
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise CheckpointError(
            f"{path} is not a table of tensors.", "Save the model's state_dict instead."
        )
    return tensors


def _shards(index: Path) -> list[Path]:
    """The shard files that an index names, each once."""
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = list(dict.fromkeys(weight_map.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{index} is not an index of shards.", "Download it again.") from None
    for name in names:
        if not isinstance(name, str) or name != Path(name).name or name == "..":
            raise CheckpointError(
                f"{index} names a shard outside its folder: {name!r}.", "Do not trust this file."
            )
        if not (index.parent / name).is_file():
            raise CheckpointError(f"The shard {name} of {index} is missing.", "Download it again.")
    return [index.parent / name for name in names]


def load_tensors(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    table: KeyTable,
    tied: Mapping[str, str],
    source: str | Path,
) -> bool:
    """Give ``model`` the tensors of a file; they take the place of its parameters.

    Args:
        tensors: by published name.
        tied: our name of a parameter -> our name of the one it shares; a file may hold either or
            both.
        source: where the tensors come from, for the error.

    Returns:
        Whether the tied parameters really are equal; if not, they are loaded as two.

    Raises:
        CheckpointError: names missing, unexpected, or of another shape; all in one error.
    """
    state = {table.to_ours(k): t for k, t in tensors.items() if not _IGNORED.search(k)}
    equal = True
    for alias, original in tied.items():
        if alias in state and original in state:
            equal = equal and torch.equal(state[alias], state[original])
        elif original in state:
            state[alias] = state[original]
        elif alias in state:
            state[original] = state[alias]
    expected = model.state_dict()
    expected |= {alias: expected[original] for alias, original in tied.items()}
    problems = [
        ("missing", [table.to_published(k) for k in expected if k not in state]),
        ("unexpected", [table.to_published(k) for k in state if k not in expected]),
        ("of another shape", _misfits(expected, state, table)),
    ]
    found = [f"{_sample(names)} {kind}" for kind, names in problems if names]
    if found:
        raise CheckpointError(
            f"The weights in {source} do not fit its config.json: {'; '.join(found)}.",
            "Use the config.json that was saved with these weights.",
        )
    model.load_state_dict(state, assign=True)
    return equal


def _misfits(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor], table: KeyTable
) -> list[str]:
    misfits = []
    for key in expected.keys() & state.keys():
        want, have = expected[key], state[key]
        if want.shape != have.shape or want.is_floating_point() != have.is_floating_point():
            misfits.append(
                f"{table.to_published(key)} (file {tuple(have.shape)}, model {tuple(want.shape)})"
            )
    return misfits


def _sample(names: Iterable[str], shown: int = 4) -> str:
    names = sorted(names)
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def write_tensors(
    folder: str | Path,
    tensors: Mapping[str, Tensor],
    *,
    max_shard_size: int | str = "5GB",
    safe_serialization: bool = True,
) -> None:
    """Write tensors by their published names, in shards where they exceed ``max_shard_size``.

    Files appear whole or not at all, and weights of an earlier save in the folder go.

    Args:
        max_shard_size: bytes, or a number with KB, MB, GB (decimal) or KiB, MiB, GiB.
        safe_serialization: safetensors; otherwise PyTorch's ``.bin``.

    Raises:
        UsageError: a size that cannot be read.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plain = {k: t.detach().to("cpu").contiguous() for k, t in tensors.items()}
    shards = _split(plain, parse_size(max_shard_size))
    name = SAFE_FILE if safe_serialization else PICKLE_FILE
    stem, suffix = name.split(".")
    names = [f"{stem}-{i + 1:05d}-of-{len(shards):05d}.{suffix}" for i in range(len(shards))]
    written = {name} if len(shards) == 1 else {*names, f"{name}.index.json"}
    for file_name, shard in zip([name] if len(shards) == 1 else names, shards, strict=True):
        _write_file(folder / file_name, shard)
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(t.nbytes for t in plain.values())},
            "weight_map": {k: n for n, shard in zip(names, shards, strict=True) for k in shard},
        }
        text = json.dumps(index, indent=2, sort_keys=True) + "\n"
        (folder / f"{name}.index.json").write_text(text, encoding="utf-8")
    _remove_other_weights(folder, keep=written)


def parse_size(size: int | str) -> int:
    """``"5GB"`` to 5,000,000,000 bytes.

    Raises:
        UsageError: not a positive size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", str(size).strip())
    unit = match and _SIZE_UNITS.get(match[2].upper())
    if not match or not unit or float(match[1]) <= 0:
        raise UsageError(f"Cannot read the size {size!r}.", "Write it as '5GB' or '300MB'.")
    return int(float(match[1]) * unit)


def _split(tensors: dict[str, Tensor], limit: int) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > limit:
            shards.append({})
            size = 0
        shards[-1][key] = tensor
        size += tensor.nbytes
    return shards


def _write_file(path: Path, tensors: dict[str, Tensor]) -> None:
    # The model may be mapped from the very file it is saved to, so that one is never truncated.
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.touch()
    mode = temporary.stat().st_mode  # safetensors would leave a file that only its owner can read
    try:
        if path.suffix == ".safetensors":
            safetensors.torch.save_file(tensors, temporary, metadata={"format": "pt"})
        else:
            torch.save(tensors, temporary)
        temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_other_weights(folder: Path, keep: set[str]) -> None:
    weights = re.compile(
        r"(model|pytorch_model)(-\d{5}-of-\d{5})?\.(safetensors|bin)(\.index\.json)?"
    )
    for path in folder.iterdir():
        if weights.fullmatch(path.name) and path.name not in keep:
            path.unlink()
