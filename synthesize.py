"""Find texts near the decision boundary of a finished run: `python synthesize.py --help`."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from vos.cli.main import register_resolvers, synthesize

register_resolvers()


@hydra.main(version_base="1.3", config_path=str(Path(__file__).parent / "conf"), config_name="synthesize")
def main(config: DictConfig) -> None:
    """Hand the composed configuration to the application."""
    synthesize(config)


if __name__ == "__main__":
    main()
