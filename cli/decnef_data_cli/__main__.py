"""``python -m decnef_data_cli`` is ``decnef``."""

from decnef_data_cli.main import run

run()
