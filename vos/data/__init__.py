"""Texts in: sources, validation, leak-free splits, and batches.

The names stand in the stub beside this file; each is loaded when it is first used, so that files are read without
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
