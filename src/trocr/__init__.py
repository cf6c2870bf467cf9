"""trocr: pictures of text lines in, words out.

Every name below is imported when it is first used: ``import trocr`` itself costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import DeiTConfig, TrOCRConfig, VisionEncoderDecoderConfig, ViTConfig
    from .decoder import TrOCRForCausalLM
    from .encoder import DeiTModel, ViTModel
    from .errors import CheckpointError, DataError, ImageError, TrOCRError, UsageError
    from .generation_config import GenerationConfig
    from .model import VisionEncoderDecoderModel
    from .processor import TrOCRProcessor
    from .recognizer import LineResult, Recognizer, load

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "DataError",
    "DeiTConfig",
    "DeiTModel",
    "GenerationConfig",
    "ImageError",
    "LineResult",
    "Recognizer",
    "TrOCRConfig",
    "TrOCRError",
    "TrOCRForCausalLM",
    "TrOCRProcessor",
    "UsageError",
    "ViTConfig",
    "ViTModel",
    "VisionEncoderDecoderConfig",
    "VisionEncoderDecoderModel",
    "__version__",
    "load",
]

_MODULES = {
    "config": ("DeiTConfig", "TrOCRConfig", "ViTConfig", "VisionEncoderDecoderConfig"),
    "decoder": ("TrOCRForCausalLM",),
    "encoder": ("DeiTModel", "ViTModel"),
    "errors": ("CheckpointError", "DataError", "ImageError", "TrOCRError", "UsageError"),
    "generation_config": ("GenerationConfig",),
    "model": ("VisionEncoderDecoderModel",),
    "processor": ("TrOCRProcessor",),
    "recognizer": ("LineResult", "Recognizer", "load"),
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
