"""`moda publish`: a run's model as a repository on the Hub."""

import argparse
import itertools
import json
import sys
from pathlib import Path


EXAMPLES = """examples:
  moda publish runs/mine me/moda-shoes --dry-run            builds runs/mine-hub, loads it, sends nothing
  moda publish runs/mine me/moda-shoes --licence cc-by-4.0  uploads it, privately, as v1, and the next time as v2
  moda publish runs/mine me/moda-shoes --public --tag v1.0 --yes
  moda publish runs/mine-int8 me/moda-shoes-int8 --samples photos/

Before it: `moda evaluate runs/mine`, whose scores go into the card, and `hf auth login`. On a terminal it asks before it
uploads; in a script it does not. Stopped, the same command goes on, and what is there already is not sent again.
"""


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "publish",
        help="upload a model to the Hugging Face Hub, with its card",
        description=(
            "Assembles a model repository from a run: weights, settings, code, card, licence, scores, sample pictures; loads it "
            "in a fresh process by every Auto class and both pipelines; uploads it in one commit, private unless told otherwise."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="RUN", help="folder that train.py or moda export wrote")
    parser.add_argument("repository", metavar="REPO_ID", help="OWNER/NAME on the Hub; made if it is not there")
    add = parser.add_argument
    add("--dry-run", action="store_true", help="assemble and check, and upload nothing")
    add("--output", metavar="FOLDER", help="where to assemble; stays there (default: RUN-hub)")
    add("--public", action="store_true", help="let everybody see it (default: private)")
    add("--tag", help="name of this version (default: v1, v2, … whichever is next)")
    add("--evaluation", metavar="REPORT", help="folder or scores.json of moda evaluate (default: RUN-evaluation)")
    add("--samples", metavar="FOLDER", help="pictures to show, four of them (default: from the run's sheet)")
    add(
        "--licence", "--license", metavar="ID", help="of the weights, as the Hub writes it: apache-2.0, cc-by-nc-4.0, …"
    )
    add("--message", metavar="TEXT", help="of the commit")
    add("--yes", "-y", action="store_true", help="do not ask before uploading")
    parser.set_defaults(run=run)


def run(options):
    """Publishes a model; see `moda publish --help`."""
    from huggingface_hub import get_token
    from huggingface_hub.constants import HF_HUB_OFFLINE

    from moda.hub.upload import check_tag

    # What is wrong with the command is told before anything takes time.
    check_repository(options.repository)
    check_tag(options.tag)
    if not options.dry_run and HF_HUB_OFFLINE:
        raise ValueError(
            "HF_HUB_OFFLINE is set, and an upload needs the Hub; unset it, or stop before that by --dry-run."
        )
    if not options.dry_run and not get_token():
        raise ValueError(
            "There is no token for the Hub; log in by `hf auth login` or set HF_TOKEN, or stop before the upload by --dry-run."
        )
    from transformers.utils import logging

    from moda.hub.assemble import check_output, check_run
    from moda.inference.export import refuse_graph

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = Path(options.model)
    named = source if source.name else source.resolve()
    folder = Path(options.output or named.with_name(f"{named.name}-hub"))
    refuse_graph(source)
    check_run(source)
    check_output(folder, source)
    evaluation = find_evaluation(source, options.evaluation)

    files = _build(source, folder, evaluation, options)
    print(f"{folder}, {len(files)} files of {sum(files.values()) / 1e6:,.1f} MB:")
    for name, size in files.items():
        print(f"{size:>16,}  {name}")
    if options.dry_run:
        print("Nothing was uploaded; this command without --dry-run does it.")
        return 0
    return _upload(folder, options)


def _build(source, folder, evaluation, options):
    """Assembles and checks, beneath one bar."""
    from huggingface_hub import ModelCard
    from tqdm.auto import tqdm

    from moda.hub import assemble, check

    with tqdm(total=len(assemble.STEPS) + len(check.STEPS), unit="step") as bar:
        done = itertools.count()

        def say(step):
            bar.update(min(next(done), 1))  # the one before is done
            bar.set_description(step)

        told = {name: getattr(options, name) for name in ("samples", "licence", "tag")}
        files = assemble.assemble(source, folder, options.repository, evaluation, say=say, **told)
        said = check.check(folder, say=say)
        bar.update()
    for picture, sentence in said.items():
        print(f"{picture}: {sentence}")
    if options.licence is None and ModelCard.load(folder / "README.md").data.license == "other":
        print("note: the licence is not known, and without one nobody may use the model; name it by --licence.")
    return files


def _upload(folder, options):
    from huggingface_hub.constants import ENDPOINT

    from moda.hub.upload import changes, upload

    found = changes(folder, options.repository)
    for kind, files in (("new", found.added), ("changed", found.changed), ("deleted", found.deleted)):
        if files:
            which = "all of them" if found.commit is None else ", ".join(files)
            print(f"{kind}: {len(files)}, {sum(size or 0 for size in files.values()) / 1e6:,.1f} MB: {which}")
    if not found:
        print(f"{options.repository} holds these very files.")
    if found.commit and "modeling_moda.py" in found.added and found.deleted and not options.yes:
        raise ValueError(
            f"{options.repository} holds something else ({next(iter(found.deleted))}, …), of which this would delete "
            f"{len(found.deleted)} files; name another repository, or say --yes."
        )
    whose = "public" if options.public else "private"
    if not options.yes and sys.stdin.isatty() and sys.stdout.isatty():
        print(f"Upload to {ENDPOINT}/{options.repository}, {whose}? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print(f"Nothing was uploaded; {folder} stays.")
            return 1
    done = upload(folder, options.repository, not options.public, options.tag, options.message)
    print(
        f"{done.url}: {'uploaded' if done.changed else 'was there'}, {whose}, commit {done.commit[:8]}, tag {done.tag}"
    )
    print(f'AutoModel.from_pretrained("{options.repository}", revision="{done.tag}", trust_remote_code=True) loads it.')
    return 0


def check_repository(repository):
    """Checks the id of a repository, which is to name its owner.

    Raises:
        `ValueError`: If it can't be one, with why and how to write it.
    """
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(repository)
        why = "" if "/" in repository else "it names no owner"
    except HFValidationError as error:
        why = str(error).rstrip(".")
    if why:
        raise ValueError(f"REPO_ID is {repository!r} ({why}); write OWNER/NAME, such as me/moda-shoes.")


def find_evaluation(run, report=None):
    """Reads what `moda evaluate` said of a model, if it is of this very model.

    Args:
        run (`Path`): The model.
        report (`str`, *optional*): Folder of the report, or its `scores.json`. Defaults to where `moda evaluate` writes.

    Returns:
        `dict` or `None`: `None`, and a note, where there is no report by default, or one of other weights.

    Raises:
        `ValueError`: If a report that is named can't be read, or is of other weights.
    """
    from moda.evaluation.predictions import model_digest
    from moda.inference.load import load_model

    at = Path(report or f"{run}-evaluation")
    file = at / "scores.json" if at.is_dir() else at
    if report is None and not file.is_file():
        print(
            f"note: there is no {at}, so the card has no more than training measured; `moda evaluate {run}` makes it."
        )
        return None
    try:
        evaluation = json.loads(file.read_text(encoding="utf-8"))
        digest = evaluation["model"].get("digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{file} is no report of moda evaluate ({error!r}); name its folder, or its scores.json."
        ) from error
    if digest == model_digest(*load_model(str(run))):
        return evaluation
    problem = (
        f"{file} is not of the weights and settings in {run}, or by another version; run `moda evaluate {run}` again"
    )
    if report is not None:
        raise ValueError(f"{problem}.")
    print(f"note: {problem}; its scores are left out.")
    return None
