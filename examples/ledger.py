"""The ledger alone: texts with a payload of one's own in, labels of two people, consensus out. No torch."""

from tempfile import TemporaryDirectory

from vos.labeling import Item, Label, Ledger, consensus

people = {"ann": ["harmful", "harmless", "harmful"], "bob": ["harmful", "harmless", "harmless"]}
texts = ["he fell off the ladder", "she poured the tea", "the gas was left on"]
with TemporaryDirectory() as folder, Ledger(f"{folder}/ledger.sqlite") as ledger:
    items = [Item(text, {"source": "forum", "row": row}) for row, text in enumerate(texts)]
    ledger.propose(items)
    ledger.export("first", "page", [item.uid for item in items])
    for person, answers in people.items():
        for item, answer in zip(items, answers, strict=True):
            ledger.record_label(Label(item.uid, person, answer, "2026-01-01T00:00:00Z", batch_id="first"))
    found = consensus(ledger)
    for item in ledger.items().values():
        print(item.payload["row"], found.labels.get(item.uid, "open"), item.text)
