"""Models as ``trocr export`` writes them: networks that ONNX Runtime or OpenVINO runs on the CPU.

``docs/export.md`` says what goes in and out of them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from .config import VisionEncoderDecoderConfig
from .decoder import TrOCRForCausalLM
from .errors import CheckpointError, UsageError
from .generation import read_generation_config
from .kv_cache import KVCache
from .model import VisionEncoderDecoderModel
from .outputs import CausalLMOutput, EncoderOutput

NETWORKS = ("encoder", "cross_attention", "decoder")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}


def exported_format(folder: Path) -> str | None:
    """``"onnx"``, ``"openvino"``, or None for a folder that holds no exported model."""
    found = (name for name, suffix in SUFFIXES.items() if (folder / f"decoder{suffix}").is_file())
    return next(found, None)


def load_exported(folder: Path, device: str = "auto", dtype: str = "auto") -> ExportedModel:
    """The model in a folder that ``trocr export`` wrote.

    Raises:
        CheckpointError: a file that is missing or damaged.
        UsageError: another device than the CPU, another dtype than float32, or the package that
            runs the model is not installed.
    """
    if device not in ("auto", "cpu") or dtype not in ("auto", "float32"):
        raise UsageError(
            f"An exported model runs on the CPU in float32, not on {device} in {dtype}.",
            "Load the model that it was exported from.",
        )
    return ExportedModel.from_pretrained(folder)


class Network(Protocol):
    """One exported network."""

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""


class OnnxNetwork:
    """Run by ONNX Runtime, on as many threads as torch uses."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        found = self._session.run(self._outputs, arrays)
        return dict(zip(self._outputs, map(torch.from_numpy, found), strict=True))


class OpenVinoNetwork:
    """Run by OpenVINO, on as many threads as torch uses."""

    def __init__(self, path: Path) -> None:
        openvino = import_openvino()
        settings = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU multiplies it
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._network = openvino.Core().compile_model(path, "CPU", settings)

    def __call__(self, **inputs: Tensor) -> dict[str, Tensor]:
        arrays = {name: tensor.contiguous().numpy() for name, tensor in inputs.items()}
        found = self._network(arrays, share_inputs=True)
        return {output.any_name: torch.from_numpy(array) for output, array in found.items()}


def import_openvino() -> Any:
    """The package ``openvino``, kept from reporting to its makers that it was imported."""
    reporter = "openvino_telemetry"
    known = reporter in sys.modules
    sys.modules.setdefault(reporter, None)  # type: ignore[arg-type]  # not to be imported
    try:
        import openvino
    finally:
        if not known:
            del sys.modules[reporter]
    return openvino


RUNTIMES: dict[str, type[OnnxNetwork] | type[OpenVinoNetwork]] = {
    "onnx": OnnxNetwork,
    "openvino": OpenVinoNetwork,
}


def load_networks(folder: Path) -> dict[str, Network]:
    """The networks of an exported folder by name.

    Raises:
        CheckpointError: one is missing or damaged.
        UsageError: the package that runs them is not installed.
    """
    kind = exported_format(folder)
    if kind is None:
        raise CheckpointError(f"{folder} holds no exported model.", "Make one: `trocr export`.")
    if find_spec(PACKAGES[kind]) is None:
        raise UsageError(
            f"Reading with {folder} needs {PACKAGES[kind]}.", f"Run: pip install 'trocr[{kind}]'"
        )
    return {name: _network(kind, folder / f"{name}{SUFFIXES[kind]}") for name in NETWORKS}


def _network(kind: str, path: Path) -> Network:
    if not path.is_file():
        raise CheckpointError(f"There is no {path}.", "Export the model again.")
    try:
        return RUNTIMES[kind](path)
    except Exception as error:  # the runtimes raise classes of their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{path} cannot be loaded: {reason}", "Export the model again."
        ) from None


Cache = dict[str, Tensor]  # keys and values of every layer by the names of the decoder's inputs


class ExportedDecoder(TrOCRForCausalLM):
    """A decoder whose networks run outside torch; its modules have shapes, but no values."""

    networks: dict[str, Network]

    def forward(self, *args: Any, **kwargs: Any) -> CausalLMOutput:
        """Logits of the next token at every position.

        Args:
            kwargs: ``input_ids``, ``encoder_hidden_states``, ``encoder_attention_mask`` and
                ``past_key_values``, as of any decoder.

        Raises:
            UsageError: attentions are asked for.
        """
        if kwargs.get("output_attentions"):
            raise UsageError(
                "An exported model does not show what it attends to, which is how words are found"
                " without a CTC head.",
                "Read single lines (--lines), or with the model that it was exported from.",
            )
        states, mask = kwargs["encoder_hidden_states"], kwargs["encoder_attention_mask"]
        mask = states.new_ones(states.shape[:2]) if mask is None else mask
        cache = kwargs.get("past_key_values") or KVCache(self.config.decoder_layers)
        layers = cache.layers
        if layers[0].cross_key is None:
            cross = self.networks["cross_attention"](encoder_hidden_states=states)
            for index, layer in enumerate(layers):
                layer.cross_key, layer.cross_value = _pair(cross, "cross", index)
        cross = _cache("cross", [(layer.cross_key, layer.cross_value) for layer in layers])
        past = self.empty_cache(len(states))
        if layers[0].key is not None:
            past = _cache("past", [(layer.key, layer.value) for layer in layers])
        logits, past = self.read(kwargs["input_ids"], mask, cross, past)
        for index, layer in enumerate(layers):
            layer.key, layer.value = _pair(past, "past", index)
        return CausalLMOutput(logits=logits, past_key_values=cache)

    def read(
        self, token_ids: Tensor, mask: Tensor, cross: Cache, past: Cache
    ) -> tuple[Tensor, Cache]:
        """Logits (rows, new_tokens, vocab) after each new token, and the longer past."""
        found = self.networks["decoder"](
            input_ids=token_ids, encoder_attention_mask=mask, **cross, **past
        )
        return found["logits"], {name: found[name.replace("past", "present")] for name in past}

    def empty_cache(self, rows: int) -> Cache:
        """The past of rows without tokens."""
        config = self.config
        heads = config.decoder_attention_heads
        none = torch.empty(rows, heads, 0, config.d_model // heads)
        return _cache("past", [(none, none)] * config.decoder_layers)


def _cache(kind: str, layers: Sequence[tuple[Tensor | None, Tensor | None]]) -> Cache:
    return {
        f"{kind}_{part}_{index}": tensor
        for index, pair in enumerate(layers)
        for part, tensor in zip(("key", "value"), pair, strict=True)
        if tensor is not None
    }


def _pair(cache: Cache, kind: str, index: int) -> tuple[Tensor, Tensor]:
    return cache[f"{kind}_key_{index}"], cache[f"{kind}_value_{index}"]


class ExportedSteps:
    """An exported decoder over encoded lines, as the ``StepModel`` of ``decoding``."""

    def __init__(self, decoder: ExportedDecoder, states: Tensor, mask: Tensor) -> None:
        self._decoder = decoder
        self._mask = mask
        self._cross = decoder.networks["cross_attention"](encoder_hidden_states=states)
        self._past = decoder.empty_cache(len(states))
        self._lines = torch.arange(len(states))  # that the rows belong to

    def step(self, token_ids: Tensor) -> Tensor:
        """Read ``token_ids`` (rows, new_tokens); the next token's logits (rows, vocab)."""
        logits, self._past = self._decoder.read(token_ids, self._mask, self._cross, self._past)
        return logits[:, -1]

    def reorder(self, rows: Tensor) -> None:
        """Make row i what row ``rows[i]`` was."""
        self._past = {name: past.index_select(0, rows) for name, past in self._past.items()}
        lines = self._lines[rows]
        if not torch.equal(lines, self._lines):  # beams mostly change places within their line
            self._mask = self._mask[rows]
            self._cross = {name: seen.index_select(0, rows) for name, seen in self._cross.items()}
        self._lines = lines


class ExportedModel(VisionEncoderDecoderModel):
    """A model whose networks run outside torch; its modules have shapes, but no values."""

    joins_rows = False

    def __init__(self, config: VisionEncoderDecoderConfig) -> None:
        super().__init__(config, decoder=ExportedDecoder(config.decoder))

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def encode(self, pixel_values: Tensor | None, **options: Any) -> EncoderOutput:
        if pixel_values is None:
            return super().encode(pixel_values)
        found: dict[str, Any] = dict(self._encoder(pixel_values=pixel_values, **options))
        return EncoderOutput(**found)

    def decoder_steps(  # type: ignore[override]
        self, encoded: EncoderOutput, *, use_cache: bool = True
    ) -> ExportedSteps:
        """As of any model; the cache is always used."""
        assert isinstance(self.decoder, ExportedDecoder)
        assert encoded.attention_mask is not None
        return ExportedSteps(self.decoder, encoded.last_hidden_state, encoded.attention_mask)

    def _project(self, states: Tensor) -> Tensor:
        return states  # the network of the cross-attention does

    def _load(self, folder: Path) -> None:
        networks = load_networks(folder)
        self._encoder = networks["encoder"]
        assert isinstance(self.decoder, ExportedDecoder)
        self.decoder.networks = networks
        self.generation_config = read_generation_config(folder)

    def published_tensors(self) -> dict[str, Tensor]:
        raise UsageError(
            "An exported model has no weights to save.",
            "Copy its folder, or save the model that it was exported from.",
        )
