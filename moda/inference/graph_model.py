"""Runs an exported model without PyTorch: numpy, tokenizers, and ONNX Runtime or OpenVINO.

This file imports nothing of MODA, and `export_graph` lays a copy of it into the folder that it writes, so that the folder
works on a machine where neither MODA nor PyTorch is installed.
"""

import json
from pathlib import Path

import numpy as np


GRAPH_FILE = "graph.json"


def is_graph(folder):
    """Tells whether a folder is what `export_graph` wrote."""
    return (Path(folder) / GRAPH_FILE).is_file()


def load_graph(folder, threads=None):
    """Loads a folder that `export_graph` wrote.

    Args:
        folder (`str` or `os.PathLike`): The folder.
        threads (`int`, *optional*): CPU threads; the engine's own choice unless given.

    Returns:
        [`GraphModel`]

    Raises:
        `ValueError`: If it is no such folder.
        `ModuleNotFoundError`: If its engine is not installed.
    """
    if not is_graph(folder):
        raise ValueError(f"{folder} has no {GRAPH_FILE}, so it is no exported graph; make one with moda export.")
    return GraphModel(folder, threads)


class GraphModel:
    """An exported model: pictures in, sentences out, chosen greedily.

    Args:
        folder (`str` or `os.PathLike`): What `export_graph` wrote.
        threads (`int`, *optional*): CPU threads; the engine's own choice unless given.

    Example:

    ```python
    >>> model = load_graph("moda-onnx")
    >>> model(model.prepare(Image.open("shirt.jpg").convert("RGB")))
    [{'description': 'A red shirt for men.', 'confidence': -0.21}]
    ```
    """

    def __init__(self, folder, threads=None):
        from tokenizers import Tokenizer

        self.folder = Path(folder)
        self.notes = json.loads((self.folder / GRAPH_FILE).read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        engine = {"onnx": _OnnxEngine, "openvino": _OpenVinoEngine}[self.notes["kind"]]
        self.vision = engine(self.folder, "vision", threads)
        self.decoder = engine(self.folder, "decoder", threads)
        self._image_processor = None

    def prepare(self, pictures):
        """Resizes and normalises pictures as the model was trained with; the one step that needs transformers.

        Args:
            pictures (`PIL.Image.Image` or `list[PIL.Image.Image]`): In mode RGB.

        Returns:
            `numpy.ndarray` of shape `(images, channels, height, width)`, float32.
        """
        if self._image_processor is None:
            from transformers import AutoImageProcessor

            self._image_processor = AutoImageProcessor.from_pretrained(self.folder)
        pictures = pictures if isinstance(pictures, (list, tuple)) else [pictures]
        return self._image_processor(list(pictures), return_tensors="np")["pixel_values"]

    def encode(self, prompts):
        """Turns prompts into ids as `ModaProcessor` does: one picture before a text that names none.

        Args:
            prompts (`list[str]`): Each may name its pictures with `<image>`.

        Returns:
            `tuple[numpy.ndarray, numpy.ndarray]`: `input_ids` and `attention_mask` of shape `(batch, length)`, padded on
            the left.
        """
        notes, rows = self.notes, []
        for prompt in prompts:
            prompt = prompt if "<image>" in prompt else "<image>" + prompt
            if not prompt[-1].isspace() and not prompt.endswith(tuple(notes["special_tokens"])):
                prompt += "\n"
            ids = self.tokenizer.encode(prompt).ids
            if ids[-1] == notes["tokenizer_eos_id"] and not prompt.endswith(notes["tokenizer_eos"]):
                ids = ids[:-1]  # a tokenizer that closes every text would end the sentence before it begins
            rows.append([i for i in ids for _ in range(self._places(i))])
        width = max(map(len, rows))
        input_ids = [[notes["pad_token_id"]] * (width - len(row)) + row for row in rows]
        attention_mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
        return np.array(input_ids, np.int64), np.array(attention_mask, np.int64)

    def _places(self, token):
        return self.notes["image_seq_length"] if token == self.notes["image_token_id"] else 1

    def describe(self, pixel_values, input_ids=None, attention_mask=None, max_new_tokens=48):
        """Describes pictures; a row that has ended leaves the batch, and costs nothing more.

        Args:
            pixel_values (`numpy.ndarray` of shape `(images, channels, height, width)`):
                The pictures of all rows, in the order of the text; anything that numpy makes an array of.
            input_ids (`numpy.ndarray` of shape `(batch, length)`, *optional*):
                Prompts, padded on the left, with `image_seq_length` ids of `<image>` for each picture. Defaults to one
                row a picture with the default prompt.
            attention_mask (`numpy.ndarray` of shape `(batch, length)`, *optional*): 1 on tokens, 0 on padding.
            max_new_tokens (`int`, *optional*, defaults to 48): Tokens of a sentence at most.

        Returns:
            `tuple[list[str], list[float]]`: Sentences, and of each the mean natural log-probability of its tokens, as
            `generate_sentences` counts it.

        Raises:
            `ValueError`: If the prompts do not hold as many image positions as the pictures have.
        """
        notes = self.notes
        pixel_values = np.ascontiguousarray(pixel_values, np.float32)
        if input_ids is None:
            input_ids, attention_mask = self.encode([notes["default_prompt"]] * len(pixel_values))
        ids = np.asarray(input_ids, np.int64)
        mask = np.ones_like(ids) if attention_mask is None else np.asarray(attention_mask, np.int64)
        found, needed = int((ids == notes["image_token_id"]).sum()), len(pixel_values) * notes["image_seq_length"]
        if found != needed:
            raise ValueError(
                f"{len(pixel_values)} picture(s) of {notes['image_seq_length']} position(s) need {needed} <image> ids, "
                f"and the prompts hold {found}; let GraphModel.encode make them."
            )
        # ONNX Runtime's products take no batch of 0, as of prompts without a picture.
        image_embeds = np.zeros((0, notes["image_seq_length"], notes["hidden_size"]), np.float32)
        if len(pixel_values):
            image_embeds = self.vision.run({"pixel_values": pixel_values})[0]
        past = [np.zeros((len(ids), heads, 0, size), np.float32) for heads, size in notes["past"]]
        tokens, scores = [[] for _ in ids], [[] for _ in ids]
        rows = np.arange(len(ids))  # those that have not ended
        for _ in range(max_new_tokens):
            logits, past = self.step(ids, mask, image_embeds, past)
            likelihoods = logits - _log_of_sum(logits)  # the head's own say; what is suppressed has a part in it
            logits[:, notes["suppress_tokens"]] = -np.inf
            chosen = logits.argmax(-1)
            for at, (row, token) in enumerate(zip(rows, chosen)):
                tokens[row].append(int(token))
                scores[row].append(float(likelihoods[at, token]))
            going = ~np.isin(chosen, notes["eos_token_ids"])
            rows = rows[going]
            if not rows.size:
                break
            if not going.all():
                past = [part[going] for part in past]
            ids = chosen[going][:, None]
            mask = np.pad(mask[going], ((0, 0), (0, 1)), constant_values=1)
            image_embeds = image_embeds[:0]
        texts = self.tokenizer.decode_batch(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts], [sum(row) / len(row) for row in scores]

    def step(self, input_ids, attention_mask, image_embeds, past):
        """Runs the language model over new tokens.

        Args:
            input_ids (`numpy.ndarray` of shape `(batch, new)`): A whole prompt, or one token a row behind a past.
            attention_mask (`numpy.ndarray` of shape `(batch, past + new)`): 1 on tokens, 0 on padding.
            image_embeds (`numpy.ndarray` of shape `(images, image_seq_length, hidden_size)`): Of the pictures in `new`.
            past (`list[numpy.ndarray]`): Keys and values, layer by layer, of shape `(batch, heads, past, head size)`.

        Returns:
            `tuple[numpy.ndarray, list[numpy.ndarray]]`: Logits of the last position, of shape `(batch, vocabulary)`, and
            the longer past.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "image_embeds": image_embeds}
        inputs.update(zip(past_names(len(past)), past))
        logits, *past = self.decoder.run(inputs)
        return logits, past

    def __call__(self, pixel_values, max_new_tokens=48):
        """Describes pictures under the default prompt: one `dict(description, confidence)` each."""
        sentences, confidences = self.describe(pixel_values, max_new_tokens=max_new_tokens)
        return [{"description": text, "confidence": sure} for text, sure in zip(sentences, confidences)]


def past_names(count, prefix="past_key_values"):
    """Names the graph's keys and values, layer by layer, as Optimum's exports do."""
    return [f"{prefix}.{index // 2}.{('key', 'value')[index % 2]}" for index in range(count)]


def _log_of_sum(logits):
    top = logits.max(-1, keepdims=True)
    return top + np.log(np.exp(logits - top).sum(-1, keepdims=True))


class _OnnxEngine:
    def __init__(self, folder, name, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        if threads:
            options.intra_op_num_threads = threads
        file = str(folder / f"{name}.onnx")
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def run(self, inputs):
        return self.session.run(None, inputs)


class _OpenVinoEngine:
    def __init__(self, folder, name, threads):
        import openvino

        # Left alone it computes in bfloat16 where the CPU can, and says other sentences.
        options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = threads
        model = openvino.Core().compile_model(str(folder / f"{name}.xml"), "CPU", options)
        self.request, self.outputs = model.create_infer_request(), model.outputs

    def run(self, inputs):
        results = self.request.infer(inputs)
        return [results[output] for output in self.outputs]
