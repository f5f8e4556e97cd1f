"""Captioners of every build describe pictures, in batches as alone."""

import pytest
import torch
from conftest import SENTENCES, TINY_LLAMA, make_picture, make_tokenizer
from PIL import Image
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BertTokenizerFast,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTImageProcessor,
)

from generation_moda import generate_sentences
from moda.evaluation.captioner import load_captioner


SIZE = {"height": 32, "width": 32}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SHAPE, "image_size": 32, "patch_size": 16}
TEMPLATE = (
    "<s>{% for message in messages %}{{ message['role'] }}:{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def words(folder):
    found = sorted({word for sentence in SENTENCES for word in sentence.lower().strip(".?").split()})
    file = folder / "vocab.txt"
    file.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *found]))
    return BertTokenizerFast(str(file))


def blip(folder):
    tokenizer = words(folder)
    text = {
        **SHAPE,
        "vocab_size": len(tokenizer),
        "bos_token_id": 2,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=VISION))
    return model, BlipProcessor(BlipImageProcessor(size=SIZE), tokenizer)


def git(folder):
    tokenizer = words(folder)
    ids = {"bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    model = GitForCausalLM(GitConfig(vision_config=VISION, vocab_size=len(tokenizer), **SHAPE, **ids))
    return model, GitProcessor(CLIPImageProcessor(size=SIZE, crop_size=SIZE), tokenizer)


def encoder_decoder(folder):
    """As ViT-GPT2: an image processor and a tokenizer, and nothing that joins them."""
    tokenizer = make_tokenizer()
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": len(tokenizer), "add_cross_attention": True}
    config = {
        "encoder": {"model_type": "vit", **VISION},
        "decoder": {"model_type": "gpt2", "is_decoder": True, **sizes, "bos_token_id": 0, "eos_token_id": 1},
    }
    model = VisionEncoderDecoderModel(VisionEncoderDecoderConfig(**config))
    for settings in (model.config, model.generation_config):
        settings.decoder_start_token_id, settings.pad_token_id, settings.eos_token_id = 0, 2, 1
    tokenizer.save_pretrained(folder)
    return model, ViTImageProcessor(size=SIZE)


def llava(folder):
    tokenizer = make_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    text = {**TINY_LLAMA, "vocab_size": len(tokenizer)}
    image = tokenizer.convert_tokens_to_ids("<image>")
    vision = {"model_type": "clip_vision_model", **VISION}
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=image, image_token_index=image)
    processor = LlavaProcessor(
        CLIPImageProcessor(size=SIZE, do_center_crop=False),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
        image_token="<image>",
    )
    return LlavaForConditionalGeneration(config), processor


def idefics(folder):
    """Cuts pictures into tiles, more of wide ones: prompts are of several lengths."""
    tokenizer = make_tokenizer()
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    marks = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *tiles]
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    size = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
    processor = Idefics3Processor(Idefics3ImageProcessor(**size), tokenizer, image_seq_len=1, chat_template=TEMPLATE)
    text = {**TINY_LLAMA, "vocab_size": len(tokenizer)}
    image = tokenizer.convert_tokens_to_ids("<image>")
    config = Idefics3Config(vision_config=VISION, text_config=text, image_token_id=image, scale_factor=2)
    return Idefics3ForConditionalGeneration(config), processor


KINDS = {build.__name__: build for build in (blip, git, encoder_decoder, llava, idefics)}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(1)
    model, processor = KINDS[request.param](folder)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:  # wide, so that what is seen is not lost in what is always the same
                parameter.normal_(std=0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_describes_in_batches_as_alone(folder):
    captioner = load_captioner(folder)
    pictures = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue", "black", "white")]
    pictures += [make_picture(1, size=(30, 64)), make_picture(2, mode="L")]
    said = captioner.describe(pictures, batch_size=4, max_new_tokens=6)
    assert said == captioner.describe(pictures, batch_size=1, max_new_tokens=6)
    assert len(set(said)) > 1  # it looks
    assert not any("assistant" in sentence or "<" in sentence or "Describe" in sentence for sentence in said)
    assert captioner.describe([]) == []


def test_a_prompt_is_asked(tmp_path):
    torch.manual_seed(0)
    model, processor = llava(tmp_path)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    asked = load_captioner(tmp_path, prompt="What colour is it?")
    inputs = asked.inputs([make_picture()])["input_ids"]
    text = asked.tokenizer.decode(inputs[0]).replace(" ", "")
    assert text == ("<s>user:" + "<image>" * 4 + "What colour is it?assistant:").replace(" ", "")  # one <s>, 4 patches


def test_a_model_of_pictures_alone_takes_no_prompt(tmp_path):
    for part in encoder_decoder(tmp_path):
        part.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="its processor takes no prompt, such as 'What is it"):
        load_captioner(tmp_path, prompt="What is it?")


def test_a_moda_describes_when_its_code_is_trusted(repository):
    pictures = [make_picture(0), make_picture(1)]
    said = load_captioner(repository, trust_remote_code=True).describe(pictures, max_new_tokens=5)
    model = AutoModelForImageTextToText.from_pretrained(repository, trust_remote_code=True)
    processor = AutoProcessor.from_pretrained(repository, trust_remote_code=True)
    assert said == generate_sentences(model.eval(), processor, {"images": pictures}, max_new_tokens=5)
    with pytest.raises(ValueError, match="custom code"):
        load_captioner(repository)


def test_what_is_no_captioner_is_refused_in_a_sentence(tmp_path):
    LlamaConfig(**TINY_LLAMA).save_pretrained(tmp_path)
    for name, reason in ((tmp_path, "type 'llama' describes no pictures"), (tmp_path / "none", "can't be used")):
        with pytest.raises(ValueError, match=reason) as caught:
            load_captioner(name)
        assert str(name) in str(caught.value) and "\n" not in str(caught.value)
