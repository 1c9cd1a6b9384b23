"""Make the packaged out-of-distribution texts: `python -m benchmarks.corpus.ood public|written [--n N]`.

`public` samples 100 film reviews and 100 queries from the public data sets in the folder in VOS_DATA. `written` lets
the bundled language model write auxiliary outlier texts from training texts of the everyday corpus, and keeps those
that are dissimilar to all of them in the pretrained encoder. Both write into `vos/data/corpus/ood/`; the same seed
gives the same texts. The last line is one JSON object of counts.
"""

from __future__ import annotations

import csv
import json
import random
import re
from pathlib import Path

from benchmarks._common import MODEL_CACHE, ROOT, command_line, finish, public_data
from vos.data import load_embedded
from vos.exposure.gather import WrittenOutlierTexts, gather_outlier_texts
from vos.exposure.write import WritingSettings
from vos.generation.language_model import LanguageModel
from vos.models import ClassifierFeaturizer
from vos.models.encoder import EncoderClassifier
from vos.storage.json_files import write_json_lines
from vos.storage.seeds import derive_seed

FOLDER = ROOT / "vos/data/corpus/ood"
EACH = 100
SEED = 0
UNWANTED = re.compile(r"\b(fuck|shit|nigg|cunt|faggot|rape|porn|sex|suicid)\w*|@|https?:", re.IGNORECASE)
"""What a text of this package does not hold: slurs, obscenities, sexual violence, methods, addresses."""

OUTLIER_TEXTS = 1500
"""The first so many of those that are kept stand in the package."""

REVIEW_WORDS = 120
"""The longest review that is drawn: the encoder reads 128 tokens."""


def main() -> None:
    """See the module."""
    parser = command_line(__doc__)
    parser.add_argument("what", choices=("public", "written"))
    parser.add_argument(
        "--n", type=int, default=3600, help="texts to write; some four in ten are too near to training texts"
    )
    options = parser.parse_args()
    finish(_public() if options.what == "public" else _written(48 if options.quick else options.n, FOLDER))


def _public() -> dict[str, object]:
    reviews = public_data("cad_sentiment/test_paired.tsv") / "cad_sentiment/test_paired.tsv"
    with reviews.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    short = [row for row in rows if len(row["Text"].split()) <= REVIEW_WORDS]
    pairs = sorted({row["batch_id"] for row in short}, key=int)
    drawn = sorted(_draw("reviews", pairs, EACH), key=int)
    first = {pair: next(row for row in short if row["batch_id"] == pair) for pair in drawn}
    found = [{"id": f"review-{pair}", "text": first[pair]["Text"].strip(), "kind": "film reviews"} for pair in drawn]

    data = json.loads((public_data("clinc150/data_full.json") / "clinc150/data_full.json").read_text("utf-8"))
    by_intent = {intent: text for text, intent in reversed(data["test"])}
    intents = sorted(_draw("queries", sorted(by_intent), EACH))
    found += [{"id": f"query-{intent}", "text": by_intent[intent], "kind": "queries"} for intent in intents]
    write_json_lines(FOLDER / "ood.jsonl", found)
    return {"reviews": len(drawn), "queries": len(intents)}


def _draw(name: str, values: list[str], n: int) -> list[str]:
    return random.Random(derive_seed(SEED, name)).sample(values, n)  # noqa: S311 - no secret


def _written(n: int, folder: Path) -> dict[str, object]:
    data = load_embedded("everyday")
    untrained = EncoderClassifier("bundled", data.label_names)
    source = WrittenOutlierTexts(lambda: LanguageModel.load(cache=MODEL_CACHE, dtype="bfloat16"), WritingSettings(n=n))
    texts = gather_outlier_texts(source, data, lambda: ClassifierFeaturizer(untrained), folder / "new.jsonl", SEED)
    kept = [each.text for each in texts if not UNWANTED.search(each.text)]
    write_json_lines(folder / "outlier_texts.jsonl", ({"text": text} for text in kept[:OUTLIER_TEXTS]))
    (folder / "new.jsonl").unlink()
    return {"written": n, "unlike_training_texts": len(texts), "kept": min(len(kept), OUTLIER_TEXTS)}


if __name__ == "__main__":
    main()
