"""Greedy search, beam search and sampling give what `transformers` gives."""

import pytest
import torch
import transformers

from trocr.decoding import generate
from trocr.generation_config import GenerationConfig

START, PAD, EOS, VOCAB, LIMIT = 2, 1, 2, 40, 24


class Recompute:
    """A `transformers` decoder read again from the first token at every step."""

    def __init__(self, model, encoder_hidden_states):
        self.model, self.states, self.tokens = model, encoder_hidden_states, None

    def step(self, token_ids):
        self.tokens = token_ids if self.tokens is None else torch.cat([self.tokens, token_ids], 1)
        output = self.model(
            input_ids=self.tokens, encoder_hidden_states=self.states, use_cache=False
        )
        return output.logits[:, -1]

    def reorder(self, rows):
        self.tokens, self.states = self.tokens[rows], self.states[rows]


@pytest.fixture(scope="module")
def reference():
    """A tiny random VisionEncoderDecoderModel whose lines end by themselves, and three images."""
    torch.manual_seed(0)
    encoder = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
    )
    decoder = transformers.TrOCRConfig(
        vocab_size=VOCAB,
        d_model=16,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=16,
        max_position_embeddings=LIMIT,
        cross_attention_hidden_size=16,
        init_std=1.0,
        tie_word_embeddings=False,
    )
    model = transformers.VisionEncoderDecoderModel(
        encoder=transformers.ViTModel(encoder, add_pooling_layer=False),
        decoder=transformers.TrOCRForCausalLM(decoder),
    )
    model = model.double().eval()  # so that cached and recomputed logits round alike
    head = model.decoder.output_projection.weight
    with torch.no_grad():
        torch.nn.init.normal_(head, std=0.5, generator=torch.Generator().manual_seed(0))
        head[EOS] *= 1.5  # enough for lines of many lengths
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=START, pad_token_id=PAD, eos_token_id=EOS
    )
    return model, 3 * torch.randn(3, 3, 8, 8, dtype=torch.float64)


def run_both(reference, generator=None, prompt_len=1, **settings):
    """Generate with `transformers` and with ours: (theirs, ours)."""
    model, images = reference
    settings = {"max_length": LIMIT, **settings}
    prompt = torch.tensor([[START, 5, 6][:prompt_len]] * len(images))
    torch.manual_seed(3)
    theirs = model.generate(
        images,
        decoder_input_ids=prompt,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
        **settings,
    )
    torch.manual_seed(3)
    config = GenerationConfig(
        pad_token_id=PAD, eos_token_id=EOS, output_scores=True, output_logits=True, **settings
    )
    with torch.no_grad():
        states = model.encoder(images).last_hidden_state
    ours = generate(
        Recompute(model.decoder, states), prompt, config, max_positions=LIMIT, generator=generator
    )
    return theirs, ours


RULES = [
    {},
    {"max_new_tokens": 7},
    {"min_length": 6},
    {"min_new_tokens": 6},
    {"repetition_penalty": 1.7},
    {"repetition_penalty": 0.6},
    {"no_repeat_ngram_size": 1},
    {"no_repeat_ngram_size": 2},
    {"no_repeat_ngram_size": 3},
    {"bad_words_ids": [[7], [EOS], [5, 6], [3, 4, 5]] + [[i, j] for i in range(9) for j in (8, 9)]},
    {"suppress_tokens": list(range(3, 20))},
    {"begin_suppress_tokens": list(range(2, 25))},
    {"forced_bos_token_id": 11, "begin_suppress_tokens": list(range(2, 25))},
    {"forced_eos_token_id": EOS, "min_length": LIMIT},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2, "min_length": 9, "suppress_tokens": [4]},
]


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("prompt_len", [1, 3])
def test_greedy_is_transformers(reference, rules, prompt_len):
    theirs, ours = run_both(reference, prompt_len=prompt_len, **rules)
    assert ours.sequences.tolist() == theirs.sequences.tolist()
    for step in range(len(theirs.scores)):
        open_rows = ours.token_mask[:, step]
        for mine, other in (
            (ours.scores[step], theirs.scores[step]),
            (ours.logits[step], theirs.logits[step]),
        ):
            torch.testing.assert_close(mine[open_rows], other[open_rows])


def test_reference_lines_have_many_lengths(reference):
    _, greedy = run_both(reference)
    _, beams = run_both(reference, num_beams=4, num_return_sequences=4)
    assert len(set(greedy.token_mask.sum(dim=1).tolist())) == 3
    assert len(set(beams.token_mask.sum(dim=1).tolist())) > 5
    assert set(beams.finish_reasons) == {"eos", "length"}


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("num_beams", [2, 4])
def test_beams_with_rules_are_transformers(reference, rules, num_beams):
    theirs, ours = run_both(reference, num_beams=num_beams, **rules)
    assert_same_beams(theirs, ours)


@pytest.mark.parametrize("num_beams", [2, 4, 10])
@pytest.mark.parametrize("early_stopping", [False, True, "never"])
@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.6, 1.0, 2.0])
def test_beams_are_transformers(reference, num_beams, early_stopping, length_penalty):
    theirs, ours = run_both(
        reference,
        num_beams=num_beams,
        early_stopping=early_stopping,
        length_penalty=length_penalty,
        num_return_sequences=num_beams,
    )
    assert_same_beams(theirs, ours)


@pytest.mark.parametrize("num_return_sequences", [1, 2, 4])
def test_beams_with_several_eos_tokens(reference, num_return_sequences):
    model, images = reference
    settings = {"num_beams": 4, "num_return_sequences": num_return_sequences, "max_length": LIMIT}
    several = {"eos_token_id": [EOS, 9, 11, 13], "pad_token_id": PAD}
    theirs = model.generate(images, **settings, **several)
    states = model.encoder(images).last_hidden_state
    ours = generate(
        Recompute(model.decoder, states),
        torch.full((3, 1), START),
        GenerationConfig(**settings, **several),
        max_positions=LIMIT,
    )
    assert ours.sequences.tolist() == theirs.tolist()


def assert_same_beams(theirs, ours):
    assert ours.sequences.tolist() == theirs.sequences.tolist()
    assert ours.beam_indices.tolist() == theirs.beam_indices.tolist()
    torch.testing.assert_close(ours.sequences_scores, theirs.sequences_scores)
    rows = ours.beam_indices.clamp(min=0).long()
    for step in range(rows.shape[1]):
        chosen = rows[ours.token_mask[:, step], step]
        torch.testing.assert_close(ours.scores[step][chosen], theirs.scores[step][chosen])
        torch.testing.assert_close(ours.logits[step][chosen], theirs.logits[step][chosen])


@pytest.mark.parametrize(
    "rules",
    [
        {"top_k": 0},
        {},
        {"temperature": 1.8, "top_k": 0},
        {"top_k": 3},
        {"top_p": 0.5},
        {"temperature": 0.7, "top_k": 9, "top_p": 0.8, "repetition_penalty": 1.2},
        {"num_return_sequences": 4, "min_length": LIMIT},
    ],
    ids=str,
)
def test_sampling_is_transformers(reference, rules):
    # Rows that ended draw no more numbers here, so one image or no early end for equal streams.
    model, images = reference
    one = (model, images[:1])
    theirs, ours = run_both(one, do_sample=True, **rules)
    assert ours.sequences.tolist() == theirs.sequences.tolist()
