"""Read the two things a unigram tokenizer needs from a SentencePiece ``.model`` file.

The file is a protocol buffer, ``ModelProto`` of sentencepiece_model.proto
(https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto). Of it we want
the pieces (field 1), the model type (field 2, its field 3) and the table of the text normaliser
(field 3, its field 2); the wire format is described at
https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum


class PieceType(IntEnum):
    """``ModelProto.SentencePiece.Type``."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass
class Piece:
    """One entry of the vocabulary; `score` is its natural-log probability."""

    text: str = ""
    score: float = 0.0
    type: PieceType = PieceType.NORMAL


@dataclass
class SentencePieceModel:
    """The pieces in file order and the compiled normaliser (empty bytes for none).

    `model_type` is 1 for unigram, the default, and 2 for BPE.
    """

    pieces: list[Piece] = field(default_factory=list)
    model_type: int = 1
    precompiled_charsmap: bytes = b""


def read_sentencepiece_model(data: bytes) -> SentencePieceModel:
    """Parse the bytes of a ``.model`` file.

    Raises:
        ValueError: the bytes are no SentencePiece model.
    """
    model = SentencePieceModel()
    for number, value in _fields(data):
        if number == 1:
            model.pieces.append(_read_piece(_as_bytes(value)))
        elif number == 2:
            for inner, inner_value in _fields(_as_bytes(value)):
                if inner == 3 and isinstance(inner_value, int):
                    model.model_type = inner_value
        elif number == 3:
            for inner, inner_value in _fields(_as_bytes(value)):
                if inner == 2:
                    model.precompiled_charsmap = _as_bytes(inner_value)
    if not model.pieces:
        raise ValueError("no pieces in the file")
    return model


def _read_piece(data: bytes) -> Piece:
    piece = Piece()
    for number, value in _fields(data):
        if number == 1:
            piece.text = _as_bytes(value).decode("utf-8")
        elif number == 2:
            (piece.score,) = struct.unpack("<f", _as_bytes(value))
        elif number == 3 and isinstance(value, int):
            piece.type = PieceType(value)
    return piece


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of one message: varints as int, everything else as bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire_type == 2:
            length, position = _varint(data, position)
        elif wire_type in (1, 5):
            length = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if position + length > len(data):
            raise ValueError(f"the file ends inside a field at byte {position}")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A little-endian base-128 number and the position after it."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(f"no number at byte {position}")


def _as_bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text was expected")
    return value
