"""How bitsandbytes is to quantise a model: the published configuration class and its JSON."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from .errors import UsageError

_STORAGE_DTYPES = ("float16", "float32", "int8", "uint8", "float64", "bfloat16")
_BOTH = "load_in_4bit and load_in_8bit are both True, but only one can be used at a time."


class WrongTypeError(UsageError, TypeError):
    """A setting of another type than it has to be."""


class BitsAndBytesConfig:
    """Settings with the names, defaults and checks of ``transformers.BitsAndBytesConfig``.

    Args:
        load_in_8bit: LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339).
        load_in_4bit: FP4 or NF4 (Dettmers et al. 2023, arXiv 2305.14314).
        llm_int8_threshold: activations beyond it are outliers, multiplied in 16 bits.
        llm_int8_skip_modules: modules that stay as they are: names, ends of names, or patterns
            that match from the start; default the output projection.
        llm_int8_enable_fp32_cpu_offload: kept for the JSON; nothing is offloaded here.
        llm_int8_has_fp16_weight: keep 16-bit weights and quantise them in every forward pass.
        bnb_4bit_compute_dtype: a dtype or its name; default float32.
        bnb_4bit_quant_type: ``"fp4"`` or ``"nf4"``.
        bnb_4bit_use_double_quant: quantise the scales as well.
        bnb_4bit_quant_storage: dtype that the 4-bit values are packed in; default uint8.
        unused: further keys of a JSON file, ignored.

    Raises:
        UsageError: 4 and 8 bits at once, or an unknown dtype.
        WrongTypeError: a value of a wrong type (also a ``TypeError``).
    """

    def __init__(
        self,
        load_in_8bit: bool = False,
        load_in_4bit: bool = False,
        llm_int8_threshold: float = 6.0,
        llm_int8_skip_modules: list[str] | None = None,
        llm_int8_enable_fp32_cpu_offload: bool = False,
        llm_int8_has_fp16_weight: bool = False,
        bnb_4bit_compute_dtype: torch.dtype | str | None = None,
        bnb_4bit_quant_type: str = "fp4",
        bnb_4bit_use_double_quant: bool = False,
        bnb_4bit_quant_storage: torch.dtype | str | None = None,
        **unused: Any,
    ) -> None:
        if load_in_4bit and load_in_8bit:
            raise UsageError(_BOTH, "Choose one.")
        self.quant_method = "bitsandbytes"
        self._load_in_8bit = load_in_8bit
        self._load_in_4bit = load_in_4bit
        self.llm_int8_threshold = llm_int8_threshold
        self.llm_int8_skip_modules = llm_int8_skip_modules
        self.llm_int8_enable_fp32_cpu_offload = llm_int8_enable_fp32_cpu_offload
        self.llm_int8_has_fp16_weight = llm_int8_has_fp16_weight
        self.bnb_4bit_quant_type = bnb_4bit_quant_type
        self.bnb_4bit_use_double_quant = bnb_4bit_use_double_quant
        self.bnb_4bit_compute_dtype = _compute_dtype(bnb_4bit_compute_dtype)
        self.bnb_4bit_quant_storage = _storage_dtype(bnb_4bit_quant_storage)
        self._check_types()

    def _check_types(self) -> None:
        skipped = self.llm_int8_skip_modules
        for name, kind, spoken in (
            ("load_in_4bit", bool, "a boolean"),
            ("load_in_8bit", bool, "a boolean"),
            ("llm_int8_threshold", float, "a float"),
            ("llm_int8_enable_fp32_cpu_offload", bool, "a boolean"),
            ("llm_int8_has_fp16_weight", bool, "a boolean"),
            ("bnb_4bit_quant_type", str, "a string"),
            ("bnb_4bit_use_double_quant", bool, "a boolean"),
        ):
            _check_type(name, getattr(self, name), kind, spoken)
        if skipped is not None:
            _check_type("llm_int8_skip_modules", skipped, list, "a list of strings")

    @property
    def load_in_8bit(self) -> bool:
        return self._load_in_8bit

    @load_in_8bit.setter
    def load_in_8bit(self, value: bool) -> None:
        _check_type("load_in_8bit", value, bool, "a boolean")
        if value and self.load_in_4bit:
            raise UsageError(_BOTH, "Choose one.")
        self._load_in_8bit = value

    @property
    def load_in_4bit(self) -> bool:
        return self._load_in_4bit

    @load_in_4bit.setter
    def load_in_4bit(self, value: bool) -> None:
        _check_type("load_in_4bit", value, bool, "a boolean")
        if value and self.load_in_8bit:
            raise UsageError(_BOTH, "Choose one.")
        self._load_in_4bit = value

    def is_quantizable(self) -> bool:
        """Whether it asks for 8 or 4 bits at all."""
        return self.load_in_8bit or self.load_in_4bit

    def quantization_method(self) -> str | None:
        """``"llm_int8"``, ``"fp4"``, ``"nf4"``, or None."""
        if self.load_in_8bit:
            return "llm_int8"
        known = self.load_in_4bit and self.bnb_4bit_quant_type in ("fp4", "nf4")
        return self.bnb_4bit_quant_type if known else None

    @classmethod
    def from_dict(
        cls, config_dict: dict[str, Any], return_unused_kwargs: bool = False, **kwargs: Any
    ) -> Any:
        """From parsed JSON, with ``kwargs`` on top; on request also those that were not used."""
        config = cls(**config_dict)
        unused = config.update(**kwargs)
        return (config, unused) if return_unused_kwargs else config

    def update(self, **kwargs: Any) -> dict[str, Any]:
        """Set what has a name here; returns the rest."""
        known = {name for name in kwargs if hasattr(self, name)}
        for name in known:
            setattr(self, name, kwargs[name])
        return {name: value for name, value in kwargs.items() if name not in known}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; dtypes by their names."""
        values = copy.deepcopy(vars(self))
        for name in ("bnb_4bit_compute_dtype", "bnb_4bit_quant_storage"):
            values[name] = str(values[name]).removeprefix("torch.")
        values["load_in_4bit"] = self.load_in_4bit
        values["load_in_8bit"] = self.load_in_8bit
        return values

    def to_diff_dict(self) -> dict[str, Any]:
        """The values of ``to_dict`` that are not the defaults."""
        defaults = BitsAndBytesConfig().to_dict()
        return {name: value for name, value in self.to_dict().items() if value != defaults[name]}

    def to_json_string(self, use_diff: bool = True) -> str:
        """JSON of ``to_diff_dict``, or of everything."""
        values = self.to_diff_dict() if use_diff else self.to_dict()
        return json.dumps(values, indent=2, sort_keys=True) + "\n"

    def to_json_file(self, json_file_path: str | Path) -> None:
        """Write everything as JSON."""
        text = self.to_json_string(use_diff=False)
        Path(json_file_path).write_text(text, encoding="utf-8")

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Attributes by name, so that ``dict(config)`` works."""
        yield from copy.deepcopy(vars(self)).items()

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.to_json_string(use_diff=False)}"


def _check_type(name: str, value: Any, kind: type, spoken: str) -> None:
    if not isinstance(value, kind):
        raise WrongTypeError(f"{name} must be {spoken}.", f"It is {value!r}.")


def _compute_dtype(value: Any) -> torch.dtype:
    if value is None:
        return torch.float32
    dtype = getattr(torch, value, None) if isinstance(value, str) else value
    if not isinstance(dtype, torch.dtype):
        raise UsageError(
            "bnb_4bit_compute_dtype must be a string or a torch.dtype.", f"It is {value!r}."
        )
    return dtype


def _storage_dtype(value: Any) -> torch.dtype:
    if value is None:
        return torch.uint8
    dtype = getattr(torch, value) if value in _STORAGE_DTYPES else value
    if not isinstance(dtype, torch.dtype):
        raise UsageError(
            "bnb_4bit_quant_storage must be a torch.dtype or the name of one.",
            f"It is {value!r}. Known: {', '.join(_STORAGE_DTYPES)}.",
        )
    return dtype
