"""Any captioner that transformers opens, from a folder or an id: pictures in, sentences out."""

import inspect

import torch
from accelerate import PartialState
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.processing_utils import ProcessorMixin

from pictures_moda import load_picture


PROMPT = "Describe the product in one sentence."


class Captioner:
    """Describes pictures with a model that is asked as it was trained to be: by a picture alone, a prompt, or a chat.

    Args:
        model (`PreTrainedModel`): With `generate`.
        processor (`ProcessorMixin` or `BaseImageProcessor`): Makes its inputs.
        tokenizer (`PreTrainedTokenizerBase`): Reads its outputs.
        prompt (`str`, *optional*): What to ask. Defaults to `PROMPT` for a model that chats, and to nothing for others.
    """

    def __init__(self, model, processor, tokenizer, prompt=None):
        self.model, self.processor, self.tokenizer = model.eval(), processor, tokenizer
        asks_itself = hasattr(processor, "default_prompt")  # a MODA
        chats = getattr(processor, "chat_template", None) and not asks_itself
        if chats:
            content = [{"type": "image"}, {"type": "text", "text": prompt or PROMPT}]
            prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        self.prompt, self.text_options = prompt, {"padding": True}
        if chats and tokenizer.bos_token and prompt.startswith(tokenizer.bos_token):
            self.text_options["add_special_tokens"] = False  # the template has written them
        tokenizer.padding_side = "left"  # generation goes on at the right
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token

    @torch.inference_mode()
    def describe(self, pictures, batch_size=8, max_new_tokens=48, title=None):
        """Describes pictures greedily.

        Args:
            pictures (`Sequence`): Anything that [`load_picture`] takes.
            batch_size (`int`, *optional*, defaults to 8): Pictures at once.
            max_new_tokens (`int`, *optional*, defaults to 48): Longest sentence.
            title (`str`, *optional*): Of a progress bar; none without.

        Returns:
            `list[str]`: One a picture.
        """
        said = []
        for first in tqdm(range(0, len(pictures), batch_size), desc=title, unit="batch", disable=not title):
            batch = range(first, min(first + batch_size, len(pictures)))
            inputs = self.inputs([load_picture(pictures[index]) for index in batch])
            sequences = self.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
            asked = inputs.get("input_ids")
            # Some models repeat what they were asked, and some begin with what they say.
            if asked is not None and torch.equal(sequences[:, : asked.shape[1]], asked):
                sequences = sequences[:, asked.shape[1] :]
            said += self.tokenizer.batch_decode(sequences, skip_special_tokens=True)
        return [sentence.strip() for sentence in said]

    def inputs(self, pictures):
        """The model's inputs for a batch of PIL pictures, where the model is."""
        if self.prompt is None:
            inputs = self.processor(images=pictures, return_tensors="pt")
        else:
            text = [self.prompt] * len(pictures)
            images = [[picture] for picture in pictures]  # whose picture is whose, where a row may have several
            inputs = self.processor(images=images, text=text, return_tensors="pt", **self.text_options)
        known = inspect.signature(self.model.forward).parameters
        inputs = {name: value for name, value in inputs.items() if name != "token_type_ids" or name in known}
        inputs = {name: torch.as_tensor(value).to(self.model.device) for name, value in inputs.items()}
        return {name: x.to(self.model.dtype) if x.is_floating_point() else x for name, x in inputs.items()}


def load_captioner(name, prompt=None, trust_remote_code=False):
    """Loads a captioner: BLIP, GIT, ViT-GPT2, LLaVA, SmolVLM, or whatever else transformers counts as image-text-to-text.

    It runs on the GPU if there is one.

    Args:
        name (`str`): Folder or id.
        prompt (`str`, *optional*): What to ask; see [`Captioner`]. A model without a chat template gets it as it is, and
            must find its own mark for the picture in it.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether to run code from the folder or repository, as
            a MODA needs.

    Returns:
        [`Captioner`]

    Raises:
        `ValueError`: If there is no such model, or it is no captioner.
    """
    options = {"trust_remote_code": trust_remote_code}
    try:
        config = AutoConfig.from_pretrained(name, **options)
        known = {*MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES} | (
            {config.model_type} if "AutoModelForImageTextToText" in getattr(config, "auto_map", {}) else set()
        )
        if config.model_type not in known:
            raise ValueError(f"a model of type {config.model_type!r} describes no pictures")
        model = AutoModelForImageTextToText.from_pretrained(name, dtype=torch.float32, use_safetensors=True, **options)
        model = model.to(PartialState().device)
        processor = AutoProcessor.from_pretrained(name, **options)
        if isinstance(processor, ProcessorMixin):
            return Captioner(model, processor, processor.tokenizer, prompt)
        # Of a folder that holds the two by themselves, such as ViT-GPT2's, AutoProcessor opens one.
        if prompt is not None:
            raise ValueError(f"its processor takes no prompt, such as {prompt!r}")
        processor = AutoImageProcessor.from_pretrained(name, **options)
        return Captioner(model, processor, AutoTokenizer.from_pretrained(name, **options))
    except (OSError, ValueError, ImportError) as error:
        why = str(error).strip().split("\n")[0].rstrip(".")
        raise ValueError(
            f"{name} can't be used as a captioner ({why}); give a folder or an id that holds one, such as "
            "Salesforce/blip-image-captioning-base."
        ) from error
