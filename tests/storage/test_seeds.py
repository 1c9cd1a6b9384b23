from vos.storage.seeds import derive_seed


def test_derived_seeds_depend_on_every_part_and_their_order():
    seeds = {derive_seed(*parts) for parts in [(0,), (1,), (0, 1), (1, 0), ("0", "11"), ("01", "1"), (0, "a")]}
    assert len(seeds) == 7
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "a") == derive_seed(0, "a")
