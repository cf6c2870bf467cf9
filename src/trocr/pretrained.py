"""What every model class shares: reading and writing its folder, and a few facts about it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .checkpoint import KeyTable, NamePairs, load_tensors, read_tensors, write_tensors
from .config import ModelConfig
from .errors import CheckpointError, UsageError
from .hub import resolve_folder, upload_folder
from .layer_stack import LayerStack
from .quantization_config import BitsAndBytesConfig

Model = TypeVar("Model", bound="PretrainedModel")

# What a constructor raises when the values of a config.json make no sense together.
_BAD_CONFIG = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


_DRAWING = {
    Tensor.normal_,
    Tensor.uniform_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
}


class _WithoutRandomness(TorchFunctionMode):
    """Leaves new parameters as they are: drawing on the meta device would import torch._dynamo,
    which takes longer than everything else that loading does."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


class PretrainedModel(nn.Module):
    """A module that is built from a configuration alone and lives in a checkpoint folder.

    Subclasses set ``config_class`` and, where parameters are called otherwise in the published
    files, ``published_names``. A buffer that is not in the file is rebuilt by its module's
    ``reset_buffers``.
    """

    config_class: ClassVar[type[ModelConfig]]
    published_names: ClassVar[NamePairs] = ()

    supports_gradient_checkpointing = True
    main_input_name = "pixel_values"
    # What the reference's Trainer asks for.
    accepts_loss_kwargs = False  # the loss is the mean of its own batch
    _keys_to_ignore_on_save: ClassVar[None] = None

    config: Any
    packed_parameters = 0  # how many ``engine.prepare`` has packed, after which none is saved
    quantization_config: BitsAndBytesConfig | None = None

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(p.dtype for p in self.parameters() if p.is_floating_point())

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Number of scalars, shared ones counted once.

        Args:
            exclude_embeddings: leave out those of ``nn.Embedding``.
        """
        if self.packed_parameters:
            return 0 if only_trainable else self.packed_parameters
        embeddings = [m.weight for m in self.modules() if isinstance(m, nn.Embedding)]
        left_out = set(embeddings) if exclude_embeddings else set()
        counted = (p for p in self.parameters() if p not in left_out)
        return sum(p.numel() for p in counted if p.requires_grad or not only_trainable)

    @property
    def is_gradient_checkpointing(self) -> bool:
        return any(stack.gradient_checkpointing for stack in self._layer_stacks())

    def gradient_checkpointing_enable(
        self, gradient_checkpointing_kwargs: dict[str, Any] | None = None
    ) -> None:
        """Recompute each layer in the backward pass: less memory, no cache while training.

        Args:
            gradient_checkpointing_kwargs: of ``torch.utils.checkpoint.checkpoint``; but
                ``use_reentrant`` is always False, which gives the same gradients.
        """
        for stack in self._layer_stacks():
            stack.gradient_checkpointing = True
            stack.checkpointing_options = gradient_checkpointing_kwargs or {}

    def activation_checkpointing_enable(
        self,
        activation_checkpointing_kwargs: dict[str, Any] | None = None,
        every_n_layers: int = 1,
        offload: bool = False,
    ) -> None:
        """The newer name of ``gradient_checkpointing_enable``.

        Raises:
            UsageError: only some layers are asked for, or memory elsewhere.
        """
        if every_n_layers != 1 or offload:
            raise UsageError(
                f"Checkpointing with every_n_layers={every_n_layers}, offload={offload}.",
                "Only every_n_layers=1 without offload is there.",
            )
        self.gradient_checkpointing_enable(activation_checkpointing_kwargs)

    def gradient_checkpointing_disable(self) -> None:
        for stack in self._layer_stacks():
            stack.gradient_checkpointing = False

    def _layer_stacks(self) -> Iterator[LayerStack]:
        return (module for module in self.modules() if isinstance(module, LayerStack))

    def tied_names(self) -> dict[str, str]:
        """Parameters that share another one's tensor: name -> name of the other."""
        return {}

    def tie_weights(self) -> None:
        """Make every parameter of ``tied_names`` the other one."""

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """As of any module, but without the second names of shared tensors."""
        state = super().state_dict(*args, **options)
        prefix = options.get("prefix", "")
        for alias, original in self.tied_names().items():
            one, other = state.get(prefix + alias), state.get(prefix + original)
            if one is not None and other is not None and one.data_ptr() == other.data_ptr():
                del state[prefix + alias]
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As of any module, of names as here or as published; shared tensors may come once."""
        table = self.key_table()
        state = {table.to_ours(name): tensor for name, tensor in state_dict.items()}
        for alias, original in self.tied_names().items():
            if original in state:
                state.setdefault(alias, state[original])
        return super().load_state_dict(state, strict, assign)

    def key_table(self) -> KeyTable:
        """Names here and in the published files."""
        return KeyTable(self.published_names)

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        token: str | bool | None = None,
        revision: str | None = None,
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        quantization_config: BitsAndBytesConfig | dict[str, Any] | None = None,
    ) -> Model:
        """Load a checkpoint folder, or one of the Hugging Face hub, in evaluation mode.

        Args:
            pretrained_model_name_or_path: a folder, or a hub id such as
                ``microsoft/trocr-base-handwritten``.
            cache_dir, force_download, local_files_only, token, revision: about the hub.
            dtype: of the weights, ``torch.bfloat16`` or ``"bfloat16"``; ``"auto"`` keeps the
                file's; default float32. ``torch_dtype`` is its older name.
            quantization_config: turn linear layers into those of bitsandbytes, on CUDA where there
                is one (default dtype of the rest there: float16), else on the CPU.

        Raises:
            CheckpointError: no such folder, or one whose config.json or weights are missing,
                corrupt, unsafe, quantised already, or do not fit each other.
            UsageError: an unknown dtype; bitsandbytes is asked for and not installed.
        """
        folder = resolve_folder(
            pretrained_model_name_or_path,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            revision=revision,
        )
        quantized: BitsAndBytesConfig | None = (
            BitsAndBytesConfig.from_dict(quantization_config)
            if isinstance(quantization_config, dict)
            else quantization_config
        )
        dtype = dtype if dtype is not None else torch_dtype
        if dtype is None and quantized is not None and torch.cuda.is_available():
            dtype = torch.float16
        wanted = _dtype(dtype)
        try:
            # Parameters come from the file, so none is allocated or drawn at random before.
            with torch.device("meta"), _WithoutRandomness():
                model = cls(cls.config_class.from_pretrained(folder))
        except _BAD_CONFIG as error:
            raise CheckpointError(
                f"{folder}/config.json does not describe a model: {error}", "Download it again."
            ) from None
        if getattr(model.config, "quantization_config", None):
            raise CheckpointError(
                f"The weights in {folder} are quantised already, and cannot be read.",
                "Load the original model, with quantization_config=BitsAndBytesConfig(…).",
            )
        model._load(folder)
        if wanted is not None:
            model = model.to(wanted)
        if quantized is not None and quantized.is_quantizable():
            model._quantize(quantized)
        return model.eval()

    def _quantize(self, config: BitsAndBytesConfig) -> None:
        from .bitsandbytes_layers import quantize_linears

        get_head = getattr(self, "get_output_embeddings", lambda: None)
        quantize_linears(self, config, output_projection=get_head(), names=self.key_table())
        self.quantization_config = config

    def _load(self, folder: Path) -> None:
        """Fill a model that was built without memory from its folder."""
        tied = self.tied_names()
        equal = load_tensors(self, read_tensors(folder), self.key_table(), tied, folder)
        if equal:
            self.tie_weights()
        else:
            self.untie_weights()
        for module in self.modules():
            if any(buffer.is_meta for buffer in module.buffers(recurse=False)):
                reset: Any = module
                reset.reset_buffers()

    def untie_weights(self) -> None:
        """Let the configuration say that nothing of ``tied_names`` is shared."""

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        max_shard_size: int | str = "5GB",
        safe_serialization: bool = True,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        """Write ``config.json`` and the weights, by their published names, into a folder.

        Args:
            max_shard_size: bytes, or ``"5GB"``; a file does not grow beyond it.
            safe_serialization: safetensors; otherwise ``pytorch_model.bin``.
            push_to_hub: upload the folder too, as ``repo_id`` or under the folder's name.

        Raises:
            UsageError: the path is a file, the shard size cannot be read, or the model is
                quantised.
        """
        if self.quantization_config is not None:
            raise UsageError(
                "Layers of bitsandbytes cannot be saved.",
                "Save the model without them, and quantise it when it is loaded.",
            )
        if self.packed_parameters:
            raise UsageError(
                "The model is packed for inference and cannot be saved.",
                "Load it again with from_pretrained, and save that one.",
            )
        folder = Path(save_directory)
        if folder.is_file():
            raise UsageError(f"{folder} is a file.", "Name a folder to save the model in.")
        write_tensors(
            folder,
            self.published_tensors(),
            max_shard_size=max_shard_size,
            safe_serialization=safe_serialization,
        )
        self.save_settings(folder)
        if push_to_hub:
            upload_folder(folder, repo_id or folder.name, token=token)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        token: str | bool | None = None,
        private: bool | None = None,
        revision: str | None = None,
        commit_message: str | None = None,
        **save_options: Any,
    ) -> str:
        """Save into a temporary folder and upload that.

        Args:
            private, revision, commit_message: of the repository, the branch and the commit.
            save_options: as in ``save_pretrained``.

        Returns:
            The repository's full name.

        Raises:
            CheckpointError: the hub refuses, or cannot be reached.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder, **save_options)
            return upload_folder(
                folder,
                repo_id,
                token=token,
                private=private,
                revision=revision,
                commit_message=commit_message,
            )

    def save_settings(self, folder: str | Path) -> None:
        """Write what ``save_pretrained`` writes besides the weights."""
        self.config.architectures = [type(self).__name__]
        dtype_key = "torch_dtype" if hasattr(self.config, "torch_dtype") else "dtype"
        setattr(self.config, dtype_key, str(self.dtype).removeprefix("torch."))
        self.config.save_pretrained(folder)
        self._save_extras(Path(folder))

    def published_tensors(self) -> dict[str, Tensor]:
        """The weights by their published names."""
        table = self.key_table()
        return {table.to_published(name): tensor for name, tensor in self.state_dict().items()}

    def _save_extras(self, folder: Path) -> None:
        """Write what a folder of this class holds besides configuration and weights."""


def _dtype(name: torch.dtype | str | None) -> torch.dtype | None:
    """The dtype to cast to; ``None`` to leave the file's."""
    if name is None:
        return torch.float32
    if isinstance(name, torch.dtype):
        return name
    if name == "auto":
        return None
    dtype = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UsageError(f"Unknown dtype {name!r}.", "Use float32, bfloat16, float16 or auto.")
    return dtype
