"""A page to try a model in the browser: what `moda demo` starts, and what `moda demo --space` makes a Gradio Space of.

A Space describes with the repository that the variable `MODA_MODEL` names, or the first of `models` in its README.md. How to
describe comes with that repository; the attributes are read from the sentences where there is the `moda` package, too.
"""

import base64
import importlib
import io
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path


os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # gradio reads it when it is imported

import gradio as gr
import torch
from huggingface_hub import metadata_load
from transformers import AutoModelForImageTextToText, AutoProcessor


try:  # installed
    from hub_card.answers import Answer, show
except ImportError:  # a Space, whose files lie side by side
    from answers import Answer, show


HERE = Path(__file__).parent
BATCH_SIZE = 8
PICTURES_AT_ONCE = 100  # of one visitor; more are a catalogue, which is what `moda describe` is for
THUMBNAIL = 320
MOST_OBLONG = 100  # times as long as wide; resizing to the shorter edge makes millions of columns of a longer picture
LINKS = ("http://", "https://", "data:")
SAMPLES = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
WORDS = {"upload_text.drop_file": "Drop pictures here", "upload_text.click_to_upload": "Choose or take pictures"}
ICON = "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Crect width='8' height='8' rx='2' fill='%230f6f6c'/%3E%3Cpath d='M2 6V2l2 2 2-2v4' fill='none' stroke='%23fff'/%3E%3C/svg%3E"


class PageDescriber:
    """Describes visitors' pictures, one batch at a time whoever asks.

    Args:
        model, processor: As [`AutoModelForImageTextToText`] and [`AutoProcessor`] load them.
        name (`str`): The model's, for people.
        allow_private (`bool`, *optional*, defaults to `False`): Whether visitors may have pictures fetched from addresses
            that are not public: of this machine and its network.
    """

    def __init__(self, model, processor, name, allow_private=False):
        self.model, self.processor, self.name, self.allow_private = model, processor, name, allow_private
        self._generate_sentences = _hub_file("generation_moda", model).generate_sentences
        self._load_picture = _hub_file("pictures_moda", model).load_picture
        self._turn = threading.Lock()
        try:
            from moda.inference.describer import prepare
        except ModuleNotFoundError:
            prepare = _prepare
        self._prepare = prepare
        try:
            from moda.inference.tables import read_attributes
        except ModuleNotFoundError:
            self._read_attributes = None
        else:
            read_attributes("A shirt.")  # the first takes a second, and should not be a visitor's
            self._read_attributes = read_attributes

    def __call__(self, pictures, prompt=None):
        """Describes pictures; one that can't be read does not stop the others.

        Args:
            pictures (`list[str]`): Paths and URLs.
            prompt (`str`, *optional*): What to ask; defaults to the processor's default prompt.

        Yields:
            `list[Answer]`: A batch's, in order.
        """
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(pictures), BATCH_SIZE):
                read = list(pool.map(self._read, pictures[start : start + BATCH_SIZE]))
                good = [(answer, pixels) for answer, pixels in read if answer.error is None]
                if good:
                    self._describe(*zip(*good), prompt)
                yield [answer for answer, _ in read]

    def _read(self, picture):
        link = picture.lower().startswith(LINKS)
        answer = Answer(picture if link and len(picture) < 300 else f"{picture[:100]}…" if link else Path(picture).name)
        try:
            image = self._load_picture(picture, name=answer.name, allow_private=self.allow_private)
            pixels = self._prepare(self.processor, image, name=answer.name)[None]
        except Exception as error:  # whatever a decoder raises; where an upload lies is nobody's business
            answer.error = (str(error) or type(error).__name__).replace(picture, answer.name)
            return answer, None
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=80)
        answer.thumbnail = base64.b64encode(file.getvalue()).decode()
        return answer, pixels

    def _describe(self, answers, pixels, prompt):
        with self._turn:
            start = time.perf_counter()
            try:
                text = [prompt] * len(answers) if prompt else None
                batch = dict(self.processor(pixel_values=torch.cat(pixels), text=text))
                said = zip(*self._generate_sentences(self.model, self.processor, batch, with_confidence=True))
            except ValueError as error:  # what was asked can't be
                for answer in answers:
                    answer.error = str(error)
                return
            seconds = (time.perf_counter() - start) / len(answers)
        for answer, (answer.sentence, answer.confidence) in zip(answers, said):
            answer.seconds = seconds
            answer.attributes = self.attributes(answer.sentence)

    def attributes(self, sentence):
        """What a sentence states: of colour, category, gender, usage and pattern those that it does, in words."""
        if self._read_attributes is None:
            return {}
        return {name: "; ".join(values) for name, values in self._read_attributes(sentence).items() if values}


def _prepare(processor, image, name):
    if max(image.size) > MOST_OBLONG * min(image.size):
        raise ValueError(
            f"{name}, of {image.width} x {image.height} pixels, is more than {MOST_OBLONG} times as long as wide; crop it."
        )
    return processor.image_processor([image], return_tensors="pt")["pixel_values"][0]


def _hub_file(name, model):
    """A file of MODA's: the installed one, or that of the repository which the model came from."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return importlib.import_module(f"{type(model).__module__.rpartition('.')[0]}.{name}")


def make_page(describer, samples=()):
    """Builds the page.

    Args:
        describer ([`PageDescriber`]): Answers.
        samples (`list[str]`, *optional*): Paths of pictures to offer as examples.

    Returns:
        `gradio.Blocks`, to be started by [`launch`].
    """

    def ask(pictures):  # the time tells a question from the same one before
        return time.monotonic(), pictures

    def take(given):
        return ask([given] if given else [])

    def take_files(given):
        return ask(given or []), None

    def take_links(text):  # what is typed is a link, never a path of this machine
        return ask([word if word.lower().startswith(LINKS) else f"https://{word}" for word in (text or "").split()])

    def describe(asked, prompt):
        pictures, answers, note = asked[1][:PICTURES_AT_ONCE], [], ""
        if len(pictures) < len(asked[1]):
            note = f"Of {len(asked[1])} pictures the first {len(pictures)} are described; moda describe does a whole catalogue."
        yield show(answers, len(pictures), describer.name, note)
        for batch in describer(pictures, (prompt or "").strip() or None):
            answers += batch
            yield show(answers, len(pictures), describer.name, note)

    with gr.Blocks(title="MODA", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.HTML(
            f"<header><h1>Describe products</h1><p>Give pictures of products; <b>{escape(describer.name)}</b> says "
            "in a sentence what each one is.</p></header>"
        )
        last = gr.State((0, []))
        with gr.Tabs():
            with gr.Tab("Pictures"):
                files = gr.File(
                    label="Pictures", file_count="multiple", file_types=["image", "file"], height=180, elem_id="files"
                )
            with gr.Tab("Camera"):
                camera = gr.Image(label="Camera", sources=["webcam"], type="filepath", height=320, elem_id="camera")
            with gr.Tab("Link"):
                web = gr.Textbox(
                    label="Links to pictures, one a line", placeholder="https://…", lines=2, elem_id="links"
                )
                go = gr.Button("Describe", variant="primary")
        with gr.Accordion("More", open=False):
            prompt = gr.Textbox(
                label="What to ask",
                placeholder=getattr(describer.processor, "default_prompt", ""),
                info="A model answers well what it was trained on; empty means its own question.",
                elem_id="prompt",
            )
            again = gr.Button("Ask again about the last pictures")
        results = gr.HTML(elem_id="results")

        quiet = {"show_progress": "hidden", "api_visibility": "private"}
        files.upload(take_files, files, [last, files], **quiet)
        camera.input(take, camera, last, **quiet)
        gr.on([go.click, web.submit], take_links, web, last, **quiet)
        gr.on([again.click, prompt.submit], lambda asked: ask(asked[1]), last, last, **quiet)
        if samples:
            gr.HTML("<h2>Examples</h2>")
            shown = gr.Gallery(
                samples,
                label="Examples",
                show_label=False,
                container=False,
                height="auto",
                allow_preview=False,
                interactive=False,
                buttons=[],
                elem_id="samples",
            )

            def take_sample(chosen: gr.SelectData):
                return ask([samples[chosen.index]])

            shown.select(take_sample, None, last, **quiet)
        last.change(describe, [last, prompt], results, trigger_mode="always_last", **quiet)
    return page.queue(default_concurrency_limit=4)  # they fetch and decode together, and take turns at the model


def launch(page, **options):
    """Starts the page, asking nothing of any other machine.

    Args:
        page (`gradio.Blocks`): From [`make_page`].
        options: For its `launch`, such as `server_port`.
    """
    plain = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    theme = gr.themes.Default(primary_hue="teal", neutral_hue="stone", text_size="lg", **plain)
    page.launch(
        theme=theme.set(
            color_accent="*primary_700",
            button_primary_background_fill="*primary_700",
            button_primary_background_fill_hover="*primary_800",
            block_info_text_color="*neutral_600",
            block_info_text_color_dark="*neutral_300",
        ),
        i18n=gr.I18n(en=WORDS),
        css_paths=HERE / "app.css",
        head=f'<link rel="icon" href="data:image/svg+xml,{ICON}">',
        footer_links=[],
        share=False,
        ssr_mode=False,
        max_file_size="50mb",
        quiet=True,
        **options,
    )


def find_samples(*folders):
    """Pictures to offer as examples: those in a folder `samples` in one of the folders, twelve at most."""
    found = [path for folder in folders for path in sorted(Path(folder, "samples").glob("*"))]
    return [str(path) for path in found if path.suffix.lower() in SAMPLES][:12]


def model_of_space(environment, readme):
    """Which model a Space describes with.

    Args:
        environment (`dict[str, str]`): Of which `MODA_MODEL` goes first.
        readme (`Path`): The Space's README.md, whose header may list `models`.

    Returns:
        `str`

    Raises:
        `ValueError`: If neither names one.
    """
    listed = (metadata_load(readme) if readme.exists() else None) or {}
    found = environment.get("MODA_MODEL") or next(iter(listed.get("models") or []), None)
    if not found:
        raise ValueError(
            "No model is named; set the variable MODA_MODEL, or list it under `models` in README.md's header."
        )
    return found


if __name__ == "__main__":
    repository = model_of_space(os.environ, HERE / "README.md")
    launch(
        make_page(
            PageDescriber(
                AutoModelForImageTextToText.from_pretrained(
                    repository, trust_remote_code=True, dtype=torch.float32
                ).eval(),
                AutoProcessor.from_pretrained(repository, trust_remote_code=True),
                repository,
            ),
            find_samples(repository, HERE),
        )
    )
