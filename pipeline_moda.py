"""`pipeline("image-to-text", repository, trust_remote_code=True)`: picture in, sentence out, on 4.57 and 5."""

from torch.utils.data import Dataset
from transformers import AutoProcessor, Pipeline


try:  # as remote code
    from .fetching_moda import fetch  # noqa: F401 - for pictures_moda: transformers 4 copies what is named here along
    from .pictures_moda import load_picture
except ImportError:  # from the repository root, or installed
    from pictures_moda import load_picture


class ModaImageToTextPipeline(Pipeline):
    r"""
    Describes pictures. Loaded by name, since transformers 5 has dropped the task and 4.57's own knows no `<image>`.

    Example:

    ```python
    >>> from transformers import pipeline

    >>> describe = pipeline("image-to-text", "me/moda", trust_remote_code=True)
    >>> describe("shirt.jpg")
    [{'generated_text': 'A red shirt for women.'}]
    >>> describe(["shirt.jpg", "https://example.com/shoe.png"], batch_size=2, max_new_tokens=20)
    ```
    """

    _load_processor = True
    _load_image_processor = True  # batching asks it for a padding value
    _load_feature_extractor = False
    _load_tokenizer = True
    modelcard = None  # transformers 5.0 asks for it on saving, and sets it nowhere

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.processor is None:
            self.processor = AutoProcessor.from_pretrained(self.model.config._name_or_path, trust_remote_code=True)

    def __call__(self, inputs=None, images=None, **kwargs):
        r"""
        Args:
            inputs (a picture, a list, a dataset or a generator of pictures):
                Paths, URLs, `PIL.Image.Image`, bytes, arrays; also by the name `images`.
            prompt (`str`, *optional*): What to ask; defaults to the processor's default prompt.
            batch_size (`int`, *optional*, defaults to 1): Pictures described at once.
            kwargs: Any argument of `generate`, such as `max_new_tokens` or `num_beams`.

        Returns:
            `list[dict]` for a picture (one dict for each returned sequence), a list of those for several.
        """
        if inputs is None and images is None:
            raise ValueError("There is nothing to describe; give a picture, a path, a URL or a list of them.")
        inputs = images if inputs is None else inputs
        # A dataset of the datasets library, or its column, has items and a length and is neither list nor picture.
        is_picture = hasattr(inputs, "__array_interface__") or hasattr(inputs, "ndim")
        if (
            hasattr(inputs, "__getitem__")
            and not is_picture
            and not isinstance(inputs, (str, bytes, list, dict, Dataset))
        ):
            return list(super().__call__((inputs[index] for index in range(len(inputs))), **kwargs))
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(self, prompt=None, **generate_kwargs):
        if generate_kwargs.pop("generate_kwargs", None):
            raise ValueError("Give generation arguments directly, as in describe(picture, max_new_tokens=20).")
        return ({} if prompt is None else {"prompt": prompt}), generate_kwargs, {}

    def preprocess(self, image, prompt=None):
        if isinstance(image, dict) and "image" in image:  # a row of a dataset
            image = image["image"]
        return dict(self.processor(images=[[load_picture(image)]], text=prompt))

    def _forward(self, inputs, **generate_kwargs):
        inputs["pixel_values"] = inputs["pixel_values"].to(self.model.dtype)
        sequences = self.model.generate(**inputs, **generate_kwargs)
        rows, length = inputs["input_ids"].shape
        return {"sequences": sequences[:, length:].view(rows, sequences.shape[0] // rows, -1)}

    def postprocess(self, outputs):
        texts = self.processor.batch_decode(outputs["sequences"].flatten(0, 1), skip_special_tokens=True)
        return [{"generated_text": text.strip()} for text in texts]

    def save_pretrained(self, save_directory, **kwargs):
        """Saves the model and, which transformers forgets here, the processor."""
        super().save_pretrained(save_directory, **kwargs)
        self.processor.save_pretrained(save_directory)
