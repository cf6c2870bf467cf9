"""Greedy search, sampling and beam search over a table of logits, against brute force."""

import itertools

import pytest
import torch

from trocr.decoding import RepetitionGuard, generate
from trocr.errors import UsageError
from trocr.generation_config import GenerationConfig


class PrefixTable:
    """Random logits for every prefix: a step model without a network."""

    def __init__(self, vocab_size, eos=None, seed=0):
        self.vocab_size, self.eos, self.seed = vocab_size, eos, seed
        self.prefixes = None
        self.rows_computed = 0

    def logits(self, prefix):
        generator = torch.Generator().manual_seed(hash((self.seed, *prefix)) % 2**31)
        return torch.randn(self.vocab_size, generator=generator) * 2

    def step(self, token_ids):
        new = token_ids.tolist()
        self.prefixes = new if self.prefixes is None else self.joined(new)
        self.rows_computed += len(new)
        return torch.stack([self.logits(prefix) for prefix in self.prefixes])

    def joined(self, new):
        return [[*old, *row] for old, row in zip(self.prefixes, new, strict=True)]

    def reorder(self, rows):
        self.prefixes = [self.prefixes[row] for row in rows.tolist()]


def test_sampling_streams():
    def sample(**more):
        settings = {"do_sample": True, "top_k": 0, "max_length": 9, **more}
        prompt = torch.tensor([[0], [1], [2]])
        generator = torch.Generator().manual_seed(7) if "seed" not in more else None
        config = GenerationConfig(**settings)
        table = PrefixTable(30)
        return generate(
            table, prompt, config, max_positions=99, generator=generator
        ).sequences.tolist()

    assert sample() == sample()
    assert sample(seed=1) == sample(seed=1) != sample(seed=2)
    copies = sample(seed=1, num_return_sequences=3)
    assert copies[::3] == sample(seed=1)
    assert len(set(map(tuple, copies))) == 9


def test_beam_sampling_draws_and_scores_what_it_drew():
    found = set()
    for seed in range(5):
        config = GenerationConfig(
            do_sample=True,
            num_beams=3,
            num_return_sequences=3,
            top_k=0,
            seed=seed,
            max_new_tokens=6,
        )
        output = generate(PrefixTable(30), torch.tensor([[0]]), config, max_positions=99)
        torch.testing.assert_close(output.sequences_scores, output.token_logprobs.mean(dim=1))
        assert output.sequences_scores.diff().le(0).all()
        assert len(set(map(tuple, output.sequences.tolist()))) == 3
        found.add(tuple(output.sequences[0].tolist()))
    assert len(found) > 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"do_sample": True, "seed": 5},
        {"num_beams": 3, "num_return_sequences": 2},
        {"num_beams": 3, "do_sample": True, "seed": 5},
        {"num_beams": 4, "early_stopping": True, "length_penalty": 2.0},
    ],
    ids=str,
)
def test_batch_is_single(settings):
    config = GenerationConfig(eos_token_id=3, pad_token_id=0, max_length=40, **settings)
    prompts = torch.tensor([[row, 5] for row in range(9)])
    batch = generate(PrefixTable(7), prompts, config, max_positions=99)
    lengths = batch.token_mask.sum(dim=1)
    assert len(set(lengths.tolist())) > 2
    count = config.num_return_sequences
    for row in range(9):
        single = generate(PrefixTable(7), prompts[row : row + 1], config, max_positions=99)
        for copy in range(count):
            at, tokens = row * count + copy, int(single.token_mask[copy].sum())
            assert tokens == lengths[at]
            assert batch.sequences[at, : tokens + 2].tolist() == (
                single.sequences[copy, : tokens + 2].tolist()
            )
            assert batch.sequences[at, tokens + 2 :].eq(0).all()
            assert batch.finish_reasons[at] == single.finish_reasons[copy]
            torch.testing.assert_close(
                batch.token_logprobs[at, :tokens], single.token_logprobs[copy, :tokens]
            )


def test_finished_rows_are_not_computed():
    config = GenerationConfig(eos_token_id=3, pad_token_id=0, max_length=60)
    prompts = torch.tensor([[row, 5] for row in range(12)])
    table = PrefixTable(7)
    output = generate(table, prompts, config, max_positions=99)
    assert table.rows_computed < 0.75 * output.token_mask.numel()


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_full_width_beam_is_exhaustive_search(length_penalty):
    length, eos = 4, 3
    table = PrefixTable(4, seed=11)
    found = {}
    for tokens in itertools.product(range(4), repeat=length):
        end = tokens.index(eos) + 1 if eos in tokens else length
        line = tokens[:end]
        if line not in found:
            parts = [
                table.logits([0, *line[:i]]).log_softmax(-1)[token].item()
                for i, token in enumerate(line)
            ]
            found[line] = sum(parts) / len(line) ** length_penalty
    best = sorted(found, key=found.get, reverse=True)
    config = GenerationConfig(
        num_beams=4**length,
        num_return_sequences=len(best) + 2,
        length_penalty=length_penalty,
        early_stopping="never",
        eos_token_id=eos,
        pad_token_id=0,
        max_new_tokens=length,
    )
    output = generate(table, torch.tensor([[0]]), config, max_positions=99)
    lines = [
        tuple(row[1:][mask].tolist())
        for row, mask in zip(output.sequences, output.token_mask, strict=True)
    ]
    assert lines == [*best, (), ()]
    assert output.finish_reasons[-2:] == ["none", "none"]
    torch.testing.assert_close(
        output.sequences_scores[:-2], torch.tensor([found[line] for line in best])
    )


def test_greedy_is_the_best_token_of_each_prefix():
    table = PrefixTable(5, seed=2)
    config = GenerationConfig(eos_token_id=4, pad_token_id=0)
    output = generate(table, torch.tensor([[0]]), config, max_positions=50)
    prefix, logprobs = [0], []
    while prefix[-1] != 4 and len(prefix) < 50:
        logprob, token = table.logits(prefix).log_softmax(-1).max(-1)
        prefix.append(int(token))
        logprobs.append(float(logprob))
    assert output.sequences.tolist() == [prefix]
    assert output.token_logprobs[0].tolist() == pytest.approx(logprobs)


def test_token_logprobs_ignore_penalties():
    settings = {"eos_token_id": 4, "pad_token_id": 0, "max_new_tokens": 6}
    config = GenerationConfig(**settings, no_repeat_ngram_size=1, repetition_penalty=3.0)
    for beams in (1, 3):
        table = PrefixTable(9)
        output = generate(
            table, torch.tensor([[0]]), config.merged(num_beams=beams), max_positions=99
        )
        line = output.sequences[0].tolist()
        expected = [
            table.logits(line[:i]).log_softmax(-1)[line[i]].item() for i in range(1, len(line))
        ]
        assert output.token_logprobs[0].tolist() == pytest.approx(expected)


def test_limits_and_reasons():
    def reasons(**settings):
        config = GenerationConfig(eos_token_id=3, pad_token_id=0, **settings)
        output = generate(
            PrefixTable(5, seed=1), torch.tensor([[0], [1], [2], [4]]), config, max_positions=30
        )
        return output.sequences.shape[1], set(output.finish_reasons)

    assert reasons(suppress_tokens=[3]) == (30, {"length"})
    assert reasons(suppress_tokens=[3], max_length=99) == (30, {"length"})
    assert reasons(suppress_tokens=[3], max_new_tokens=4, max_length=2) == (5, {"length"})
    assert reasons(suppress_tokens=[3], num_beams=2, max_length=7) == (7, {"length"})
    assert reasons(forced_eos_token_id=3, min_length=6, max_length=6) == (6, {"eos"})
    assert "eos" in reasons()[1]


def test_bad_calls_are_usage_errors():
    config = GenerationConfig(max_length=3)
    with pytest.raises(UsageError, match="prompt has 3 tokens"):
        generate(PrefixTable(5), torch.tensor([[0, 1, 2]]), config, max_positions=9)
    with pytest.raises(UsageError, match="shape"):
        generate(PrefixTable(5), torch.zeros(1, 0, dtype=torch.int64), config, max_positions=9)
    config.suppress_tokens = [77]
    with pytest.raises(UsageError, match="Token 77"):
        generate(PrefixTable(5), torch.tensor([[0]]), config, max_positions=9)


def test_bfloat16_logits():
    class Rounded(PrefixTable):
        def step(self, token_ids):
            return super().step(token_ids).bfloat16()

    config = GenerationConfig(eos_token_id=4, max_length=9)
    output = generate(Rounded(5), torch.tensor([[0]]), config, max_positions=9)
    assert output.token_logprobs.dtype == torch.float32


def test_output_reads_as_tuple_and_by_name():
    config = GenerationConfig(max_length=4)
    output = generate(PrefixTable(5), torch.tensor([[0]]), config, max_positions=9)
    assert output[0] is output["sequences"] is output.sequences
    assert "scores" not in output


class Looping(PrefixTable):
    """Writes ``unit`` for ever in row 0, and ends the other rows."""

    unit = (5, 6, 7)

    def logits(self, prefix):
        scores = torch.zeros(9)
        scores[self.unit[(len(prefix) - 1) % 3] if prefix[0] == 0 else 3] = 5.0
        return scores


@pytest.mark.parametrize("num_beams", [1, 3])
def test_guard_ends_a_looping_row(num_beams):
    guard = RepetitionGuard([None] * 5 + ["th", "e", " "])
    config = GenerationConfig(eos_token_id=3, pad_token_id=0, num_beams=num_beams)
    prompts = torch.tensor([[0], [1]])
    output = generate(Looping(9), prompts, config, max_positions=300, stop_repetition=guard)
    assert output.finish_reasons == ["repetition", "eos"]
    tokens = output.sequences[0, 1:][output.token_mask[0]].tolist()
    assert len(tokens) < 90
    assert guard.kept_length(tokens) == 3
