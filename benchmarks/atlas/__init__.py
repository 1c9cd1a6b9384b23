"""Every check of the atlas, on models that it was chosen on and on others."""
