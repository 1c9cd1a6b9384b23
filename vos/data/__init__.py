"""Loading texts: sources, validation, leak-free splits, and batches.

The names are listed in the stub file `__init__.pyi`; each is imported when it is first used, so that files can be read
without torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
