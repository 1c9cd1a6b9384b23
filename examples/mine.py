"""Near-boundary texts of a pool for a classifier of transformers: python examples/mine.py MODEL."""

import sys

from transformers import AutoModelForSequenceClassification, AutoTokenizer

import vos

name = sys.argv[1] if len(sys.argv) > 1 else "unitary/toxic-bert"
model, tokenizer = AutoModelForSequenceClassification.from_pretrained(name), AutoTokenizer.from_pretrained(name)
labelled = [(f"on day {i} {words}", label) for i in range(40)
            for label, words in enumerate(["she poured the oil", "she was burned by the oil"])]  # fmt: skip
pool = [f"on day {i} he {verb} the {thing}" for i in range(40)
        for verb, thing in (("climbed", "ladder"), ("fell off", "wall"))]  # fmt: skip
for record in vos.mine(model, tokenizer, labelled, pool, n=10):
    print(f"{record.margin:+.3f}  {record.chosen}  {record.text}")
