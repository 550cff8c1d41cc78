"""The ``decnef`` command: parse, call one verb of the face, show, exit."""

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    from decnef_data_cli.edge import run  # importing the package must cost nothing

    run()
