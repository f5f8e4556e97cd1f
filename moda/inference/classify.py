"""Ranks given labels by a model's own likelihood: all of them in one pass, behind one reading of picture and prompt."""

import os
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache

from masks_moda import make_attention_mask, number_images

from .answer_tree import AnswerTree
from .describer import prepare


MOST_NODES = 1024  # tokens of labels in one pass: what bounds the memory
HEAD_ROWS = 256  # positions whose scores over the whole vocabulary are held at once
SENTENCE_ENDS = (".", "!", "?")


@dataclass(frozen=True)
class Score:
    """What a model makes of one label.

    Args:
        label (`str`): As it was given.
        log_likelihood (`float`): Natural logarithm of how likely the model says it, by any of the ways to say it.
        score (`float`): What labels are ranked by; the log-likelihood, unless normalised or compared with the prior.
        probability (`float`): Softmax of the score over the labels: 0 to 1, their sum 1.
    """

    label: str
    log_likelihood: float
    score: float
    probability: float


@dataclass(frozen=True)
class Ranking:
    """The labels of one picture.

    Args:
        picture (`Any`): As it was given; of features their number; `None` where it could not even be given.
        scores (`list[Score]`): The best first; empty where the picture can't be read.
        error (`str`, *optional*): Why it can't.
    """

    picture: object
    scores: list
    error: str | None = None


def classify(
    model,
    processor,
    pictures,
    labels,
    template="{label}",
    complete=None,
    prompt=None,
    normalise=False,
    prior=None,
    batch_size=8,
    allow_private=False,
):
    """Ranks labels by how likely the model says them of a picture.

    The scores are those of teacher forcing, a sentence for each label, and are found in one pass: the tokens of all labels
    stand behind picture and prompt as one tree, where what begins alike is there once, and a token sees picture, prompt and
    what leads to it ("tree attention", Miao et al., "SpecInfer", section 4.2). A label's last token is predicted and never read.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        pictures (`Iterable` or `torch.FloatTensor` of shape `(pictures, image_seq_length, image_feature_size)`):
            Anything that [`load_picture`] takes; or what [`~ModaModel.encode_images`] returned for them.
        labels (`Iterable[str]` or `dict[str, Iterable[str]]`): The labels; or of each label the ways to say it, of which none
            should begin with another: the label is as likely as all of them together.
        template (`str`, *optional*, defaults to `"{label}"`): The answer around a label, or around each way to say it.
        complete (`bool`, *optional*): Whether the answer ends there, so that the end-of-sequence token counts, or may go on. By
            default it ends where the template is the label alone, or ends in a full stop, `!` or `?`: `"A {label}"` is how a
            sentence begins, and that it does not end there says nothing against the label.
        prompt (`str`, *optional*): What is asked; the processor's default prompt where there is none.
        normalise (`bool`, *optional*, defaults to `False`): Ranks by the log-likelihood per token (of a label's best way), so
            that long labels lose nothing by their length.
        prior (as `pictures`, *optional*): Pictures such as those to classify. Ranks by what a picture adds to their average, so
            that labels that were frequent in training lose their lead ("Batch Calibration", Zhou et al. 2023). Rare labels are
            found more often, and frequent ones less: on 300 products of Kaggle's catalogue the right colour came first for
            51 % instead of 63 %, and, each colour weighing the same, 53 % instead of 32 %. An empty picture is no such
            average: 13 % and 15 %.
        batch_size (`int`, *optional*, defaults to 8): Pictures at once.
        allow_private (`bool`, *optional*, defaults to `False`): Whether a URL may lead into a private network.

    Returns:
        `Iterator[Ranking]`: Of each picture, in order. One that can't be read does not stop the others.

    Raises:
        `ValueError`: If there is no label, an empty or a repeated one, the template names no label, the model can't be asked
            (the `full` policy), or its attention is neither `sdpa` nor `eager`.
    """
    ways = _ways(labels, template)
    if complete is None:
        complete = template == "{label}" or template.endswith(SENTENCE_ENDS)
    if model.config.image_attention == "full":
        raise ValueError(
            "image_attention is 'full', under which text sees later text and no answer has a likelihood; "
            "train on under image_attention='image_bidirectional'."
        )
    if model.config._attn_implementation not in ("sdpa", "eager"):
        raise ValueError(
            f"{model.config._attn_implementation} can't be told which label sees what; "
            'load with attn_implementation="sdpa".'
        )
    candidates = _Candidates(model, processor, ways, prompt, complete, normalise)
    if prior is not None:
        candidates.set_prior(prior if isinstance(prior, torch.Tensor) else list(prior), batch_size, allow_private)
    if isinstance(pictures, torch.Tensor):
        return _classify_features(candidates, pictures, batch_size)
    return _classify_pictures(candidates, pictures, batch_size, allow_private)


def _ways(labels, template):
    """Of each label the ways to say it, in the template."""
    if "{label}" not in template:
        raise ValueError(f"The template {template!r} has no place for a label; write {{label}} where it goes.")
    if isinstance(labels, str):
        raise ValueError(f"The labels are one text, {labels!r}; give a list of them.")
    pairs = list(labels.items()) if isinstance(labels, dict) else [(label, [label]) for label in labels]
    if not pairs:
        raise ValueError("There is no label to choose from; give at least one.")
    names = [label for label, _ in pairs]
    for place, (label, said) in enumerate(pairs):
        if not label.strip() or not said or not all(way.strip() for way in said):
            raise ValueError(f"Label {place + 1} of {len(pairs)}, {label!r}, is empty; leave it out.")
        if names.index(label) < place:
            raise ValueError(f"Label {label!r} is there twice; leave one out.")
    return {label: [template.replace("{label}", way) for way in dict.fromkeys(said)] for label, said in pairs}


def _classify_features(candidates, features, batch_size):
    for first in range(0, len(features), batch_size):
        rankings = candidates.rank(features[first : first + batch_size])
        yield from (Ranking(first + row, scores) for row, scores in enumerate(rankings))


def _classify_pictures(candidates, pictures, batch_size, allow_private):
    waiting = []

    def flush():
        good = [pixels for _, pixels, error in waiting if error is None]
        rankings = iter(candidates.rank(candidates.encode(good)) if good else ())
        for picture, _, error in waiting:
            yield Ranking(picture, next(rankings) if error is None else [], error)
        waiting.clear()

    pictures = iter(pictures)
    while True:
        picture = None
        try:
            picture = next(pictures)
            name = (
                os.fspath(picture)
                if isinstance(picture, (str, os.PathLike)) and len(os.fspath(picture)) < 300
                else None
            )
            waiting.append((picture, prepare(candidates.processor, picture, allow_private, name), None))
        except StopIteration:
            break
        except Exception as error:  # of what gives the pictures, or of a decoder
            waiting.append((picture, None, str(error) or type(error).__name__))
        if len(waiting) >= batch_size:
            yield from flush()
    yield from flush()


class _Candidates:
    """The answers to choose from as trees of tokens, and what a model makes of them."""

    def __init__(self, model, processor, ways, prompt, complete, normalise):
        self.model, self.processor, self.normalise, self.baseline = model, processor, normalise, 0.0
        self.labels = list(ways)
        said = [way for label in self.labels for way in ways[label]]
        self.starts = np.cumsum([0, *(len(ways[label]) for label in self.labels)])[:-1]  # of a label's first way
        # The very tokens that the model would have been trained on; the features stand for the pictures' number alone.
        nothing = torch.zeros(len(said), processor.image_seq_length, 1)
        rows = processor(text=[prompt] * len(said), suffix=said, image_features=nothing, return_tensors=None)
        answers = [tuple(token for token in row if token != -100) for row in rows["labels"]]
        answers = [answer if complete else answer[:-1] for answer in answers]
        self.lengths = np.array([len(answer) for answer in answers])
        self.prompt = processor(text=[prompt], image_features=nothing[:1])["input_ids"]
        self.trees = [AnswerTree()]
        for number, answer in sorted(enumerate(answers), key=lambda pair: pair[1]):  # what begins alike, side by side
            if len(self.trees[-1].tokens) >= MOST_NODES:
                self.trees.append(AnswerTree())
            self.trees[-1].add(number, answer)

    def set_prior(self, pictures, batch_size, allow_private):
        """Takes the logarithm of the mean likelihood over some pictures off all scores."""
        if len(pictures) == 0:
            raise ValueError("There is no picture for the prior; give some, or leave it out.")
        scores = []
        for first in range(0, len(pictures), batch_size):
            some = pictures[first : first + batch_size]
            if not isinstance(some, torch.Tensor):
                some = self.encode([prepare(self.processor, picture, allow_private) for picture in some])
            scores.append(self.score(some)[1])
        self.baseline = np.logaddexp.reduce(np.concatenate(scores), axis=0) - np.log(len(pictures))

    @torch.inference_mode()
    def encode(self, pictures):
        """The features of pictures that are prepared."""
        return self.model.encode_images(torch.stack(pictures).to(self.model.device, self.model.dtype))

    def rank(self, features):
        """Of each picture the [`Score`]s, the best first."""
        likelihoods, scores = self.score(features)
        scores = scores - self.baseline
        shares = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        return [
            [
                Score(self.labels[index], *(float(column[row, index]) for column in (likelihoods, scores, shares)))
                for index in np.argsort(-scores[row], kind="stable")
            ]
            for row in range(len(scores))
        ]

    @torch.inference_mode()
    def score(self, features):
        """Log-likelihoods and what to rank by, both float64 of shape `(pictures, labels)`."""
        totals = np.zeros((len(features), len(self.lengths)))
        cache = DynamicCache() if len(self.trees) > 1 else None
        root = None
        for tree in self.trees:
            hidden = self._read(features, tree, cache, root)
            root = hidden[:, :1]
            values = self._log_probabilities(hidden, tree)
            for answer, path in tree.paths.items():
                totals[:, answer] = values[:, path].sum(-1)
        likelihoods = np.logaddexp.reduceat(totals, self.starts, axis=1)
        if not self.normalise:
            return likelihoods, likelihoods
        return likelihoods, np.maximum.reduceat(totals / self.lengths, self.starts, axis=1)

    def _read(self, features, tree, cache, root):
        """What the language model makes of the nodes that something follows, of shape `(pictures, nodes, hidden_size)`.

        Picture and prompt, whose end is the first node, `root`, are read with the first tree; its cache serves the others.
        """
        model, length = self.model, self.prompt.shape[1]
        mask, depths = tree.layout(self._prompt_mask())
        first = slice(0 if root is None else length, None)
        if len(mask[first]) == 0:  # labels of one token: what predicts them is known
            return root
        tokens = torch.tensor([[tree.tokens[node] for node in tree.inner[1:]]], dtype=torch.long)
        mask = mask[None, None, first]
        if model.config._attn_implementation == "eager":  # which adds its mask
            mask = torch.zeros(mask.shape, dtype=model.dtype).masked_fill(~mask, torch.finfo(model.dtype).min)
        ids = torch.cat([self.prompt, tokens], 1)[:, first]
        positions = torch.cat([torch.arange(length), length + depths])[None, first]
        hidden = model.model(
            input_ids=ids.expand(len(features), -1).to(model.device),
            image_features=features.to(model.device) if root is None else None,
            attention_mask=mask.to(model.device),
            position_ids=positions.expand(len(features), -1).to(model.device),
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        if cache is not None and len(depths):
            cache.crop(-len(depths))  # the next tree stands behind the prompt, too
        return hidden[:, length - 1 :] if root is None else torch.cat([root, hidden], 1)

    def _log_probabilities(self, hidden, tree):
        """Of each node the log-probability of its token behind what leads to it, of shape `(pictures, nodes)`, float64."""
        values = np.zeros((len(hidden), len(tree.tokens)))
        place = {node: index for index, node in enumerate(tree.inner)}
        parents = np.array([place[parent] for parent in tree.parents[1:]])
        step = max(1, HEAD_ROWS // len(hidden))
        for start in range(0, len(tree.inner), step):
            logits = self.model.get_output_embeddings()(hidden[:, start : start + step]).float().log_softmax(-1)
            (nodes,) = ((parents >= start) & (parents < start + step)).nonzero()
            tokens = [tree.tokens[node + 1] for node in nodes]
            values[:, nodes + 1] = logits[:, parents[nodes] - start, tokens].cpu().numpy()
        return values

    def _prompt_mask(self):
        config = self.model.config
        images = number_images(self.prompt == config.image_token_id, config.image_seq_length)
        return make_attention_mask(config.image_attention, images)[0, 0]
