"""`kospan push`: publish a run's folder on the Hub."""

from pathlib import Path


def add_parser(commands) -> None:
    """Add the command."""
    parser = commands.add_parser("push", help="publish a run's folder on the Hub, after a clean-environment check")
    parser.add_argument("folder", metavar="OUTPUT_DIR", help="output folder of a run")
    parser.add_argument("--repo_id", required=True, help="user/name on the Hub; created if it is missing")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--revision", help="branch to push to, created if it is missing (default: main)")
    parser.add_argument("--create_pr", action="store_true", help="open a pull request instead")
    parser.add_argument("--space", help="user/name of a Gradio Space that serves the model, pushed after it")
    parser.add_argument("--commit_message", help="first line of the commit (default: Release and the folder's name)")
    parser.add_argument(
        "--predictions",
        action="store_true",
        help="also publish predictions.jsonl, which holds the validation texts: only if their licence allows it",
    )
    parser.add_argument(
        "--onnx",
        nargs="?",
        const="float32",
        choices=("float32", "int8"),
        help="also publish the exported model, in the folder onnx (float32 without a value)",
    )
    parser.add_argument("--token", help="access token (default: HF_TOKEN or `hf auth login`)")
    parser.add_argument(
        "--dry_run",
        nargs="?",
        const=True,
        metavar="FOLDER",
        help="send nothing; write all files to a folder (default: OUTPUT_DIR/release) and list them",
    )
    parser.set_defaults(run=run)


def run(arguments) -> None:
    """Publish the folder, or write it for inspection."""
    from kospan.hub.hub import Hub
    from kospan.hub.publish import publish
    from kospan.model_names import check_not_installed
    from kospan.tasks.registry import spec_of_model
    from kospan.training.run_folder import read_config

    check_not_installed(arguments.folder, "push")
    folder = Path(arguments.folder)
    export = None
    if arguments.onnx:
        from kospan.export.command import check_packages

        check_packages("kospan push --onnx")
        from kospan.export.export import export as write_export

        def export(model: Path, target: Path) -> None:
            write_export(model, target, precision=arguments.onnx)

    publish(
        folder,
        arguments.repo_id,
        spec_of_model(read_config(folder).get("model_type", "")),
        private=arguments.private or None,
        revision=arguments.revision,
        create_pr=arguments.create_pr,
        space=arguments.space,
        message=arguments.commit_message,
        predictions=arguments.predictions,
        export=export,
        dry_run=folder / "release" if arguments.dry_run is True else arguments.dry_run,
        hub=None if arguments.dry_run else Hub(arguments.token),
    )
