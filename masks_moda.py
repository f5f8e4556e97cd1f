"""Who may look at whom: MODA's attention mask, in one rule.

`1` at row *i*, column *j* means that token *i* may attend to token *j*. Two image positions (a1 a2) and three of text,
of which x1 is the prompt:

```
          causal       image_bidirectional    prefix_lm          full
        a a x y y         a a x y y          a a x y y        a a x y y
    a1  1 0 0 0 0         1 1 0 0 0          1 1 1 0 0        1 1 1 1 1
    a2  1 1 0 0 0         1 1 0 0 0          1 1 1 0 0        1 1 1 1 1
    x1  1 1 1 0 0         1 1 1 0 0          1 1 1 0 0        1 1 1 1 1
    y1  1 1 1 1 0         1 1 1 1 0          1 1 1 1 0        1 1 1 1 1
    y2  1 1 1 1 1         1 1 1 1 1          1 1 1 1 1        1 1 1 1 1
```

Two pictures (a, b) between pieces of text (x, y), where `image_lookahead` differs from `image_bidirectional`:

```
          image_lookahead         image_bidirectional
          a a x x b b y             a a x x b b y
    a1    1 1 0 0 1 1 0             1 1 0 0 0 0 0
    a2    1 1 0 0 1 1 0             1 1 0 0 0 0 0
    x1    1 1 1 0 1 1 0             1 1 1 0 0 0 0
    x2    1 1 1 1 1 1 0             1 1 1 1 0 0 0
    b1    1 1 1 1 1 1 0             1 1 1 1 1 1 0
    b2    1 1 1 1 1 1 0             1 1 1 1 1 1 0
    y1    1 1 1 1 1 1 1             1 1 1 1 1 1 1
```

Sources: "Improved Alignment of Modalities in Large Vision Language Models", Fig. 2 (`full`: stage 0;
`image_bidirectional`: stages 1-3), Fig. 6(a) (`image_lookahead`), Fig. 6(b) (`image_bidirectional` with several
pictures); PaliGemma and GIT (`prefix_lm`).
"""

import torch


IMAGE_ATTENTION_POLICIES = ("causal", "image_bidirectional", "image_lookahead", "prefix_lm", "full")


def may_attend(policy, q, k, image_q, image_k, prefix_q, prefix_k):
    """The rule itself, for one cell or, by broadcasting, for all of them.

    Args:
        policy (`str`): One of `IMAGE_ATTENTION_POLICIES`.
        q, k (`torch.LongTensor`): Indices of query and key in the sequence.
        image_q, image_k (`torch.LongTensor`): Number of the image that query and key belong to, 0 for text.
        prefix_q, prefix_k (`torch.BoolTensor`): Whether query and key are image or prompt (read by `prefix_lm` alone).

    Returns:
        `torch.BoolTensor`: `True` where the query may attend to the key, padding aside.
    """
    past = k <= q
    if policy == "causal":
        return past
    if policy == "image_bidirectional":
        return past | ((image_q == image_k) & (image_q > 0))
    if policy == "image_lookahead":
        return past | (image_k > 0)
    if policy == "prefix_lm":
        return past | (prefix_q & prefix_k)
    if policy == "full":
        return past | ~past
    raise ValueError(f"image_attention is {policy!r}; choose one of {', '.join(IMAGE_ATTENTION_POLICIES)}.")


def number_images(placeholders, image_seq_length):
    """Numbers the images of each row from 1, so that neighbours without text between them stay apart.

    Args:
        placeholders (`torch.BoolTensor` of shape `(batch, length)`): Where the image positions are.
        image_seq_length (`int`): Positions that one image takes.

    Returns:
        `torch.LongTensor` of shape `(batch, length)`: 0 on text, *n* on the positions of a row's *n*-th image.
    """
    nth_position = placeholders.cumsum(-1)
    return ((nth_position - 1) // image_seq_length + 1) * placeholders


def make_attention_mask(
    policy,
    image_ids,
    attention_mask=None,
    prefix=None,
    past_length=0,
    key_length=None,
    implementation="sdpa",
    dtype=torch.float32,
):
    """Builds the mask of a chunk of queries over all keys, in the form that the attention implementation reads.

    What lies before the chunk is in the cache and always visible, so only the chunk's own images matter. Padding is
    never attended to; the diagonal stays on, so that the row of a padding query is not empty (an empty row is NaN).

    Args:
        policy (`str`): One of `IMAGE_ATTENTION_POLICIES`.
        image_ids (`torch.LongTensor` of shape `(batch, queries)`):
            0 on text, *n* on the *n*-th image (see [`number_images`]; blocks may differ in length).
        attention_mask (`torch.Tensor` of shape `(batch, keys so far)`, *optional*): 1 on tokens, 0 on padding.
        prefix (`torch.BoolTensor` of shape `(batch, queries)`, *optional*):
            Where the prompt is, for `prefix_lm`; image positions count as prefix by themselves. Defaults to everything.
        past_length (`int`, *optional*, defaults to 0): Keys in the cache before this chunk.
        key_length (`int`, *optional*, defaults to `past_length + queries`): Keys in all; a static cache has more.
        implementation (`str`, *optional*, defaults to `"sdpa"`): `"sdpa"`, `"eager"` or `"flex_attention"`.
        dtype (`torch.dtype`, *optional*, defaults to `torch.float32`): Type of the additive mask that `"eager"` reads.

    Returns:
        `torch.BoolTensor` of shape `(batch, 1, queries, keys)` for sdpa, the same as 0 and the type's minimum for
        eager, a `BlockMask` for flex attention.
    """
    batch, queries = image_ids.shape
    keys = past_length + queries if key_length is None else key_length
    device = image_ids.device

    def over_all_keys(chunk):  # (batch, queries) -> (batch, keys), text (0 or False) before and after the chunk
        return torch.nn.functional.pad(chunk, (past_length, keys - past_length - queries))

    images = over_all_keys(image_ids)
    prefix = over_all_keys(torch.ones_like(image_ids, dtype=torch.bool) if prefix is None else prefix | (image_ids > 0))
    real = torch.ones(batch, keys, dtype=torch.bool, device=device)
    if attention_mask is not None:
        known = min(keys, attention_mask.shape[1])
        real[:, :known] = attention_mask[:, :known].bool()
    # Slots of a static cache behind the chunk hold nothing yet.
    real[:, past_length + queries :] = False

    if implementation == "flex_attention":
        from torch.nn.attention.flex_attention import create_block_mask

        def cell(b, h, q, k):
            q = q + past_length
            allowed = may_attend(policy, q, k, images[b, q], images[b, k], prefix[b, q], prefix[b, k])
            return (allowed & real[b, k]) | (q == k)

        return create_block_mask(cell, batch, None, queries, keys, device=str(device))

    q = torch.arange(past_length, past_length + queries, device=device)
    k = torch.arange(keys, device=device)
    allowed = may_attend(
        policy,
        q[:, None],
        k,
        images[:, q, None],
        images[:, None, :],
        prefix[:, q, None],
        prefix[:, None, :],
    )
    mask = ((allowed & real[:, None, :]) | (q[:, None] == k))[:, None]
    if implementation != "eager":
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(~mask, torch.finfo(dtype).min)
