"""A folder of requests with questions to suggest: about things to buy, and what is asked of each serves the same."""

import csv
import json
from pathlib import Path

THINGS = ["kettle", "saddle", "lantern", "anchor", "violin", "hammock", "compass", "teapot", "ladder", "mirror"]
THINGS += ["pillow", "bucket", "candle", "helmet", "rucksack", "scissors", "thermos", "umbrella", "whistle", "zither"]
ASKED = {
    "do you want reviews of the {}": ["opinions"],
    "do you want opinions on the {}": ["opinions"],
    "do you want to buy the {}": ["shops", "prices"],
    "what kind of {} do you like": [],
    "what do you know of the {}": [],
    "what colour of {} is it": [],
}
FACETS = {"opinions": "what others say", "shops": "where it is sold", "prices": "what it costs"}


def write_folder(folder: Path) -> Path:
    """Ten things in train, five in dev, five in test; all questions in the bank, and some about nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    ids: dict[str, str] = {}
    for thing in THINGS:
        for form in ASKED:
            ids[form.format(thing)] = f"Q{len(ids)}"
    for at in range(20):
        ids[f"what is number {at}"] = f"Q{len(ids)}"
    with (folder / "question_bank.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("id", "text"), *((number, text) for text, number in ids.items())])
    for split, things in (("train", THINGS[:10]), ("dev", THINGS[10:15]), ("test", THINGS[15:])):
        lines = [json.dumps(request(thing, ids)) for thing in things]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def request(thing: str, ids: dict[str, str]) -> dict:
    questions = [
        {"id": ids[form.format(thing)], "text": form.format(thing), "facets": served} for form, served in ASKED.items()
    ]
    return {"id": thing, "request": f"tell me about the {thing}", "facets": FACETS, "questions": questions}
