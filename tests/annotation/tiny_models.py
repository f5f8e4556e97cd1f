"""The default annotators in small: random weights in the architectures of Phi-4-multimodal and Phi-3-mini, saved as they are."""

import base64
import io
import math

import numpy as np
import torch
import transformers
from conftest import TINY_LLAMA, make_tokenizer
from peft import LoraConfig, get_peft_model
from PIL import Image
from torch.nn.functional import interpolate
from transformers import (
    AddedToken,
    BaseImageProcessor,
    BatchFeature,
    GPT2TokenizerFast,
    Phi3Config,
    Phi3ForCausalLM,
    Phi4MultimodalAudioConfig,
    Phi4MultimodalConfig,
    Phi4MultimodalFeatureExtractor,
    Phi4MultimodalForCausalLM,
    Phi4MultimodalProcessor,
    Phi4MultimodalVisionConfig,
    PreTrainedTokenizerFast,
    processing_utils,
)
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING
from transformers.utils import is_torchvision_available

from moda.annotation.local import load_local


# Of a message, Phi's templates take a string only.
PHI3_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
PHI4_TEMPLATE = PHI3_TEMPLATE.replace("\n", "")
PHI4_TEMPLATE_OF_PARTS = (
    "{% for message in messages %}<|{{ message['role'] }}|>{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|image|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TURNS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
TINY_PHI = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}


def phi_tokenizer(template, **marks):
    tokenizer = make_tokenizer("<|endoftext|>")
    own = GPT2TokenizerFast if transformers.__version__.startswith("4.") else PreTrainedTokenizerFast  # 4 asks for it
    tokenizer = own(
        tokenizer_object=tokenizer.backend_tokenizer,
        bos_token="<s>",
        eos_token="<|endoftext|>",
        pad_token="<pad>",
        extra_special_tokens=marks,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [AddedToken(mark, special=True) for mark in TURNS]})
    tokenizer.chat_template, tokenizer.model_max_length = template, 4096
    return tokenizer


class PillowPhi4ImageProcessor(BaseImageProcessor):
    """What the image processor of Phi-4-multimodal gives, which needs torchvision, by Pillow and torch alone.

    A picture is scaled to fill a grid of squares, as many as it would take to cover it, and padded with white at the right
    and below. The model gets the whole as one more square in front, then square by square, and per square which patches lie
    on the picture; all with as many squares as the picture of the batch that has most.
    """

    model_input_names = ["image_pixel_values", "image_sizes", "image_attention_mask"]

    def __init__(self, size=448, patch_size=14, dynamic_hd=36, **kwargs):
        super().__init__(**kwargs)
        self.size, self.patch_size, self.dynamic_hd = size, patch_size, dynamic_hd

    def preprocess(self, images, **kwargs):
        images = [picture for row in images for picture in row] if isinstance(images[0], list) else images
        crops, masks, sizes, counts = zip(*map(self.prepare, images))
        most = max(map(len, crops))
        crops = [torch.cat([x, x.new_zeros(most - len(x), *x.shape[1:])]) for x in crops]
        masks = [torch.cat([x, x.new_ones(most - len(x), *x.shape[1:])]) for x in masks]
        return BatchFeature(
            {
                "image_pixel_values": torch.stack(crops),
                "image_sizes": torch.tensor(sizes),
                "image_attention_mask": torch.stack(masks),
                "num_img_tokens": list(counts),
            }
        )

    def prepare(self, picture):
        side, patches = self.size, self.size // self.patch_size
        columns, rows = math.ceil(picture.width / side), math.ceil(picture.height / side)
        assert (
            columns * rows <= self.dynamic_hd
        )  # beyond, the grid of the nearest aspect is taken: too large for a test
        scale = min(columns * side / picture.width, rows * side / picture.height)
        full = scale == columns * side / picture.width  # as wide as the grid, else as high
        width = columns * side if full else int(picture.width * scale)
        height = int(picture.height * scale) if full else rows * side
        if min(width, height) < 10:
            raise ValueError(f"the aspect ratio is very extreme ({picture.width} x {picture.height})")
        canvas = Image.new("RGB", (columns * side, rows * side), "white")
        canvas.paste(picture.resize((width, height), Image.BILINEAR))
        pixels = torch.from_numpy(np.array(canvas)).permute(2, 0, 1).float() / 127.5 - 1
        whole = interpolate(pixels[None], (side, side), mode="bicubic", align_corners=False)
        mask = torch.ones(rows * patches, columns * patches)
        mask[rows * patches - (rows * side - height) // self.patch_size :] = 0
        mask[:, columns * patches - (columns * side - width) // self.patch_size :] = 0
        crops = pixels.reshape(3, rows, side, columns, side).permute(1, 3, 0, 2, 4).flatten(0, 1)
        crop_masks = mask.reshape(rows, patches, columns, patches).transpose(1, 2).flatten(0, 1)
        # Every second patch becomes a token; a line ends with one of its own, and one stands between part and whole.
        seen = mask[::2, ::2]
        count = 16 * 17 + 1 + int(seen.sum()) + int(seen[:, 0].sum())
        masks = torch.cat([torch.ones(1, patches, patches), crop_masks])
        return torch.cat([whole, crops]), masks, [rows * side, columns * side], count


def image_processor_of_phi4(monkeypatch):
    """The real one where torchvision is, else ours in its place, so that a processor is saved and opened as any other."""
    if transformers.__version__.startswith("4."):
        name, library = "Phi4MultimodalImageProcessorFast", processing_utils.transformers_module
        if not is_torchvision_available():
            monkeypatch.setattr(library, name, PillowPhi4ImageProcessor)
        return getattr(library, name)()
    if is_torchvision_available():
        return transformers.Phi4MultimodalImageProcessor()
    registered = IMAGE_PROCESSOR_MAPPING._extra_content
    monkeypatch.setitem(registered, Phi4MultimodalConfig, {"torchvision": PillowPhi4ImageProcessor})
    return PillowPhi4ImageProcessor()


def draw_weights(model, seed=0):
    """Draws all weights wide: with the usual 0.02 every answer would be alike."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2, generator=generator)
    return model.eval()


def save_tiny_phi3(folder, seed=0, context=256):
    """A Phi-3 that ends a turn, as the real one does, with any of several tokens."""
    tokenizer = phi_tokenizer(PHI3_TEMPLATE)
    config = Phi3Config(
        **TINY_PHI,
        vocab_size=len(tokenizer),
        max_position_embeddings=context,
        original_max_position_embeddings=context,
    )
    model = draw_weights(Phi3ForCausalLM(config), seed)
    model.generation_config.eos_token_id = [1, *tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def phi4_tokenizer(template=PHI4_TEMPLATE):
    return phi_tokenizer(template, image_token="<|image|>", audio_token="<|audio|>")


def phi4_config(tokenizer):
    small = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    return Phi4MultimodalConfig(
        **TINY_PHI,
        vocab_size=len(tokenizer),
        max_position_embeddings=4096,
        vision_config=Phi4MultimodalVisionConfig(**small, num_hidden_layers=2, image_token_id=tokenizer.image_token_id),
        audio_config=Phi4MultimodalAudioConfig(
            **small,
            num_blocks=1,
            nemo_conv_channels=8,
            ext_pw_out_channel=16,
            depthwise_separable_out_channel=16,
            audio_token_id=tokenizer.audio_token_id,
        ),
    )


def make_tiny_phi4(image_processor, template=PHI4_TEMPLATE, seed=0):
    """A Phi-4-multimodal and its processor, with the real one's picture size: 256 tokens for a whole picture."""
    tokenizer = phi4_tokenizer(template)
    model = draw_weights(Phi4MultimodalForCausalLM(phi4_config(tokenizer)), seed)
    model.generation_config.eos_token_id = [1, tokenizer.convert_tokens_to_ids("<|end|>")]
    return model, Phi4MultimodalProcessor(image_processor, Phi4MultimodalFeatureExtractor(), tokenizer)


def save_tiny_idefics3(folder):
    """An Idefics3, which SmolVLM is by another name: it pads pictures with pictures, and counts both."""
    tokenizer = make_tokenizer()
    pillow = getattr(transformers, "Idefics3ImageProcessorPil", transformers.Idefics3ImageProcessor)
    processor = transformers.Idefics3Processor(
        pillow(size={"longest_edge": 64}, max_image_size={"longest_edge": 32}),
        tokenizer,
        image_seq_len=4,
        chat_template=PHI4_TEMPLATE_OF_PARTS.replace("<|image|>", "<image>"),
    )
    config = transformers.Idefics3Config(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config={**TINY_LLAMA, "vocab_size": len(tokenizer), "max_position_embeddings": 1024},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=2,
    )
    draw_weights(transformers.Idefics3ForConditionalGeneration(config)).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_tiny_phi4(folder, monkeypatch):
    """A Phi-4-multimodal with an adapter for pictures below, as the real one has it."""
    model, processor = make_tiny_phi4(image_processor_of_phi4(monkeypatch))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    torch.manual_seed(1)
    lora = get_peft_model(model, LoraConfig(r=2, target_modules=["qkv_proj", "o_proj"], init_lora_weights=False))
    lora.save_pretrained(folder / "vision-lora")
    return folder


def plain(colour, size=(40, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def look(text, *pictures, **parameters):
    """A request with pictures, given by their colours or as encoded files."""
    files = [picture if isinstance(picture, bytes) else plain(picture) for picture in pictures]
    urls = [f"data:image/png;base64,{base64.b64encode(file).decode()}" for file in files]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"messages": [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}], **parameters}


def greedy(model, tokens, count, **inputs):
    """What greedy decoding is, without a cache, padding or `generate`: the likeliest token, over and over."""
    said = []
    for _ in range(count):
        ids = torch.tensor([tokens + said])
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits
        said.append(int(logits[0, -1].argmax()))
    return said


def load(folder, **options):
    """Loads a model in float32: what is compared to the last digit must not depend on the processor."""
    model = load_local(str(folder), **options)
    model.chat.model.float()
    return model
