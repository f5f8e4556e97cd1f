"""The mask, against a second implementation of design section 4, the paper's matrices and its own drawing."""

import re

import pytest
import torch

import masks_moda
from masks_moda import (
    IMAGE_ATTENTION_POLICIES,
    answers_by_labels,
    example_starts,
    make_attention_mask,
    number_images,
)


# Rows of image numbers (0 is text): one picture, none, neighbours, different lengths, text before and between.
LAYOUTS = {
    "one": [1, 1, 1, 0, 0, 0, 0],
    "none": [0, 0, 0, 0, 0, 0, 0],
    "adjacent": [1, 1, 2, 2, 2, 0, 0],
    "interleaved": [1, 1, 0, 0, 2, 2, 0],
    "uneven": [0, 1, 0, 2, 2, 2, 0],
    "last": [0, 0, 0, 0, 0, 1, 1],
}
PROMPT = [1, 1, 1, 1, 1, 0, 0]  # the last two tokens are the answer
PADDING = {"none": [1] * 7, "left": [0, 0, 1, 1, 1, 1, 1], "right": [1, 1, 1, 1, 1, 0, 0]}


def by_hand(policy, images, real, prefix, past=0, keys=None):
    """The table of the design, cell by cell. `real` covers past and chunk; the past holds text of no interest."""
    queries = len(images)
    keys = past + queries if keys is None else keys
    image_of = {past + i: n for i, n in enumerate(images) if n}
    in_prefix = {past + i for i in range(queries) if images[i] or prefix[i]}
    rows = []
    for i in range(past, past + queries):
        row = []
        for j in range(keys):
            if policy == "causal":
                seen = j <= i
            elif policy == "image_bidirectional":
                seen = j <= i or (j in image_of and image_of[j] == image_of.get(i))
            elif policy == "image_lookahead":
                seen = j <= i or j in image_of
            elif policy == "prefix_lm":
                seen = j <= i or (i in in_prefix and j in in_prefix)
            else:
                seen = True
            is_token = j < len(real) and real[j] == 1
            row.append(1 if (seen and is_token) or i == j else 0)
        rows.append(row)
    return torch.tensor(rows, dtype=torch.bool)


def matrix(text):
    return torch.tensor([[int(cell) for cell in line.split()] for line in text.strip().splitlines()], dtype=torch.bool)


def mask_of(policy, images, prompt=None):
    prefix = None if prompt is None else torch.tensor([prompt], dtype=torch.bool)
    return make_attention_mask(policy, torch.tensor([images]), prefix=prefix)[0, 0]


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
@pytest.mark.parametrize("past, extra", [(0, 0), (3, 0), (0, 5), (3, 5)], ids=["plain", "cache", "static", "both"])
def test_equals_double_loop(policy, past, extra):
    cases = [(images, real) for images in LAYOUTS.values() for real in PADDING.values()]
    image_ids = torch.tensor([images for images, _ in cases])
    # In the cache: the first row's padding is on the left, the others' past is full.
    attention = torch.tensor([[int(row > 0)] * min(past, 1) + [1] * max(past - 1, 0) + real
                              for row, (_, real) in enumerate(cases)])  # fmt: skip
    prefix = torch.tensor([PROMPT] * len(cases), dtype=torch.bool)
    keys = past + 7 + extra
    key_length = keys if extra else None
    mask = make_attention_mask(policy, image_ids, attention, prefix, past_length=past, key_length=key_length)
    assert mask.dtype == torch.bool and mask.shape == (len(cases), 1, 7, keys)
    for row, (images, _) in enumerate(cases):
        expected = by_hand(policy, images, attention[row].tolist(), PROMPT, past, keys)
        assert torch.equal(mask[row, 0], expected), (policy, images, attention[row])
    assert mask.any(-1).all(), "a query sees nothing: softmax over nothing is NaN"

    eager = make_attention_mask(policy, image_ids, attention, prefix, past, key_length, "eager", torch.bfloat16)
    assert eager.dtype == torch.bfloat16
    assert torch.equal(eager == 0, mask) and (eager[~mask] == torch.finfo(torch.bfloat16).min).all()


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
def test_flex_block_mask_has_the_same_cells(policy):
    cases = [(images, real) for images in LAYOUTS.values() for real in PADDING.values()]
    image_ids = torch.tensor([images for images, _ in cases])
    for past, extra in ((0, 0), (3, 5)):
        attention = torch.tensor([[1] * past + real for _, real in cases])
        prefix = torch.tensor([PROMPT] * len(cases), dtype=torch.bool)
        arguments = (policy, image_ids, attention, prefix, past, past + 7 + extra)
        dense = make_attention_mask(*arguments)[:, 0]
        block = make_attention_mask(*arguments, implementation="flex_attention")
        b, q, k = torch.meshgrid(*(torch.arange(size) for size in dense.shape), indexing="ij")
        assert torch.equal(block.mask_mod(b, torch.zeros_like(b), q, k), dense)


def test_paper_matrices():
    """Requirements A6, letter by letter."""
    assert torch.equal(mask_of("full", [1, 1, 0, 0, 0]), torch.ones(5, 5, dtype=torch.bool))
    assert torch.equal(
        mask_of("image_bidirectional", [1, 1, 0, 0, 0]),
        matrix("""
        1 1 0 0 0
        1 1 0 0 0
        1 1 1 0 0
        1 1 1 1 0
        1 1 1 1 1
        """),
    )
    interleaved = [1, 1, 0, 0, 2, 2, 0]
    assert torch.equal(
        mask_of("image_lookahead", interleaved),
        matrix("""
        1 1 0 0 1 1 0
        1 1 0 0 1 1 0
        1 1 1 0 1 1 0
        1 1 1 1 1 1 0
        1 1 1 1 1 1 0
        1 1 1 1 1 1 0
        1 1 1 1 1 1 1
        """),
    )
    assert torch.equal(
        mask_of("image_bidirectional", interleaved),
        matrix("""
        1 1 0 0 0 0 0
        1 1 0 0 0 0 0
        1 1 1 0 0 0 0
        1 1 1 1 0 0 0
        1 1 1 1 1 1 0
        1 1 1 1 1 1 0
        1 1 1 1 1 1 1
        """),
    )


def drawings():
    """(policy, header letters, cells) of each matrix drawn in the docstring of masks_moda."""
    found = []
    for drawing in re.findall(r"```\n(.*?)```", masks_moda.__doc__, flags=re.DOTALL):
        names, letters, *rows = drawing.strip("\n").splitlines()
        names = names.split()
        rows = [row.split()[1:] for row in rows]
        columns = len(rows[0]) // len(names)
        for nth, name in enumerate(names):
            header = letters.split()[nth * columns : (nth + 1) * columns]
            cells = [[int(cell) for cell in row[nth * columns : (nth + 1) * columns]] for row in rows]
            found.append((name, header, torch.tensor(cells, dtype=torch.bool)))
    return found


def test_docstring_drawings_are_what_the_function_makes():
    drawn = drawings()
    assert [name for name, _, _ in drawn] == [
        "causal",
        "image_bidirectional",
        "prefix_lm",
        "full",
        "image_lookahead",
        "image_bidirectional",
    ]
    for name, header, cells in drawn:
        images = ["ab".find(letter) + 1 for letter in header]
        prompt = [letter == "x" for letter in header]
        assert torch.equal(mask_of(name, images, prompt), cells), name


def test_number_images_keeps_neighbours_apart():
    placeholders = torch.tensor([[1, 1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0]]).bool()
    expected = torch.tensor([[1, 1, 2, 2, 0, 0, 0], [0, 1, 1, 0, 2, 2, 0], [0, 0, 0, 0, 0, 0, 0]])
    assert torch.equal(number_images(placeholders, 2), expected)
    assert torch.equal(number_images(placeholders[:1], 1), torch.tensor([[1, 2, 3, 4, 0, 0, 0]]))


def test_default_prefix_is_everything_and_images_are_prefix_by_themselves():
    assert mask_of("prefix_lm", [1, 1, 0, 0]).all()
    nothing_is_prompt = mask_of("prefix_lm", [1, 1, 0, 0], [False] * 4)
    assert torch.equal(nothing_is_prompt, mask_of("image_bidirectional", [1, 1, 0, 0]))


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
@pytest.mark.parametrize("implementation", ["sdpa", "eager", "flex_attention"])
def test_packed_examples_have_their_own_masks_and_no_cell_between_them(policy, implementation):
    """A row of two examples, whose pictures touch, and padding."""
    first, second = [1, 1, 0, 0, 2, 2], [3, 3, 0, 4, 4]
    images = torch.tensor([[*first, *second, 0, 0]])
    examples = torch.tensor([[1] * 6 + [2] * 5 + [2] * 2])
    real = [1] * 11 + [0] * 2
    prompt = torch.tensor([[True] * 6 + [True, True, True, False, False] + [False] * 2])
    mask = make_attention_mask(
        policy, images, torch.tensor([real]), prompt, examples=examples, implementation=implementation
    )
    if implementation == "flex_attention":
        q, k = torch.meshgrid(torch.arange(13), torch.arange(13), indexing="ij")
        mask = mask.mask_mod(torch.zeros_like(q), torch.zeros_like(q), q, k)[None, None]
    elif implementation == "eager":
        mask = mask == 0
    expected = torch.zeros(13, 13, dtype=torch.bool)
    expected[:6, :6] = by_hand(policy, first, [1] * 6, [1] * 6)
    expected[6:, 6:] = by_hand(policy, [*second, 0, 0], real[6:], prompt[0, 6:].tolist())
    assert torch.equal(mask[0, 0], expected)


def test_examples_start_where_positions_start_over():
    positions = [[0, 1, 2, 0, 1, 0, 0], [0, 1, 2, 3, 4, 5, 6], [1, 1, 0, 1, 2, 0, 1], [0, 1, 1, 1, 2, 3, 4]]
    real = [[1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1], [1, 1, 0, 0, 1, 1, 1]]
    starts = [[1, 0, 0, 1, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0], [0, 0, 1, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0, 0]]
    got = example_starts(torch.tensor(positions), torch.tensor(real))
    assert torch.equal(got, torch.tensor(starts).bool())
    # Without a mask padding can't be told from text, so that each of it is an example of its own.
    assert example_starts(torch.tensor([[0, 0, 0, 1, 2]])).tolist() == [[True, True, True, False, False]]


def test_answers_begin_anew_in_each_example():
    x = -100
    labels = torch.tensor([[x, x, 7, 8, x, x, 7, x, 8], [x, x, x, 7, 7, x, x, x, x]])
    starts = torch.tensor([[1, 0, 0, 0, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1, 0, 0, 0]]).bool()
    expected = [[0, 0, 1, 1, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0, 0, 0]]
    assert answers_by_labels(labels, starts).tolist() == expected


def test_unknown_policy_names_the_known_ones():
    with pytest.raises(ValueError, match="image_attention is 'diagonal'.*image_bidirectional"):
        mask_of("diagonal", [1, 0])
