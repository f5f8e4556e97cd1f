"""`moda demo`: a page in the browser to try a model."""

import argparse
import shutil
import sys
from pathlib import Path

from .serve import is_loopback


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "demo",
        help="try a model in the browser",
        description="Starts a page on this machine on which to try a model: pictures in, sentences out.",
        epilog=(
            "examples:\n  moda demo\n  moda demo me/moda --host 0.0.0.0 --port 8000 --no-browser\n"
            "  moda demo me/moda --space moda-demo && hf upload me/moda-demo moda-demo --repo-type space"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", nargs="?", default="runs/demo", help="folder or id of a repository (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at; 0.0.0.0 lets other machines in (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=7860, help="(default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--allow-private-urls", action="store_true", help="also fetch pictures from this machine and its network"
    )
    parser.add_argument(
        "--space", metavar="FOLDER", help="start nothing; write the files of a Hugging Face Space with the page"
    )
    parser.set_defaults(run=run)


def run(options):
    """Starts the page and waits until it is stopped; see `moda demo --help`."""
    if options.space:
        write_space(options.space, options.model)
        print(f"{options.space} holds a Space that describes with {options.model}.")
        return 0
    from moda.inference.export import refuse_graph

    refuse_graph(options.model)
    try:
        from hub_card.app import PageDescriber, find_samples, launch, make_page
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ValueError('The page needs gradio; install it with pip install "moda[demo]".') from error
    from transformers.utils import logging

    from moda.inference.load import load_model

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if not is_loopback(options.host):
        print(f"moda demo: whoever reaches {options.host} may use the page; it knows no keys.", file=sys.stderr)
    model, processor = load_model(options.model)
    name = Path(options.model).resolve().name if Path(options.model).is_dir() else options.model
    page = make_page(PageDescriber(model, processor, name, options.allow_private_urls), find_samples(options.model))
    try:
        launch(
            page,
            server_name=options.host,
            server_port=options.port,
            inbrowser=not options.no_browser,
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise ValueError(
            f"The page can't listen at {options.host}, port {options.port}: the port is taken, or the address not this "
            "machine's; name others with --port and --host."
        ) from error
    print(f"{page.local_url} describes pictures with {name}; Ctrl-C stops it.", flush=True)
    page.block_thread()
    return 0


def write_space(folder, repository):
    """Writes what a Hugging Face Space with the page consists of: the page, its requirements, a card, and this package.

    Args:
        folder (`str` or `Path`): Where to: one that is not there, or empty. It appears once all is written.
        repository (`str`): Id of the model on the Hub.

    Raises:
        `ValueError`: If the model is a folder of this machine, where a Space can't reach it, or the folder is not empty.
    """
    import jinja2

    import hub_card
    import moda
    from moda.inference.export import new_folder

    if Path(repository).exists():
        raise ValueError(f"{repository} is a folder of this machine; push it to the Hub and give its id there.")
    page = Path(hub_card.__file__).parent
    card = jinja2.Template((page / "space_card.md").read_text(encoding="utf-8"), keep_trailing_newline=True)
    with new_folder(folder) as draft:
        shutil.copytree(Path(moda.__file__).parent, draft / "moda", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("app.py", "answers.py", "app.css", "requirements.txt"):
            shutil.copy(page / name, draft)
        (draft / "README.md").write_text(card.render(repository=repository), encoding="utf-8")
