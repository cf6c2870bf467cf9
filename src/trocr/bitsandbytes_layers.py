"""Linear layers of bitsandbytes in the place of a model's own."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .errors import UsageError
from .quantization_config import BitsAndBytesConfig

if TYPE_CHECKING:
    from .checkpoint import KeyTable

# A line encoder multiplies by parts of this weight itself.
_NEVER = ("encoder.projection",)


def quantize_linears(
    model: nn.Module,
    config: BitsAndBytesConfig,
    *,
    output_projection: nn.Module | None,
    names: KeyTable,
) -> None:
    """Replace the linear layers, in place, and move the model to CUDA where there is one.

    Embeddings, convolutions, norms, and by default ``output_projection`` stay as they are.

    Args:
        model: loaded, on the CPU.
        names: translates module names to the published ones; ``llm_int8_skip_modules`` may use
            either.

    Raises:
        UsageError: bitsandbytes is not installed, or the 4-bit type is not known.
    """
    if config.quantization_method() is None:
        raise UsageError(
            f"Unknown bnb_4bit_quant_type {config.bnb_4bit_quant_type!r}.", "Use fp4 or nf4."
        )
    library = _import_bitsandbytes()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    skipped = config.llm_int8_skip_modules
    for name, linear in list(_linears(model)):
        kept = output_projection is linear if skipped is None else False
        spoken = (name, names.to_published(name))
        if not kept and not any(_matches(each, (*_NEVER, *(skipped or ()))) for each in spoken):
            model.set_submodule(name, _quantized(linear, config, library, device))
    model.to(device)


def _linears(model: nn.Module) -> Iterator[tuple[str, nn.Linear]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(
        name.endswith(pattern) or re.match(rf"(?:{pattern})(?![^.])", name) for pattern in patterns
    )


def _quantized(
    linear: nn.Linear, config: BitsAndBytesConfig, library: Any, device: torch.device
) -> nn.Module:
    sizes = linear.in_features, linear.out_features
    weight = linear.weight.detach()
    new: nn.Module
    with torch.device("meta"):  # the weights are here already
        if config.load_in_8bit:
            sixteen = config.llm_int8_has_fp16_weight
            options = {"has_fp16_weights": sixteen, "threshold": config.llm_int8_threshold}
            new = library.nn.Linear8bitLt(*sizes, bias=False, **options)
        else:
            new = library.nn.Linear4bit(
                *sizes,
                bias=False,
                compute_dtype=config.bnb_4bit_compute_dtype,
                compress_statistics=config.bnb_4bit_use_double_quant,
                quant_type=config.bnb_4bit_quant_type,
                quant_storage=config.bnb_4bit_quant_storage,
            )
    if config.load_in_8bit:
        new.weight = library.nn.Int8Params(
            weight, requires_grad=False, has_fp16_weights=config.llm_int8_has_fp16_weight
        )
    else:
        new.weight = library.nn.Params4bit(
            weight,
            requires_grad=False,
            compress_statistics=config.bnb_4bit_use_double_quant,
            quant_type=config.bnb_4bit_quant_type,
            quant_storage=config.bnb_4bit_quant_storage,
            module=new,
        )
    if linear.bias is not None:
        new.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
    return new.to(device)  # which quantises


def _import_bitsandbytes() -> Any:
    try:
        import bitsandbytes
    except ImportError as error:
        raise UsageError(
            f"8- and 4-bit weights of this kind need bitsandbytes ({error}).",
            "Install it: pip install 'trocr[bitsandbytes]'. On a CPU "
            "`trocr optimize quantize` is faster and needs nothing.",
        ) from None
    # It says so at every product.
    logging.getLogger("bitsandbytes.autograd._functions").addFilter(_says_more_than_a_cast)
    return bitsandbytes


def _says_more_than_a_cast(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in record.getMessage()
