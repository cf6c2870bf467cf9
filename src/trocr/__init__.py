"""trocr: pages in, documents out; pictures of text lines in, words out.

Every name below is imported when it is first used: ``import trocr`` itself costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client
    from .config import DeiTConfig, TrOCRConfig, VisionEncoderDecoderConfig, ViTConfig
    from .decoder import TrOCRForCausalLM
    from .document import Character, Document, Line, Page, Region, Word
    from .encoder import DeiTModel, ViTModel
    from .errors import (
        CheckpointError,
        DataError,
        ImageError,
        OutputError,
        RefusedError,
        ServerError,
        TrOCRError,
        UsageError,
    )
    from .generation_config import GenerationConfig
    from .line_result import LineResult
    from .model import VisionEncoderDecoderModel
    from .pipeline import read, read_each
    from .processor import TrOCRProcessor
    from .quantization_config import BitsAndBytesConfig
    from .readers import read_document
    from .recognizer import Recognizer, load
    from .writers import write

__version__ = "0.1.0"

__all__ = [
    "BitsAndBytesConfig",
    "Character",
    "CheckpointError",
    "Client",
    "DataError",
    "DeiTConfig",
    "DeiTModel",
    "Document",
    "GenerationConfig",
    "ImageError",
    "Line",
    "LineResult",
    "OutputError",
    "Page",
    "Recognizer",
    "RefusedError",
    "Region",
    "ServerError",
    "TrOCRConfig",
    "TrOCRError",
    "TrOCRForCausalLM",
    "TrOCRProcessor",
    "UsageError",
    "ViTConfig",
    "ViTModel",
    "VisionEncoderDecoderConfig",
    "VisionEncoderDecoderModel",
    "Word",
    "__version__",
    "load",
    "read",
    "read_document",
    "read_each",
    "write",
]

_MODULES = {
    "client": ("Client",),
    "config": ("DeiTConfig", "TrOCRConfig", "ViTConfig", "VisionEncoderDecoderConfig"),
    "decoder": ("TrOCRForCausalLM",),
    "encoder": ("DeiTModel", "ViTModel"),
    "document": ("Character", "Document", "Line", "Page", "Region", "Word"),
    "errors": (
        "CheckpointError",
        "DataError",
        "ImageError",
        "OutputError",
        "RefusedError",
        "ServerError",
        "TrOCRError",
        "UsageError",
    ),
    "generation_config": ("GenerationConfig",),
    "line_result": ("LineResult",),
    "model": ("VisionEncoderDecoderModel",),
    "pipeline": ("read", "read_each"),
    "processor": ("TrOCRProcessor",),
    "quantization_config": ("BitsAndBytesConfig",),
    "readers": ("read_document",),
    "recognizer": ("Recognizer", "load"),
    "writers": ("write",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
