"""What a CLIP makes of pictures and sentences: CLIPScore, retrieval, zero-shot classification."""

import math
from collections import Counter

import torch
from accelerate import PartialState
from scipy.stats import hypergeom
from tqdm.auto import tqdm
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from moda.data.pixels import PictureDataset
from pictures_moda import load_picture


WEIGHT = 2.5  # of CLIPScore, which brings the usual cosines to about 0-1
PREFIX = "A photo depicts "


class Clip:
    """A picture encoder and a text encoder that share a space: CLIP, SigLIP and their kin.

    Args:
        model (`PreTrainedModel`): With `get_image_features` and `get_text_features`.
        image_processor (`BaseImageProcessor`): Its own.
        tokenizer (`PreTrainedTokenizerBase`): Its own.
        batch_size (`int`, *optional*, defaults to 64): Pictures, or sentences, at once.

    Attributes:
        cut (`int`): How many sentences so far were longer than the text encoder takes, and lost their end.
    """

    def __init__(self, model, image_processor, tokenizer, batch_size=64):
        self.model, self.image_processor, self.tokenizer = model.eval(), image_processor, tokenizer
        self.batch_size, self.cut = batch_size, 0
        self.longest = min(model.config.text_config.max_position_embeddings, tokenizer.model_max_length)
        # SigLIP has learnt to read a sentence off the last of all positions, padding included, and without a mask.
        self.padded_to_the_end = model.config.model_type.startswith("siglip")

    @torch.inference_mode()
    def image_embeddings(self, pictures, title=None):
        """Embeds pictures.

        Args:
            pictures (`Sequence` or [`PixelDataset`]): Anything that [`load_picture`] takes; or rows whose
                `pixel_values` this CLIP's image processor made.
            title (`str`, *optional*): Of a progress bar; none without.

        Returns:
            `torch.Tensor` of shape `(len(pictures), projection_dim)`: float32 on the CPU, each row of length 1.
        """

        def embed(first):
            batch = range(first, min(first + self.batch_size, len(pictures)))
            if isinstance(pictures, PictureDataset):
                inputs = {"pixel_values": torch.stack([row["pixel_values"] for row in pictures.__getitems__(batch)])}
            else:
                inputs = self.image_processor([load_picture(pictures[index]) for index in batch], return_tensors="pt")
            return self.model.get_image_features(**self._to_device(inputs))

        return self._embed(embed, len(pictures), title)

    @torch.inference_mode()
    def text_embeddings(self, sentences, title=None):
        """Embeds sentences; one that is longer than the text encoder takes is cut there, and counted in `cut`.

        Equal sentences are embedded once: a system may say the same of many pictures.

        Args:
            sentences (`Sequence[str]`): As they are; see `PREFIX` for what CLIPScore puts before them.
            title (`str`, *optional*): Of a progress bar; none without.

        Returns:
            `torch.Tensor` of shape `(len(sentences), projection_dim)`: float32 on the CPU, each row of length 1.
        """

        counts = Counter(sentences)
        places = {sentence: place for place, sentence in enumerate(counts)}
        distinct = list(counts)

        def embed(first):
            batch = distinct[first : first + self.batch_size]
            lengths = [len(ids) for ids in self.tokenizer(batch, verbose=False)["input_ids"]]
            self.cut += sum(counts[sentence] for sentence, length in zip(batch, lengths) if length > self.longest)
            padding = "max_length" if self.padded_to_the_end else True
            options = {"padding": padding, "truncation": True, "max_length": self.longest, "return_tensors": "pt"}
            inputs = self.tokenizer(batch, **options)
            names = ["input_ids"] if self.padded_to_the_end else ["input_ids", "attention_mask"]
            return self.model.get_text_features(**self._to_device({name: inputs[name] for name in names}))

        return self._embed(embed, len(distinct), title)[[places[sentence] for sentence in sentences]]

    def class_embeddings(self, prompts, title=None):
        """Embeds classes, each as the mean of the embeddings of its prompts (CLIP, arXiv 2103.00020, section 3.1.4).

        The mean is not brought back to length 1, as OpenAI's notebook does, so that its product with a picture is the
        mean cosine of the picture and the prompts, and a class whose prompts disagree has no advantage from it.

        Args:
            prompts (`dict[str, list[str]]`): Of each class at least one sentence about it.
            title (`str`, *optional*): Of a progress bar; none without.

        Returns:
            `torch.Tensor` of shape `(len(prompts), projection_dim)`, in the order of the dict, each row of length 1 or less.

        Raises:
            `ValueError`: If a class has no prompt.
        """
        silent = [name for name, said in prompts.items() if not said]
        if silent:
            raise ValueError(f"The class {silent[0]!r} has no prompt; give each class at least one sentence about it.")
        said = self.text_embeddings([prompt for several in prompts.values() for prompt in several], title)
        return torch.stack([rows.mean(0) for rows in said.split([len(several) for several in prompts.values()])])

    def zero_shot(self, image_embeddings, prompts, title=None):
        """Classifies pictures by words alone: each is of the class whose prompts lie nearest to it on average.

        Args:
            image_embeddings (`torch.Tensor` of shape `(pictures, projection_dim)`): Of `image_embeddings`.
            prompts (`dict[str, list[str]]`): See `class_embeddings`.
            title (`str`, *optional*): Of a progress bar; none without.

        Returns:
            `list[str]`: Of each picture the class.

        Example:

        ```python
        >>> clip = load_clip("openai/clip-vit-base-patch32")
        >>> clip.zero_shot(clip.image_embeddings(["sock.jpg"]), {"Socks": ["A pair of socks."], "Shirts": ["A shirt."]})
        ['Socks']
        ```
        """
        names = list(prompts)
        nearest = (image_embeddings @ self.class_embeddings(prompts, title).T).argmax(1)
        return [names[place] for place in nearest.tolist()]

    def _to_device(self, inputs):
        inputs = {name: torch.as_tensor(value).to(self.model.device) for name, value in inputs.items()}
        return {name: x.to(self.model.dtype) if x.is_floating_point() else x for name, x in inputs.items()}

    def _embed(self, embed, count, title):
        found = []
        for first in tqdm(range(0, count, self.batch_size), desc=title, unit="batch", disable=not title):
            output = embed(first)
            output = getattr(output, "pooler_output", output)  # transformers 5 returns what led there as well
            found.append(torch.nn.functional.normalize(output.float(), dim=-1).cpu())
        return torch.cat(found) if found else torch.empty(0, 0)


def load_clip(name, **options):
    """Loads a CLIP, or a model built like one, with its image processor and tokenizer, onto the GPU if there is one.

    Args:
        name (`str`): Folder or id.
        options: Of [`Clip`].

    Returns:
        [`Clip`]

    Raises:
        `ValueError`: If there is no such model, or it does not embed both pictures and sentences.
    """
    try:
        model = AutoModel.from_pretrained(name, dtype=torch.float32, use_safetensors=True)
        # Not as one processor: a folder of `moda backbones`, and many on the Hub, hold the two without its config.
        parts = AutoImageProcessor.from_pretrained(name), AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError, ImportError) as error:
        why = str(error).strip().split("\n")[0].rstrip(".")
        raise ValueError(
            f"{name} can't be opened as a CLIP ({why}); give a folder or an id that holds one, with its image processor "
            "and tokenizer."
        ) from error
    if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
        raise ValueError(
            f"{name} holds a {type(model).__name__}, which does not embed pictures and sentences in one space; give a CLIP "
            "or a SigLIP."
        )
    return Clip(model.to(PartialState().device), *parts, **options)


def clip_score(image_embeddings, text_embeddings, weight=WEIGHT):
    """Scores how well each sentence fits its picture: CLIPScore (Hessel et al. 2021, arXiv 2104.08718, section 3).

    Args:
        image_embeddings (`torch.Tensor` of shape `(rows, projection_dim)`): Of [`Clip`].
        text_embeddings (`torch.Tensor` of shape `(rows, projection_dim)`): Of the sentences; the paper's have `PREFIX`
            before them.
        weight (`float`, *optional*, defaults to 2.5): The paper's w.

    Returns:
        `torch.Tensor` of shape `(rows,)`: `weight * max(cosine, 0)`.
    """
    if len(image_embeddings) != len(text_embeddings):
        raise ValueError(
            f"There are {len(text_embeddings)} sentences for {len(image_embeddings)} pictures; give one for each picture."
        )
    return weight * (image_embeddings * text_embeddings).sum(-1).clamp(min=0)


def ref_clip_score(image_embeddings, text_embeddings, reference_embeddings, groups, weight=WEIGHT):
    """RefCLIPScore (same paper): the harmonic mean of CLIPScore and of the nearest reference's cosine.

    Args:
        image_embeddings, text_embeddings (`torch.Tensor` of shape `(rows, projection_dim)`): As in [`clip_score`].
        reference_embeddings (`torch.Tensor` of shape `(references, projection_dim)`): Of the references, with the prefix
            that the sentences have.
        groups (`Sequence[int]`): Of each reference, the number of its row.
        weight (`float`, *optional*, defaults to 2.5): The paper's w.

    Returns:
        `torch.Tensor` of shape `(rows,)`, NaN for rows without a reference.
    """
    groups = torch.as_tensor(groups)
    seen = clip_score(image_embeddings, text_embeddings, weight)
    cosines = (reference_embeddings * text_embeddings[groups]).sum(-1)
    said = torch.full_like(seen, float("nan")).scatter_reduce(0, groups, cosines, "amax", include_self=False)
    said = said.clamp(min=0)
    return torch.where(seen + said == 0, 0.0, 2 * seen * said / (seen + said))


def found_at_k(image_embeddings, text_embeddings, ks=(1, 5, 10), groups=None, chunk=1024):
    """Says of each sentence and picture whether what belongs to it is among the k nearest.

    A picture is found by a sentence when it is among the k pictures nearest to it; a sentence is found by a picture when
    any of the picture's sentences is among the k nearest. What is equally near shares its places: it counts as found
    with the probability that a draw among equals gives, so that embeddings that are all the same score as chance does,
    and equal pictures neither win nor lose by their order.

    Args:
        image_embeddings (`torch.Tensor` of shape `(pictures, projection_dim)`): Of [`Clip`].
        text_embeddings (`torch.Tensor` of shape `(sentences, projection_dim)`): Likewise.
        ks (`tuple[int]`, *optional*, defaults to `(1, 5, 10)`): Of how many nearest.
        groups (`Sequence[int]`, *optional*): Of each sentence, the number of its picture. Defaults to one sentence a
            picture, in order.
        chunk (`int`, *optional*, defaults to 1024): Rows that are compared with all others at once.

    Returns:
        `dict[str, dict[int, torch.Tensor]]`: `text_to_image` of shape `(sentences,)`, and `image_to_text` of shape
        `(pictures that have a sentence,)`: for each k the probability of being found, 0 to 1, float64.

    Raises:
        `ValueError`: If there are no sentences, or not one group a sentence.
    """
    groups = torch.arange(len(image_embeddings)) if groups is None else torch.as_tensor(groups)
    if not len(groups) == len(text_embeddings) > 0:
        raise ValueError(
            f"There are {len(text_embeddings)} sentences and {len(groups)} pictures that they belong to; give each "
            "sentence the number of its picture in groups."
        )
    asked = groups.unique()  # pictures without a sentence are there to be mistaken for others
    directions = {
        "text_to_image": (text_embeddings, image_embeddings, groups, torch.arange(len(image_embeddings))),
        "image_to_text": (image_embeddings[asked], text_embeddings, asked, groups),
    }
    return {name: _found(*sides, ks, chunk) for name, sides in directions.items()}


def _found(asking, answers, wanted, of, ks, chunk):
    """For each k the probability, of each that asks, that an answer whose `of` is `wanted` is among the k nearest."""
    found = {k: [] for k in ks}
    for rows, names in zip(asking.split(chunk), wanted.split(chunk)):
        near = rows @ answers.T
        own = names[:, None] == of[None, :]
        best = near.masked_fill(~own, -torch.inf).amax(1, keepdim=True)
        nearer = (near > best).sum(1)
        equal, own_equal = (near == best).sum(1), ((near == best) & own).sum(1)
        for k in ks:
            places = (k - nearer).clamp(min=0).minimum(equal)  # left for those as near as the best own
            found[k].append(torch.as_tensor(1 - hypergeom.pmf(0, equal, own_equal, places)))
    return {k: torch.cat(parts) for k, parts in found.items()}


def recall_at_k(*arguments, **options):
    """Averages [`found_at_k`], whose arguments it takes: how often what belongs together is among the k nearest.

    Returns:
        `dict[str, dict[int, float]]`: `text_to_image` and `image_to_text`: for each k the share found, 0 to 1.
    """
    found = found_at_k(*arguments, **options)
    return {way: {k: float(rows.mean()) for k, rows in among.items()} for way, among in found.items()}


def keep_best(scores, share=1.0):
    """Ranks pairs by a score, such as [`clip_score`], and keeps the best: bootstrapping of noisy captions by alignment.

    Args:
        scores (`torch.Tensor` of shape `(rows,)`): The higher, the better.
        share (`float`, *optional*, defaults to 1.0): How much is kept, rounded up to whole rows.

    Returns:
        `list[int]`: Row numbers, the best first, equal ones in order; NaN is kept last.

    Raises:
        `ValueError`: If the share is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"The share to keep is {share}; it is above 0 and at most 1.")
    scores = torch.as_tensor(scores, dtype=torch.float64).nan_to_num(nan=-torch.inf)
    ranked = scores.argsort(descending=True, stable=True)
    return ranked[: math.ceil(round(len(scores) * share, 6))].tolist()
