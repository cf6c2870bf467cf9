"""Which weights of a model learn: frozen parts, and LoRA (Hu et al. 2021, arXiv 2106.09685)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import UsageError
from ...model import VisionEncoderDecoderModel

_STEM = ("stem", "projection", "patch_embeddings", "position_embeddings", "cls_token")
# The prefixes of the names of its parameters; norms are told by their class.
_PARTS = {
    "stem": tuple(f"encoder.{name}" for name in (*_STEM, "distillation_token")),
    "encoder": ("encoder.",),
    "decoder": ("decoder.", "enc_to_dec_proj."),
    "embeddings": ("decoder.model.decoder.embed_tokens.",),
    "heads": ("decoder.output_projection.", "encoder.ctc_head."),
    "norms": (),
}
PARTS = tuple(_PARTS)
_NORMS = (nn.LayerNorm, nn.BatchNorm2d)
_ADAPTED = {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}


def freeze(model: VisionEncoderDecoderModel, parts: Collection[str], first_layers: int = 0) -> None:
    """Keep parts of a model as they are; a frozen batch norm keeps its statistics too.

    Args:
        parts: of ``PARTS``. ``"stem"``: what turns pixels into tokens; ``"encoder"``,
            ``"decoder"``: all but the two that depend on the vocabulary, which are
            ``"embeddings"`` and ``"heads"`` (output projection, CTC head; a tied projection goes
            with the embeddings); ``"norms"``: of both halves.
        first_layers: so many layers of the encoder are frozen, and the stem below them.

    Raises:
        UsageError: an unknown part, more layers than there are, or nothing left to train.
    """
    _known(parts)
    layers: nn.ModuleList = model.get_submodule("encoder.layers")  # type: ignore[assignment]
    if not 0 <= first_layers <= len(layers):
        raise UsageError(
            f"The encoder has {len(layers)} layers, not {first_layers}.", "Freeze fewer."
        )
    frozen = _names(model, {*parts, "stem"} if first_layers else parts)
    prefixes = tuple(f"encoder.layers.{i}." for i in range(first_layers))
    for name, parameter in model.named_parameters():
        if name in frozen or name.startswith(prefixes):
            parameter.requires_grad_(False)
    if not model.num_parameters(only_trainable=True):
        raise UsageError("Every part of the model is frozen.", "Leave one to train.")


def _known(parts: Collection[str]) -> None:
    for part in parts:
        if part not in _PARTS:
            raise UsageError(f"Unknown part of a model {part!r}.", f"Known: {', '.join(PARTS)}.")


def _names(model: nn.Module, parts: Collection[str]) -> set[str]:
    """Of the parameters of some parts."""
    vocabulary = _PARTS["embeddings"] + _PARTS["heads"]
    found = set()
    for part in parts:
        kept_out = vocabulary if part in ("encoder", "decoder") else ()
        found |= {
            name
            for name, _ in model.named_parameters()
            if name.startswith(_PARTS[part]) and not name.startswith(kept_out)
        }
    if "norms" in parts:
        norms = (name for name, module in model.named_modules() if isinstance(module, _NORMS))
        found |= {f"{name}.{which}" for name in norms for which in ("weight", "bias")}
    return found


class LoRALinear(nn.Linear):
    """A frozen linear layer and what is learned beside it: ``scale * lora_b @ lora_a``.

    Its weight and bias have the names of the layer that it stands for.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)  # the layer has its parameters already
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(layer.weight.new_empty(rank, layer.in_features))
        self.lora_b = nn.Parameter(layer.weight.new_zeros(layer.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, states: Tensor) -> Tensor:
        change = F.linear(F.linear(states, self.lora_a), self.lora_b)
        return F.linear(states, self.weight, self.bias) + self.scale * change

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that computes the same."""
        layer = nn.Linear(self.in_features, self.out_features, device="meta")
        weight = self.weight + self.scale * self.lora_b @ self.lora_a
        layer.weight, layer.bias = nn.Parameter(weight), self.bias
        return layer.train(self.training)


def add_lora(
    model: VisionEncoderDecoderModel, rank: int, alpha: float, also: Collection[str] = ()
) -> None:
    """Freeze a model but for adapters of ``rank`` beside the linear layers of its Transformers.

    The model computes what it did before, until the adapters learn.

    Args:
        alpha: the adapters' output is scaled by ``alpha / rank``.
        also: parts (of ``PARTS``) that are trained besides, such as ``("embeddings", "heads")``
            after a change of vocabulary.

    Raises:
        UsageError: a rank below 1, an unknown part, or a model that has adapters already.
    """
    _known(also)
    if rank < 1:
        raise UsageError(f"A LoRA rank of {rank}.", "It has to be at least 1.")
    if any(isinstance(module, LoRALinear) for module in model.modules()):
        raise UsageError("The model has LoRA adapters already.", "Merge them first.")
    model.requires_grad_(False)
    for parent, name, layer in list(_linear_layers(model)):
        if name in _ADAPTED:
            setattr(parent, name, LoRALinear(layer, rank, alpha))
    trained = _names(model, also)
    for name, parameter in model.named_parameters():
        if name in trained and ".lora_" not in name:
            parameter.requires_grad_(True)


def merge_lora(model: VisionEncoderDecoderModel) -> VisionEncoderDecoderModel:
    """Write the adapters into the layers they stand beside; ``model`` is changed and returned.

    What was frozen and is no adapter's layer stays frozen.
    """
    for parent, name, layer in list(_linear_layers(model)):
        if isinstance(layer, LoRALinear):
            setattr(parent, name, layer.merged())
    return model


def _linear_layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in model.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                yield parent, name, child
