"""`moda serve`: answers OpenAI's chat interface."""

import argparse
import ipaddress
import os
import sys
from pathlib import Path

from .options import add_precision, positive


EXAMPLES = """examples:
  moda serve runs/demo
  moda serve me/moda --port 9000 --batch-size 32
  MODA_API_KEY=... moda serve runs/demo --host 0.0.0.0
"""


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="answer OpenAI's chat interface",
        description=(
            "Answers POST /v1/chat/completions, pictures as image_url parts, with what waits at a time in one batch. "
            "With the environment variable MODA_API_KEY set, only to those who send that key."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="folder or id of a repository")
    add("--revision", help="branch, tag or commit of a repository on the Hub")
    add("--name", help="what requests call the model (default: its id, or its folder's name)")
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    add("--port", type=int, default=8000, help="port to listen at (default: %(default)s)")
    add("--batch-size", type=positive, default=16, metavar="N", help="requests answered at once (default: %(default)s)")
    add("--queue", type=positive, default=64, metavar="N", help="requests taken in at once (default: %(default)s)")
    add("--max-new-tokens", type=positive, default=256, metavar="N", help="longest answer (default: %(default)s)")
    add_precision(parser)
    add("--threads", type=positive, metavar="N", help="of PyTorch (default: the cores that it may use)")
    add("--allow-private-urls", action="store_true", help="fetch from this machine and its network, too")
    parser.set_defaults(run=run)


def run(options):
    """Serves a model until it is stopped; see `moda serve --help`."""
    try:
        import uvicorn

        from moda.inference.serve import make_app
    except ModuleNotFoundError as error:
        raise ValueError(
            f"moda serve needs {error.name}, which is not installed; pip install 'moda[serve]'."
        ) from error
    from transformers.utils import logging

    from moda.inference.answerer import Answerer
    from moda.inference.describer import Describer, Settings, choose
    from moda.inference.export import refuse_graph

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    refuse_graph(options.model)
    key = os.environ.get("MODA_API_KEY", "").strip() or None
    if key is None and not is_loopback(options.host):
        _say(f"whoever reaches {options.host} may ask; set MODA_API_KEY to let in only those who know it.")
    settings = Settings(
        options.model,
        options.revision,
        options.dtype,
        options.quantize,
        threads=options.threads,
        batch_size=options.batch_size,
    )
    settings, reason = choose(settings, sys.maxsize)  # there will be many requests
    if reason:
        _say(reason)
    loaded = Describer(settings)
    name = options.name or (Path(options.model).resolve().name if Path(options.model).is_dir() else options.model)
    answerer = Answerer(loaded.model, loaded.processor, options.batch_size, options.max_new_tokens)
    app = make_app(answerer, name, key, options.allow_private_urls, options.queue)
    _say(f"{name} answers at http://{options.host}:{options.port}/v1")
    try:
        uvicorn.run(app, host=options.host, port=options.port, timeout_graceful_shutdown=30)
    except SystemExit as error:  # uvicorn's way of saying that it could not start, after it has logged why
        if error.code:
            raise OSError(f"Nothing could listen at {options.host}:{options.port}; choose another --port.") from None
    return 0


def _say(sentence):
    print(f"moda serve: {sentence}", file=sys.stderr)


def is_loopback(host):
    """Whether only this machine reaches an address to listen at."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
