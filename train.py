"""Train, refine and measure a classifier: `python train.py --help`."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from vos.cli.main import register_resolvers, train

register_resolvers()


@hydra.main(version_base="1.3", config_path=str(Path(__file__).parent / "conf"), config_name="train")
def main(config: DictConfig) -> float | None:
    """Hand the composed configuration to the application."""
    return train(config)


if __name__ == "__main__":
    main()
