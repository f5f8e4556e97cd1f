"""What a model must beat: sentences on the same rows from systems that see less, learn less, or only copy."""

import random
import warnings
from collections import Counter, defaultdict
from functools import cached_property

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from moda.data.features import FeatureDataset
from moda.data.pixels import PixelDataset
from moda.data.wording import ATTRIBUTES

from .captioner import load_captioner
from .clip import load_clip
from .sentences import describe_rows, question_of, references_of


BASELINES = {
    "majority": "Says the commonest value of each attribute in the training rows, of every picture the same.",
    "blind": "The same model, shown the mean of all pictures instead of each: what it says without looking.",
    "noise": "The same model, shown noise instead of each picture.",
    "nearest": "Repeats the sentence of the training picture that is nearest by the model's own frozen image features.",
    "zero_shot": "A CLIP chooses each attribute among the catalogue's values by words alone, and never saw a training row.",
    "probe": "A linear classifier of each attribute on the model's own frozen image features, trained on the training rows.",
    "captioner": "Another captioner, as it is, without training on the catalogue.",
}
LEARNT_FROM = ("description", "descriptions", "prompt", "messages", "answers", *ATTRIBUTES, "masterCategory")
WORDING = 0  # the sentence pattern in which attributes are spoken
PROMPTS = 16  # sentences about a value, for a CLIP
# Held short, and stopped early: for 142 articles, 38,684 rows and 384 features the accuracies after 20 steps are within
# 0.3 points of those after 200, in a tenth of the time.
PROBE = {"C": 0.01, "max_iter": 30}


class Baselines:
    """Baselines of a model on some rows: each method of a name in `BASELINES` returns a sentence for each row.

    Args:
        dataset ([`PixelDataset`] or [`FeatureDataset`]): The rows evaluated, of the model's image processor.
        indices (`Sequence[int]`): Which of them.
        wording ([`Wording`]): Speaks attributes.
        train (`datasets.Dataset`, *optional*): Rows to learn from, with an undecoded `image` column.
        model ([`ModaForConditionalGeneration`], *optional*): The model evaluated, in evaluation mode.
        processor ([`ModaProcessor`], *optional*): Its own.
        clip ([`Clip`] or `str`, *optional*): For `zero_shot`; see [`load_clip`].
        shown (`torch.Tensor` of shape `(len(indices), projection_dim)`, *optional*): What that CLIP makes of the rows'
            pictures, where it is at hand.
        captioner ([`Captioner`] or `str`, *optional*): For `captioner`; see [`load_captioner`].
        features (`str`, *optional*, defaults to `"float16"`): In which the model's features are kept; see [`FeatureDataset`].
        train_limit (`int`, *optional*, defaults to 100000): Most training rows, drawn by the seed.
        batch_size (`int`, *optional*, defaults to 64): Rows at once, where the model speaks.
        max_new_tokens (`int`, *optional*, defaults to 48): Longest sentence.
        seed (`int`, *optional*, defaults to 0): Of noise and prompts.

    Example:

    ```python
    >>> baselines = Baselines(dataset, range(len(dataset)), catalogue.wording, catalogue.splits["train"])
    >>> baselines.majority()[0]
    'A black T-shirt for men, made for casual wear.'
    ```
    """

    def __init__(
        self,
        dataset,
        indices,
        wording,
        train=None,
        model=None,
        processor=None,
        clip=None,
        shown=None,
        captioner=None,
        features="float16",
        train_limit=100_000,
        batch_size=64,
        max_new_tokens=48,
        seed=0,
    ):
        self.dataset, self.indices, self.wording = dataset, list(indices), wording
        if train is not None and len(train) > train_limit:
            train = train.select(sorted(random.Random(seed).sample(range(len(train)), train_limit)))
        self._train, self._model, self._clip, self._captioner = train, model, clip, captioner
        self.processor, self.shown, self.dtype, self.seed = processor, shown, features, seed
        self.options = {"batch_size": batch_size, "max_new_tokens": max_new_tokens}

    def majority(self):
        """Says the commonest value of each attribute; the commonest sentence where training rows have no articleType."""
        if "articleType" not in self.known:
            said = references_of(self.columns, range(len(self.train)))
            return [_commonest(accepted[0] for accepted in said) or ""] * len(self.indices)
        return self._speak({name: [_commonest(self.columns[name])] for name in self.known}) * len(self.indices)

    def blind(self, picture="mean"):
        """Describes rows as [`describe_rows`] does, with another picture instead of theirs.

        Args:
            picture (`str`, *optional*, defaults to `"mean"`): `"mean"` of the rows' `pixel_values`; `"noise"`, a normal
                distribution in the space of `pixel_values`, drawn for each row from the seed and its number.
        """
        model, dataset = self.model, self.dataset
        if not isinstance(dataset, PixelDataset):
            dataset = PixelDataset(dataset.rows, self.processor.image_processor, dataset.table.column_names)
        if picture == "noise":
            unseeing = _Unseeing(dataset, self._noise)
            return describe_rows(model, self.processor, unseeing, self.indices, title="Noise", **self.options)
        total = sum(dataset.read(batch)[1].double().sum(0) for batch in _batches(self.indices))
        mean = (total / max(len(self.indices), 1)).float()
        unseeing = _Unseeing(dataset, lambda row: mean)
        # One picture has one answer to a question: it is asked each question once.
        asked = {name: dataset.columns[name] for name in ("prompt", "messages") if name in dataset.columns}
        questions = [question_of({name: asked[name][index] for name in asked}) for index in self.indices]
        once = dict(zip(questions, self.indices))
        said = describe_rows(model, self.processor, unseeing, list(once.values()), title="Blind", **self.options)
        answers = dict(zip(once, said))
        return [answers[question] for question in questions]

    def noise(self):
        """As [`blind`], with noise."""
        return self.blind("noise")

    def nearest(self):
        """Repeats the sentence of the training row whose features, averaged over positions, have the largest cosine."""
        learnt = torch.nn.functional.normalize(self.learnt, dim=-1)
        seen = torch.nn.functional.normalize(self.seen, dim=-1)
        nearest = [place for rows in seen.split(512) for place in (rows @ learnt.T).argmax(1).tolist()]
        return [accepted[0] or "" for accepted in references_of(self.encoded.columns, nearest)]

    def zero_shot(self):
        """Chooses each attribute by a CLIP: each value is the mean of sentences about it, in all wordings and with other
        attributes drawn from the catalogue's values; see `Clip.zero_shot`."""
        if self._clip is None:
            raise ValueError("No CLIP is given to choose attributes; give a folder or an id of one.")
        values = {"articleType": self.wording.articles, "gender": self.wording.genders, **self.wording.words}
        values = {name: sorted(values[name]) for name in ATTRIBUTES if values.get(name)}
        self._need_articles(values)
        clip = load_clip(self._clip) if isinstance(self._clip, str) else self._clip
        shown = clip.image_embeddings(self.pictures, "Zero-shot: pictures") if self.shown is None else self.shown
        rng = random.Random(self.seed)
        others = [{name: rng.choice(found) for name, found in values.items()} for _ in range(PROMPTS)]
        chosen = {}
        for name, found in values.items():
            prompts = {
                value: [self.wording.write({**row, name: value}, n) for n, row in enumerate(others)] for value in found
            }
            chosen[name] = clip.zero_shot(shown, prompts, f"Zero-shot: {name}")
        return self._speak(chosen)

    def probe(self):
        """Predicts each attribute by multinomial logistic regression on standardised features, averaged over positions.

        Rows without a value are left out of that attribute's fit.
        """
        self._need_articles(self.known)
        learnt, seen, predicted = self.learnt.numpy(), self.seen.numpy(), {}
        for name in tqdm(self.known, desc="Probe", unit="attribute"):
            values = np.array([value or "" for value in self.encoded.columns[name]])
            known = values != ""
            if len(set(values[known])) == 1:  # nothing to tell apart
                predicted[name] = [str(values[known][0])] * len(seen)
                continue
            probe = make_pipeline(StandardScaler(), LogisticRegression(**PROBE))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                probe.fit(learnt[known], values[known])
            predicted[name] = probe.predict(seen).tolist()
        return self._speak(predicted)

    def captioner(self):
        """Describes the rows with any captioner; see [`load_captioner`]."""
        if self._captioner is None:
            raise ValueError("No captioner is given; give a folder or an id of one.")
        named = isinstance(self._captioner, str)
        captioner = load_captioner(self._captioner) if named else self._captioner
        return captioner.describe(self.pictures, max_new_tokens=self.options["max_new_tokens"], title="Captioner")

    @property
    def model(self):
        if self._model is None or self.processor is None:
            raise ValueError("There is no model here, only its sentences; give the model itself.")
        return self._model

    @property
    def train(self):
        if self._train is None:
            raise ValueError("There are no training rows to learn from; give data with a split 'train'.")
        return self._train

    @cached_property
    def columns(self):
        """What training rows say, whether or not their pictures can be read."""
        return {name: self.train[name][:] for name in LEARNT_FROM if name in self.train.column_names}

    @cached_property
    def known(self):
        """The attributes that training rows have."""
        return [name for name in ATTRIBUTES if any(self.columns.get(name, ()))]

    @property
    def pictures(self):
        return self.dataset.rows.select(self.indices)["image"]  # read one by one, as they are asked for

    @cached_property
    def encoded(self):
        """The training rows with the model's features, kept on disk; those that its training kept, where there are such."""
        model, rows = self.model, self.train
        names = [name for name in LEARNT_FROM if name in rows.column_names]
        return FeatureDataset(rows, self.processor.image_processor, model, names, self.dtype)

    @cached_property
    def learnt(self):
        """Of each row of `encoded` the features, averaged over positions: float32 of shape `(rows, size)`."""
        return _pooled(self.encoded, range(len(self.encoded)))

    @cached_property
    def seen(self):
        """The same of the rows evaluated."""
        if isinstance(self.dataset, FeatureDataset):
            return _pooled(self.dataset, self.indices)
        rows = self.dataset.rows
        if self.indices != [*range(len(rows))]:
            rows = rows.select(self.indices)
        dataset = FeatureDataset(rows, self.processor.image_processor, self.model, [], self.dtype)
        if dataset.unreadable:  # the dataset could read them
            raise ValueError(f"A picture can't be read any more: {dataset.unreadable[0][1]}")
        return _pooled(dataset, range(len(dataset)))

    def _need_articles(self, attributes):
        if "articleType" not in attributes:
            raise ValueError("The catalogue has no articleType, without which no sentence can be made from attributes.")

    def _speak(self, attributes):
        """Sentences from what was chosen for each row."""
        kinds = defaultdict(Counter)  # what is worn and what is used: a sentence says which
        if self._train is not None:
            for article, kind in zip(self.columns.get("articleType", ()), self.columns.get("masterCategory", ())):
                kinds[article][kind] += 1
        rows = [dict(zip(attributes, values)) for values in zip(*attributes.values())]
        for row in rows:
            row["masterCategory"] = _commonest(kinds[row["articleType"]])
        return [self.wording.write(row, WORDING) for row in rows]

    def _noise(self, row):
        drawn = np.random.default_rng([self.seed, row["row"]]).standard_normal(row["pixel_values"].shape)
        return torch.from_numpy(drawn).float()


class _Unseeing(torch.utils.data.Dataset):
    """Rows of a [`PixelDataset`] with another picture: `picture(row)` makes its `pixel_values`."""

    def __init__(self, dataset, picture):
        self.dataset, self.picture = dataset, picture

    def __getitems__(self, indices):
        return [{**row, "pixel_values": self.picture(row)} for row in self.dataset.__getitems__(indices)]


def _pooled(dataset, indices):
    return torch.cat([dataset.read(batch)[1].float().mean(1) for batch in _batches(indices)])


def _batches(indices, size=1024):
    return [list(indices[first : first + size]) for first in range(0, len(indices), size)]


def _commonest(values):
    """The commonest that is not null, of equally common ones the first by name; `None` of none."""
    counts = Counter(values)
    return min((value for value in counts if value), key=lambda value: (-counts[value], value), default=None)
