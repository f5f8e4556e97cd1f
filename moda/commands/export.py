"""`moda export`: a model with other weights, or as a graph for another runtime."""

import argparse


GRAPHS = ("onnx", "openvino")


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "export",
        help="write a model with int8 weights, or for another runtime",
        description=(
            "Writes a model repository with int8 weights, smaller and read faster by a processor, that loads "
            "through the same AutoModel call; or with bfloat16 or float32 ones; or as a graph for ONNX Runtime or OpenVINO."
        ),
        epilog=(
            "examples:\n  moda export runs/demo --to int8 --output runs/demo-int8\n"
            "  moda export me/moda --to bfloat16 --output moda-bf16\n"
            "  moda export runs/demo --to onnx --output runs/demo-onnx"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="folder or id of a repository with float weights")
    parser.add_argument(
        "--to", choices=("int8", "bfloat16", "float32", *GRAPHS), default="int8", help="what (default: %(default)s)"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="where to; appears once it is whole")
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        help="with --to int8: type of what stays float (default: float32)",
    )
    parser.add_argument("--revision", help="of a model on the Hub")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier export, and nothing else")
    parser.set_defaults(run=run)


def run(options):
    """Exports a model; see `moda export --help`."""
    from transformers.utils import logging

    from moda.inference.export import export_model, find_repository, load_floats, new_folder, write_mark
    from processing_moda import ModaProcessor

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if options.dtype and options.to != "int8":
        raise ValueError(
            f"--dtype {options.dtype} is for what stays float beside int8 weights, and there is none with --to {options.to}; "
            "leave it out."
        )
    if options.to not in GRAPHS:
        before, after = export_model(
            options.model, options.output, options.to, options.dtype or "float32", options.revision, options.overwrite
        )
        print(
            f"{options.output}: {options.to} weights, {after / 1e6:,.1f} MB (were {before / 1e6:,.1f} MB); load it with "
            f'AutoModel.from_pretrained("{options.output}", trust_remote_code=True)'
        )
        return 0

    from moda.inference.graph import export_graph

    with new_folder(options.output, options.overwrite) as draft:
        folder = find_repository(options.model, options.revision)
        model = load_floats(options.model, folder).float()
        export_graph(model, ModaProcessor.from_pretrained(folder, trust_remote_code=False), draft, options.to)
        size = sum(file.stat().st_size for file in draft.rglob("*") if file.is_file())
        write_mark(draft, options.model, options.to, bytes=size)
    print(f"{options.output}: {options.to}, {size / 1e6:,.1f} MB")
    return 0
