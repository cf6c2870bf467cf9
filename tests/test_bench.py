"""How fast a model reads: what is counted, what is timed, and what ``trocr bench`` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from line_models import (
    CHARACTERS,
    save_tiny_model,
    tiny_line_model,
    tiny_processor,
    tiny_recognizer,
)
from torch.utils.flop_counter import FlopCounterMode

import trocr
from trocr import recognizer
from trocr.bench import machine, runner, work
from trocr.bench.lines import drawn_line, drawn_lines, text_of
from trocr.bench.stages import STAGES, Search, Stages, watched
from trocr.cli import main
from trocr.config import DeiTConfig, TrOCRConfig, VisionEncoderDecoderConfig
from trocr.hybrid import HybridDecoder
from trocr.image_processor import ViTImageProcessor
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import Recognizer

LINES = Path(__file__).parent / "data" / "receipt-lines"
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_peaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SECONDS", 0.05)
    monkeypatch.setattr(machine, "CPU_SIDE", 256)
    monkeypatch.setattr(machine, "CPU_BYTES", 2**24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def published_model() -> VisionEncoderDecoderModel:
    encoder = DeiTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        image_size=32,
        patch_size=8,
    )
    decoder = TrOCRConfig(
        vocab_size=4 + len(CHARACTERS),
        d_model=16,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=36,
        max_position_embeddings=20,
        cross_attention_hidden_size=24,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    return VisionEncoderDecoderModel(config).eval()


def counted(model: VisionEncoderDecoderModel, pixels: torch.Tensor, written: int) -> int:
    """What torch counts of a pass over pictures and texts; fused attention it would leave out."""
    tokens = torch.zeros(len(pixels), written, dtype=torch.int64)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(pixels, tokens, use_cache=False, output_attentions=True)
    total: int = counter.get_total_flops()
    return total


@pytest.mark.parametrize(
    ("model", "size", "source"),
    [
        (tiny_line_model(), (1, 32, 256), 32),  # no padding within
        (published_model(), (3, 32, 32), 18),
    ],
    ids=["line", "published"],
)
def test_operations_are_those_that_torch_counts(
    model: VisionEncoderDecoderModel, size: tuple[int, int, int], source: int
) -> None:
    written = 7
    decoder = model.config.decoder
    # A pass over a whole text also multiplies what the causal mask then hides.
    hidden = 4 * decoder.d_model * decoder.decoder_layers * (written * (written - 1) / 2)
    for lines in (1, 3):
        formula = work.read_operations(model.config, [(source, written)] * lines)
        assert counted(model, torch.rand(lines, *size), written) == formula + lines * hidden


def matrices(*modules: torch.nn.Module) -> int:
    """Weights of products and convolutions; not of norms, positions and special tokens."""
    weights = (weight for module in modules for weight in module.parameters())
    return sum(weight.numel() for weight in weights if weight.dim() in (2, 4))


@pytest.mark.parametrize("model", [tiny_line_model(), published_model()], ids=["line", "published"])
def test_bytes_are_the_weights_of_every_pass_and_the_cache_of_every_step(
    model: VisionEncoderDecoderModel,
) -> None:
    encoder = matrices(model.encoder)
    layers = model.decoder.model.decoder.layers
    crossed = sum(
        matrices(layer.encoder_attn.k_proj, layer.encoder_attn.v_proj) for layer in layers
    )
    step = matrices(layers, model.decoder.output_projection) - crossed
    searches = [Search(3, [(18, 3), (18, 1)])]
    seen = Stages(batches=2, draft_passes=1, further_passes=4, searches=searches)
    cached = (3 * 18 + 6 + 18 + 1) * 2 * 2 * 16  # keys and values, two layers, their width
    expected = 2 * encoder + (crossed + step) + 4 * step + (crossed + 3 * step) + cached
    assert work.read_bytes(model, seen) == 4 * expected
    assert work.read_bytes(model.to(torch.bfloat16), seen) == 2 * expected


def test_a_watched_read_is_the_same_and_leaves_nothing_behind() -> None:
    reader = tiny_recognizer()
    pictures = drawn_lines(5)
    before = [Recognizer.read_lines, HybridDecoder.ranked, recognizer.load_image]
    expected = reader.read_lines(pictures, batch_size=2)
    with watched(reader) as stages:
        assert reader.read_lines(pictures, batch_size=2) == expected
    assert [Recognizer.read_lines, HybridDecoder.ranked, recognizer.load_image] == before
    assert stages.batches == stages.draft_passes == 3
    assert sorted(stages.source_tokens) == [0, 1, 2, 3, 4]
    assert stages.source_tokens[4] > stages.source_tokens[0]
    assert stages.drafted == 5
    assert stages.accepted < 5
    assert stages.further_passes > 0
    assert not stages.searches
    assert stages.acceptance == 20 * stages.accepted
    assert tuple(stages.seconds) == STAGES
    assert min(stages.seconds[name] for name in ("preprocessing", "encoder", "drafts")) > 0
    assert sum(stages.shares().values()) == pytest.approx(100)


def test_a_published_model_drafts_nothing() -> None:
    images = ViTImageProcessor(size={"height": 32, "width": 32})
    processor = TrOCRProcessor(images, tiny_processor().tokenizer)
    reader = Recognizer(published_model(), processor)
    _, [report] = runner.bench(reader, drawn_lines(3), [2], repeat=1)
    assert report.drafts_accepted is None
    assert report.stages["drafts"] == 0
    assert report.stages["search"] > 0
    assert report.gemm_share > 0


def test_what_another_recognizer_does_is_not_noted() -> None:
    reader, other = tiny_recognizer(), tiny_recognizer(seed=1)
    with watched(reader) as stages:
        other.read_lines(drawn_lines(2))
    assert (stages.batches, stages.drafted, stages.source_tokens) == (0, 0, {})
    assert sum(stages.seconds[name] for name in ("encoder", "drafts", "search", "other")) == 0


def test_stages_do_not_count_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(1000))  # every look at the clock is a second later
    monkeypatch.setattr("trocr.bench.stages.time.perf_counter", lambda: next(ticks))
    reader = tiny_recognizer()
    with watched(reader) as stages:
        reader.read_lines(drawn_lines(1))
    whole = sum(stages.seconds.values())
    # From the first look to the last, but for the notes that are taken in between.
    notes = stages.batches + stages.draft_passes + stages.further_passes + 1  # the line is read
    assert whole == next(ticks) - 1 - notes
    assert stages.seconds["encoder"] == 1
    assert stages.seconds["preprocessing"] >= 2  # loading, waiting for the rest


def test_report_of_each_batch_size() -> None:
    reader = tiny_recognizer()
    passes: list[int] = []
    peaks, reports = runner.bench(reader, drawn_lines(5), [1, 4], repeat=2, on_pass=passes.append)
    assert passes == [5] * 2 * runner.passes(2)
    assert [report.batch_size for report in reports] == [1, 4]
    assert [report.calls for report in reports] == [10, 4]
    for report in reports:
        assert report.latency_p99_ms >= report.latency_p50_ms > 0
        assert report.lines_per_second > 0
        assert report.tokens_per_second >= report.lines_per_second
        assert report.gemm_share == pytest.approx(1e14 * report.tflops / peaks.gemm)
        assert report.gigabytes_per_second > 0
        assert report.peak_rss_mb is None or report.peak_rss_mb > 10
        assert report.peak_cuda_mb is None


def test_percentile() -> None:
    assert runner.percentile([3.0], 99) == 3.0
    assert runner.percentile([float(value) for value in range(101)], 99) == pytest.approx(99)


def test_peaks_are_plausible() -> None:
    assert machine.gemm_peak(CPU, torch.float32) > 1e9
    assert machine.bandwidth_peak(CPU) > 1e8


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with machine.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_a_commit_is_of_this_checkout_or_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = machine.commit()
    assert known is None or len(known.removesuffix("-dirty")) == 40
    monkeypatch.setattr(machine, "SOURCE", tmp_path)
    assert machine.commit() is None


def test_drawn_lines_have_the_lengths_asked_for() -> None:
    assert [len(text_of(length, first)) for length in (9, 90) for first in (0, 50)] == [
        9,
        9,
        90,
        90,
    ]
    assert not any(text_of(length) != text_of(length).strip() for length in range(9, 91))
    short, long = drawn_line(text_of(9)), drawn_line(text_of(90))
    assert long.width > 5 * short.width
    widths = [picture.width for picture in drawn_lines(4)]
    assert len(set(widths)) == 4


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main(["bench", *map(str, arguments)])
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), captured.out, captured.err

    return run


def test_table_and_file(run: Any, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "speed.json"
    options = ("--batch-size", "1,2", "--repeat", 1, "--limit", 3)
    code, out, _ = run(folder, "--data", LINES, *options, "--json", target)
    assert code == 0
    assert f"3 ({LINES})" in out
    head, *rows = [line for line in out.splitlines() if line][5:]
    assert head.split() == ["batch", "size", "1", "2"]
    assert rows[0].startswith("lines/s ")
    assert all(len(row.split()) >= 3 for row in rows)
    found = json.loads(target.read_text(encoding="utf-8"))
    assert (found["lines"], found["data"], found["dtype"]) == (3, str(LINES), "float32")
    assert found["parameters"] == sum(weight.numel() for weight in tiny_line_model().parameters())
    assert found["versions"]["trocr"] == trocr.__version__
    assert found["hardware"]["threads"] == torch.get_num_threads()
    assert {"cpu", "cores", "gpu"} <= set(found["hardware"])
    assert [batch["batch_size"] for batch in found["batches"]] == [1, 2]
    assert set(found["batches"][0]) == set(runner.BatchReport.__dataclass_fields__)


def test_json_to_standard_output(run: Any, folder: Path) -> None:
    options = ("--batch-size", "2", "--repeat", 1, "--limit", 2, "--threads", 1, "--json", "-")
    code, out, _ = run(folder, "--dtype", "bfloat16", *options)
    found = json.loads(out)
    assert (code, found["dtype"], found["hardware"]["threads"]) == (0, "bfloat16", 1)
    assert found["data"] == "drawn, 9 to 90 characters"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--batch-size", "1,x"), 2),
        (("--batch-size", "0"), 2),
        (("--dtype", "int3"), 2),
        (("--model",), 2),
        (("--data", "/nowhere"), 5),
        (("--json", "/nowhere/speed.json", "--limit", 1, "--repeat", 1), 6),
    ],
)
def test_what_goes_wrong_has_its_exit_code(
    run: Any, folder: Path, arguments: tuple[object, ...], code: int
) -> None:
    done = run(folder, *arguments)
    assert done[0] == code
    assert "Traceback" not in done[2]


def test_a_model_that_is_not_there(run: Any) -> None:
    assert run("/nowhere")[0] == 4
