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

Several examples packed into one row follow the rule each for itself: no cell joins two of them.

Sources: "Improved Alignment of Modalities in Large Vision Language Models", Fig. 2 (`full`: stage 0;
`image_bidirectional`: stages 1-3), Fig. 6(a) (`image_lookahead`), Fig. 6(b) (`image_bidirectional` with several
pictures); PaliGemma and GIT (`prefix_lm`).
"""

import torch
from torch.nn.functional import pad


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

    A packed row is counted through: its examples' pictures have different numbers, whatever stands between them.

    Args:
        placeholders (`torch.BoolTensor` of shape `(batch, length)`): Where the image positions are.
        image_seq_length (`int`): Positions that one image takes.

    Returns:
        `torch.LongTensor` of shape `(batch, length)`: 0 on text, *n* on the positions of a row's *n*-th image.
    """
    nth_position = placeholders.cumsum(-1)
    return ((nth_position - 1) // image_seq_length + 1) * placeholders


def example_starts(position_ids, attention_mask=None):
    """Finds the first token of each example: a row holds several (is packed) where its positions start over.

    Padding has no say: it starts no example, whatever its positions are, and splits none that it stands in.

    Args:
        position_ids (`torch.LongTensor` of shape `(batch, length)`): Positions.
        attention_mask (`torch.Tensor` of shape `(batch, length)`, *optional*): 1 on tokens, 0 on padding.

    Returns:
        `torch.BoolTensor` of shape `(batch, length)`.
    """
    real = torch.ones_like(position_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
    index = torch.arange(real.shape[1], device=real.device)
    latest = torch.where(real, index, -1).cummax(-1).values
    before = pad(latest[:, :-1], (1, 0), value=-1)  # place of the token before, -1 where there is none
    return real & ((before < 0) | (position_ids <= position_ids.gather(1, before.clamp(min=0))))


def answers_by_labels(labels, starts):
    """Derives from labels what is prompt (0) and what is answer (1): the prompt ends at the first supervised token.

    Args:
        labels (`torch.LongTensor` of shape `(batch, length)`): -100 where there is no loss, as at the starts.
        starts (`torch.BoolTensor` of shape `(batch, length)`): See [`example_starts`].

    Returns:
        `torch.LongTensor` of shape `(batch, length)`.
    """
    supervised = (labels != -100).cumsum(-1)
    return (supervised > (supervised * starts).cummax(-1).values).long()  # more of them than at the example's start


def make_attention_mask(
    policy,
    image_ids,
    attention_mask=None,
    prefix=None,
    past_length=0,
    key_length=None,
    implementation="sdpa",
    dtype=torch.float32,
    examples=None,
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
        examples (`torch.LongTensor` of shape `(batch, queries)`, *optional*):
            Number of the example that a token of a packed row belongs to: none sees another. Only without a past.

    Returns:
        `torch.BoolTensor` of shape `(batch, 1, queries, keys)` for sdpa, the same as 0 and the type's minimum for
        eager, a `BlockMask` for flex attention.
    """
    batch, queries = image_ids.shape
    keys = past_length + queries if key_length is None else key_length
    device = image_ids.device

    def over_all_keys(chunk):  # (batch, queries) -> (batch, keys), text (0 or False) before and after the chunk
        return pad(chunk, (past_length, keys - past_length - queries))

    images = over_all_keys(image_ids)
    prefix = over_all_keys(torch.ones_like(image_ids, dtype=torch.bool) if prefix is None else prefix | (image_ids > 0))
    examples = over_all_keys(torch.zeros_like(image_ids) if examples is None else examples)
    real = torch.ones(batch, keys, dtype=torch.bool, device=device)
    if attention_mask is not None:
        known = min(keys, attention_mask.shape[1])
        real[:, :known] = attention_mask[:, :known].bool()
    # Slots of a static cache behind the chunk hold nothing yet.
    real[:, past_length + queries :] = False

    def cell(b, h, q, k):
        q = q + past_length
        allowed = may_attend(policy, q, k, images[b, q], images[b, k], prefix[b, q], prefix[b, k])
        return (allowed & real[b, k] & (examples[b, q] == examples[b, k])) | (q == k)

    if implementation == "flex_attention":
        from torch.nn.attention.flex_attention import create_block_mask

        return create_block_mask(cell, batch, None, queries, keys, device=str(device))

    b, q, k = (torch.arange(size, device=device) for size in (batch, queries, keys))
    mask = cell(b[:, None, None], None, q[:, None], k)[:, None]
    if implementation != "eager":
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=device).masked_fill(~mask, torch.finfo(dtype).min)


def policy_mask(
    config, placeholders, attention_mask, token_type_ids, position_ids, past_key_values, past_length, dtype
):
    """The mask of a config's policy for what [`ModaModel.forward`] was given.

    Args:
        config ([`ModaConfig`]): Names the policy and the attention implementation.
        placeholders (`torch.BoolTensor` of shape `(batch, queries)`): Where the image positions are.
        attention_mask, token_type_ids, past_key_values: See [`ModaForConditionalGeneration.forward`].
        position_ids (`torch.LongTensor`, *optional*): As the caller gave them; where they start over, an example does.
        past_length (`int`): Keys in the cache.
        dtype (`torch.dtype`): See [`make_attention_mask`].

    Returns:
        What [`make_attention_mask`] returns; the 2-D mask as it came where that is plainly causal.

    Raises:
        `ValueError`: For flash attention under another policy than `causal`, or over several packed rows.
    """
    refuse_flash_attention(config)
    policy, implementation = config.image_attention, config._attn_implementation
    batch, queries = placeholders.shape
    if attention_mask is not None and getattr(attention_mask, "ndim", None) != 2:  # the caller's own
        return attention_mask
    examples = None
    if position_ids is not None and past_length == 0:
        examples = example_starts(position_ids.expand(batch, -1), attention_mask).cumsum(-1)
        # One example a row is the rule, and costs nothing; a graph can't look at the data, so it takes the mask.
        if not torch.compiler.is_compiling() and int(examples.max()) <= 1:
            examples = None
    if examples is not None and "flash" in (implementation or ""):
        if batch > 1:
            raise ValueError(
                f"{implementation} keeps the examples of one packed row apart, and this batch has {batch} rows; join "
                'them into one, or load with attn_implementation="sdpa".'
            )
        return None  # transformers reads the examples off the positions
    one_position = policy == "image_bidirectional" and config.image_seq_length == 1
    if examples is None and (policy == "causal" or one_position):
        return attention_mask
    prefix = None
    if token_type_ids is not None:
        prefix = token_type_ids[:, -queries:] == 0
    elif past_length > 0:  # a later turn follows an answer, so it is not part of the prefix
        prefix = torch.zeros_like(placeholders)
    key_length = None
    if past_key_values is not None and past_key_values.is_compileable:  # static: room for keys yet to come
        key_length = past_key_values.layers[0].max_cache_len
    images = number_images(placeholders, config.image_seq_length)
    return make_attention_mask(
        policy, images, attention_mask, prefix, past_length, key_length, implementation, dtype, examples
    )


def refuse_flash_attention(config):
    """Refuses flash attention where its only mask, the causal one, is not the config's."""
    implementation = config._attn_implementation or ""
    if "flash" in implementation and config.image_attention != "causal":
        raise ValueError(
            f"{implementation} knows no mask but the causal one, and image_attention is {config.image_attention!r}; "
            'load with attn_implementation="sdpa" (or set image_attention="causal" and train under it).'
        )
