"""A model to a folder that ONNX Runtime or OpenVINO reads: ``docs/export.md`` is the contract."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import torch
from torch import Tensor, nn

from ..draft_head import WEIGHTS as DRAFT_HEAD
from ..encoder import ViTModel
from ..errors import OutputError, UsageError
from ..exported import SUFFIXES, ExportedModel, import_openvino
from ..hub import PROCESSOR_FILES, check_new_folder
from ..line_encoder import LineEncoder
from ..model import VisionEncoderDecoderModel
from .graphs import CrossAttentionGraph, DecoderGraph, LineEncoderGraph, PublishedEncoderGraph

NEEDED = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
}
OPSET = 18  # of ONNX; what the oldest torch that is supported writes
KEPT_FILES = (*PROCESSOR_FILES, DRAFT_HEAD, "README.md", "LICENSE*")
NOT_KEPT = ("*.index.json", "selftest.json")

# Sizes to trace with; those that vary differ from each other, and none is 0 or 1.
EXAMPLE_SIZES = {"batch": 3, "width": 136, "source": 17, "length": 2, "past": 5}
PARTS = ("key", "value")
Shape = tuple[int | str, ...]  # a name stands for a size that varies


class _Uniform(nn.Module):
    """A network behind one signature, by which exporters are told the sizes that vary."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.network(*inputs)
        return outputs


@dataclass(frozen=True)
class Graph:
    """One network: its inputs with their shapes, and its outputs, by name."""

    module: nn.Module
    inputs: dict[str, Shape]
    outputs: tuple[str, ...]

    def example(self) -> tuple[Tensor, ...]:
        """An input of each name: ids are int64, everything else is float32."""
        sizes = {
            name: [EXAMPLE_SIZES[size] if isinstance(size, str) else size for size in shape]
            for name, shape in self.inputs.items()
        }
        return tuple(
            torch.ones(size, dtype=torch.int64 if name == "input_ids" else torch.float32)
            for name, size in sizes.items()
        )

    def varying(self) -> list[dict[int, str]]:
        """The axes of each input whose size may vary, and what they are called."""
        return [
            {axis: size for axis, size in enumerate(shape) if isinstance(size, str)}
            for shape in self.inputs.values()
        ]


def graphs(model: VisionEncoderDecoderModel) -> dict[str, Graph]:
    """The networks of a model, by the names of their files."""
    config = model.config.decoder
    heads = config.decoder_attention_heads
    head_dim = config.d_model // heads
    cross, past, present = (
        [f"{kind}_{part}_{layer}" for layer in range(config.decoder_layers) for part in PARTS]
        for kind in ("cross", "past", "present")
    )
    return {
        "encoder": _encoder(model.encoder),
        "cross_attention": Graph(
            CrossAttentionGraph(model),
            {"encoder_hidden_states": ("batch", "source", model.config.encoder.hidden_size)},
            tuple(cross),
        ),
        "decoder": Graph(
            DecoderGraph(model.decoder),
            {
                "input_ids": ("batch", "length"),
                "encoder_attention_mask": ("batch", "source"),
                **dict.fromkeys(cross, ("batch", heads, "source", head_dim)),
                **dict.fromkeys(past, ("batch", heads, "past", head_dim)),
            },
            ("logits", *present),
        ),
    }


def _encoder(encoder: nn.Module) -> Graph:
    states = ("last_hidden_state", "attention_mask")
    if isinstance(encoder, LineEncoder):
        shape: Shape = ("batch", 1, encoder.config.image_height, "width")
        inputs: dict[str, Shape] = {"pixel_values": shape, "pixel_mask": ("batch", "width")}
        return Graph(LineEncoderGraph(encoder), inputs, (*states, "ctc_logits"))
    assert isinstance(encoder, ViTModel)
    shape = ("batch", encoder.config.num_channels, *encoder.image_size)
    return Graph(PublishedEncoderGraph(encoder), {"pixel_values": shape}, states)


def check_packages(kind: str) -> None:
    """
    Raises:
        UsageError: a package that exporting to a format needs is not installed.
    """
    missing = [name for name in NEEDED[kind] if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"Exporting to {kind} needs {missing[0]}.", f"Run: pip install 'trocr[{kind}]'"
        )


def export(model: VisionEncoderDecoderModel, source: Path, target: Path, kind: str) -> None:
    """Write a model as networks, with everything else that its folder holds.

    Args:
        model: on the CPU in float32, in evaluation mode.
        source: the folder that it was loaded from.
        target: a new folder; it appears when it is whole.
        kind: ``"onnx"`` or ``"openvino"``.

    Raises:
        UsageError: the target is not new, the model was exported itself or packed for inference,
            or a package is not installed.
        OutputError: it cannot be written.
    """
    check_packages(kind)
    check_new_folder(target)
    if isinstance(model, ExportedModel):
        raise UsageError(f"{source} is an exported model.", "Export the one that it was made of.")
    if model.packed_parameters:
        raise UsageError(
            "The model is packed for inference and cannot be exported.",
            "Load it again with from_pretrained, and export that one.",
        )
    write = {"onnx": _write_onnx, "openvino": _write_openvino}[kind]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise OutputError(f"{target} cannot be made: {error.strerror}.", "Name another.") from None
    try:
        for name, graph in graphs(model).items():
            with torch.no_grad(), _quiet():
                write(graph, unfinished / f"{name}{SUFFIXES[kind]}")
        for path in _kept_files(source):
            shutil.copyfile(path, unfinished / path.name)
        if target.is_dir():
            target.rmdir()
        unfinished.chmod(0o755)  # a temporary folder is for its owner alone
        unfinished.rename(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error}.", "Name another.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _kept_files(folder: Path) -> list[Path]:
    left_out = {path for pattern in NOT_KEPT for path in folder.glob(pattern)}
    return sorted({path for pattern in KEPT_FILES for path in folder.glob(pattern)} - left_out)


def _write_onnx(graph: Graph, path: Path) -> None:
    torch.onnx.export(
        _Uniform(graph.module).eval(),
        graph.example(),
        path,
        input_names=list(graph.inputs),
        output_names=list(graph.outputs),
        dynamic_shapes={"inputs": tuple(graph.varying())},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def _write_openvino(graph: Graph, path: Path) -> None:
    openvino = import_openvino()
    with TemporaryDirectory() as folder:
        onnx = Path(folder) / "network.onnx"
        _write_onnx(graph, onnx)
        network = openvino.Core().read_model(onnx)  # convert_model would send telemetry
        openvino.save_model(network, path, compress_to_fp16=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say about themselves."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
