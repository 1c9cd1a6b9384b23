"""Seeds derived from seeds."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed in [0, 2⁶³) that depends on every part and on their order.

    Neighbouring inputs give unrelated seeds, which `seed + step` would not.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
