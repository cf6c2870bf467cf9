"""The key-value cache of a decoder, whose rows come and go."""

from __future__ import annotations

import torch
from torch import Tensor

CACHE_ROOM = 31  # tokens that fit before keys and values are copied again
SPARE_ROWS = 0.25  # of the rows: that may join before all are copied again

Pair = tuple[Tensor, Tensor]  # keys and values


class LayerCache:
    """Keys and values of one decoder layer.

    Attributes:
        key, value: of the tokens so far, (rows, heads, length, head_dim).
        cross_key, cross_value: of what is read, (rows / rows_per_source, heads, source, head_dim).
        rows_per_source: so many neighbouring rows read the same.
    """

    def __init__(self) -> None:
        self.key: Tensor | None = None
        self.value: Tensor | None = None
        self.cross_key: Tensor | None = None
        self.cross_value: Tensor | None = None
        self.rows_per_source = 1
        # What key and value, cross_key and cross_value are the front of, in rows and in length.
        self._room: Pair | None = None
        self._cross_room: Pair | None = None

    def append(self, key: Tensor, value: Tensor) -> Pair:
        """Add the keys and values of new tokens; returns all of them."""
        if self.key is None or self.value is None:
            self.key, self.value = key, value
            return key, value
        rows, start, end = len(key), self.key.shape[2], self.key.shape[2] + key.shape[2]
        if self._room is None or end > self._room[0].shape[2]:
            shape = rows, end + CACHE_ROOM
            self._room = _with_room(self.key, *shape), _with_room(self.value, *shape)
        keys, values = self._room
        keys[:rows, :, start:end] = key
        values[:rows, :, start:end] = value
        self.key, self.value = keys[:rows, :, :end], values[:rows, :, :end]
        return self.key, self.value

    def reorder(self, rows: Tensor, sources: Tensor, rows_per_source: int) -> None:
        """Row i becomes what ``rows[i]`` was, and reads ``sources[i // rows_per_source]``."""
        length = self.get_seq_length()
        if self._room is not None:
            keys, values = self._room = _select(self._room, rows)
            self.key, self.value = keys[:, :, :length], values[:, :, :length]
        elif self.key is not None and self.value is not None:
            self.key, self.value = _select((self.key, self.value), rows)
        cross = self.cross_key, self.cross_value
        if cross[0] is not None and cross[1] is not None and not _is_range(sources, len(cross[0])):
            self.cross_key, self.cross_value = _select((cross[0], cross[1]), sources)
            self._cross_room = None
        self.rows_per_source = rows_per_source

    def move(self, targets: Tensor, origins: Tensor, rows: int) -> None:
        """Rows ``targets`` become what ``origins`` are; then only the first ``rows`` stay."""
        own, cross = self._pairs()
        for states in (*own, *cross):
            if len(targets):
                states.index_copy_(0, targets, states.index_select(0, origins))
        self.key, self.value = own[0][:rows], own[1][:rows]
        self.cross_key, self.cross_value = cross[0][:rows], cross[1][:rows]

    def join(self, other: LayerCache, before: int) -> None:
        """Take in the rows of another, behind the own; what is missing is 0.

        Args:
            before: places left free before its tokens.
        """
        (own, cross), (others, other_cross) = self._pairs(), other._pairs()
        room, self._room = self._room or own, None
        joined = [_join(*pair, before, CACHE_ROOM) for pair in zip(room, own, others, strict=True)]
        self._room = joined[0][0], joined[1][0]
        self.key, self.value = joined[0][1], joined[1][1]
        room, self._cross_room = self._cross_room or cross, None
        joined = [_join(*pair, 0, 0) for pair in zip(room, cross, other_cross, strict=True)]
        self._cross_room = joined[0][0], joined[1][0]
        self.cross_key, self.cross_value = joined[0][1], joined[1][1]

    def pack(self, columns: Tensor) -> None:
        """Token j of row i becomes what token ``columns[i, j]`` was."""
        own, _ = self._pairs()
        _, heads, _, width = own[0].shape
        index = columns[:, None, :, None].expand(-1, heads, -1, width)
        self.key, self.value = own[0].gather(2, index), own[1].gather(2, index)
        self._room = None

    def narrow(self, tokens: int, sources: int) -> None:
        """Forget so many of the first tokens of every row, and all but so many first sources."""
        own, cross = self._pairs()
        if self._room is not None:
            self._room = self._room[0][:, :, tokens:], self._room[1][:, :, tokens:]
        self.key, self.value = own[0][:, :, tokens:], own[1][:, :, tokens:]
        self.cross_key, self.cross_value = cross[0][:, :, :sources], cross[1][:, :, :sources]

    def get_seq_length(self) -> int:
        """Number of tokens per row."""
        return 0 if self.key is None else self.key.shape[2]

    def _pairs(self) -> tuple[Pair, Pair]:
        """Of tokens and of sources, once both are there."""
        assert self.key is not None
        assert self.value is not None
        assert self.cross_key is not None
        assert self.cross_value is not None
        return (self.key, self.value), (self.cross_key, self.cross_value)


class KVCache:
    """Past keys and values of every decoder layer.

    Contract: a forward pass appends the self-attention keys of its tokens and computes the
    cross-attention keys once, for as many rows as there are then; ``reorder`` makes row ``i`` what
    row ``rows[i]`` was. Rows that descend from one row share its cross-attention keys.
    """

    def __init__(self, num_layers: int) -> None:
        self.layers = [LayerCache() for _ in range(num_layers)]

    def get_seq_length(self) -> int:
        """Number of tokens per row."""
        return self.layers[0].get_seq_length() if self.layers else 0

    def reorder(self, rows: Tensor) -> None:
        """Select, repeat or drop rows: ``rows`` is (new_rows,) int64.

        Where the rows that stay keep their places or take those of others, only these are copied.
        """
        if not self.layers:
            return
        targets = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        origins = rows[targets]
        if self._may_move(rows, origins):
            for layer in self.layers:
                layer.move(targets, origins, len(rows))
            return
        sources = rows // self.layers[0].rows_per_source
        distinct, counts = torch.unique_consecutive(sources, return_counts=True)
        rows_per_source = 1
        if bool((counts == counts[0]).all()):
            sources, rows_per_source = distinct, int(counts[0])
        for layer in self.layers:
            layer.reorder(rows, sources, rows_per_source)

    def _may_move(self, rows: Tensor, origins: Tensor) -> bool:
        """Whether each row that is moved is one that would be dropped."""
        layer = self.layers[0]
        if layer.key is None or layer.cross_key is None or layer.rows_per_source > 1:
            return False
        return len(rows) <= len(layer.key) and bool((origins >= len(rows)).all())

    def join(self, other: KVCache, before: int) -> None:
        """Take the rows of another behind the own, its tokens behind so many free places."""
        for layer, more in zip(self.layers, other.layers, strict=True):
            layer.join(more, before)

    def pack(self, columns: Tensor) -> None:
        """Token j of row i becomes what token ``columns[i, j]`` was: (rows, tokens) int64."""
        for layer in self.layers:
            layer.pack(columns)

    def narrow(self, tokens: int, sources: int) -> None:
        """Forget so many of the first tokens of every row, and all but so many first sources."""
        for layer in self.layers:
            layer.narrow(tokens, sources)

    def __len__(self) -> int:
        return len(self.layers)


def _select(pair: Pair, rows: Tensor) -> Pair:
    return pair[0].index_select(0, rows), pair[1].index_select(0, rows)


def _is_range(rows: Tensor, count: int) -> bool:
    return len(rows) == count and bool((rows == torch.arange(count, device=rows.device)).all())


def _with_room(states: Tensor, rows: int, length: int) -> Tensor:
    """A copy of (old rows, heads, old length, head_dim) in the front of something larger."""
    old_rows, heads, old_length, width = states.shape
    room = states.new_empty((rows, heads, length, width))
    room[:old_rows, :, :old_length] = states
    return room


def _join(
    room: Tensor, states: Tensor, others: Tensor, before: int, spare: int
) -> tuple[Tensor, Tensor]:
    """Rows of two (rows, heads, length, head_dim), ``before`` places left free before the others.

    Args:
        room: that the first are the front of.
        spare: places for more, if they have to be copied.

    Returns:
        the room, a new one if need be, and what of it is in use.
    """
    old, rows = len(states), len(states) + len(others)
    end = before + others.shape[2]
    length = max(states.shape[2], end)
    if len(room) < rows or room.shape[2] < length:
        room = _with_room(states, rows + int(SPARE_ROWS * rows), length + spare)
    room[:old, :, states.shape[2] : length] = 0
    room[old:rows, :, :before] = 0
    room[old:rows, :, before:end] = others
    room[old:rows, :, end:length] = 0
    return room, room[:rows, :, :length]
