"""All checks of the atlas, on models that were used to choose them and on others."""
