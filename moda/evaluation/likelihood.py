"""How likely a model finds given sentences about a picture: teacher forcing, nothing is generated."""

import numpy as np
import torch
from tqdm.auto import tqdm

from pictures_moda import load_picture


@torch.inference_mode()
def sentence_log_likelihoods(model, processor, pictures, sentences, prompts=None, batch_size=32, title=None):
    """Scores given sentences by their log-likelihood; each picture is encoded once, whatever the number of its sentences.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        pictures (`list` or `torch.FloatTensor` of shape `(pictures, image_seq_length, image_feature_size)`):
            Anything that [`load_picture`] takes; or what [`~ModaModel.encode_images`] returned for them.
        sentences (`list[str]` or `list[list[str]]`): Of each picture one sentence, or several, such as a true one and
            its foils.
        prompts (`list[str | None]`, *optional*): Of each picture what is asked; the default prompt where it is `None`.
        batch_size (`int`, *optional*, defaults to 32): Pictures, and sentences, at once.
        title (`str`, *optional*): Of a progress bar; none without.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: In natural logarithms, float64, the log-likelihood of each sentence, its
        end-of-sequence token included; and of how many tokens it is the sum, int64. Both have the shape `(sentences,)`,
        the sentences of the first picture first.

    Raises:
        `ValueError`: If pictures, sentences and prompts differ in number.
    """
    if prompts is None:
        prompts = [None] * len(pictures)
    if not len(pictures) == len(sentences) == len(prompts):
        raise ValueError(
            f"There are {len(pictures)} pictures, {len(sentences)} entries of sentences and {len(prompts)} prompts; "
            "give one entry for each picture."
        )
    totals, counts = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    starts = range(0, len(pictures), batch_size)
    for first in tqdm(starts, desc=title, unit="batch", disable=title is None):
        some = slice(first, first + batch_size)
        features = pictures[some]
        if not isinstance(features, torch.Tensor):
            pixels = processor.image_processor([load_picture(picture) for picture in features], return_tensors="pt")
            features = model.encode_images(pixels["pixel_values"].to(model.device))
        rows = [
            (index, prompt, sentence)
            for index, (prompt, said) in enumerate(zip(prompts[some], sentences[some], strict=True))
            for sentence in ([said] if isinstance(said, str) else said)
        ]
        for start in range(0, len(rows), batch_size):
            of, asked, said = zip(*rows[start : start + batch_size], strict=True)
            inputs = processor(text=list(asked), suffix=list(said), image_features=features[list(of)])
            total, count = label_log_likelihoods(model, inputs)
            totals.append(total)
            counts.append(count)
    return np.concatenate(totals), np.concatenate(counts)


@torch.inference_mode()
def label_log_likelihoods(model, inputs):
    """Scores the labels of a batch, on whichever side it is padded.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        inputs (`dict`): What its `forward` takes, with `labels` of shape `(rows, length)`, -100 on all but the answer;
            before the answer there is a prompt or a picture.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: Of each row the sum of its labels' natural log-probabilities, float64, and how
        many labels these are, int64; both of shape `(rows,)`.
    """
    inputs = {name: value.to(model.device) for name, value in inputs.items()}
    logits = model(**inputs, logits_to_keep="labels").logits.float()
    targets = inputs["labels"][:, 1:]
    rows, columns = (targets != -100).nonzero(as_tuple=True)
    scores = logits.log_softmax(-1).gather(1, targets[rows, columns, None])[:, 0]
    rows, scores, count = rows.cpu().numpy(), scores.cpu().numpy(), len(targets)
    return np.bincount(rows, scores, count), np.bincount(rows, minlength=count)
