"""From a messy CSV file to a model file on the command line: quotes, gaps and texts, and predictions for new rows."""

from __future__ import annotations

import csv
import io
from random import Random

from nn.__main__ import main as nn

from . import DemoError
from .tour import Tour

WANTED = 0.8  # accuracy on the test rows; nobody could predict the noise in the data
PLACES = {"Aarhus": 0.4, "Łódź": -0.3, "San José, CA": 0.9}


def main(tour: Tour) -> None:
    data, new = tour.folder / "rentals.csv", tour.folder / "rentals-new.csv"
    model, predictions = tour.folder / "rentals.json", tour.folder / "rentals-predicted.csv"
    data.write_bytes(messy_csv(400, tour.seed))
    new.write_bytes(messy_csv(40, tour.seed + 1, answers=False))
    print(f"{data.name} begins:\n")
    for line in data.read_text(encoding="utf-8-sig").splitlines()[:6]:
        print(f"    {line}")

    command(["train", str(data), "--target", "rented", "--drop", "id", "--layers", "8", "--epochs",
             "60", "--lr", "0.02", "--seed", str(tour.seed), "--out", str(model)])  # fmt: skip
    command(["show", str(model)])
    command(["predict", str(model), str(new), "--out", str(predictions)])
    print("\nThe first of the predictions:\n")
    for line in predictions.read_text(encoding="utf-8").splitlines()[:6]:
        print(f"    {line}")
    tour.written += [path for path in (data, new, model, model.with_suffix(".loss.svg"), predictions) if path.exists()]

    import json

    accuracy = json.loads(model.read_text(encoding="utf-8"))["extra"]["training"]["test"]["accuracy"]
    if accuracy < WANTED:
        raise DemoError(f"accuracy on the test rows is {accuracy:.2%}, less than {WANTED:.0%}")


def command(words: list[str]) -> None:
    """Run ``python -m nn`` with these words, and show what was typed."""
    print(f"\n$ python -m nn {' '.join(words)}", flush=True)
    status = nn(words)
    if status:
        raise DemoError(f"python -m nn {words[0]} ended with exit code {status}")


def messy_csv(rows: int, seed: int, answers: bool = True) -> bytes:
    """Flats to rent, as a spreadsheet might save them: a byte order mark, quotes, missing cells, spaces, texts.

    Columns: id, area in m², rent in thousands a month, place, floor (a text here and there missing), note (the same in
    every row), and with ``answers`` whether the flat was rented within a week.
    """
    rng = Random(seed)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    header = ["id", "area (m²)", "rent", "place", "balcony", "note"]
    writer.writerow([*header, "rented"] if answers else header)
    for k in range(rows):
        area, place, balcony = rng.uniform(20, 140), rng.choice(list(PLACES)), rng.random() < 0.5
        rent = 0.3 + area / 60 + rng.gauss(0, 0.5)
        worth = area / 60 + PLACES[place] + 0.5 * balcony - rent
        rented = worth + rng.gauss(0, 0.12) > 0.25
        row = [
            f"A-{k + 1:04}",
            "" if rng.random() < 0.04 else f"{area:.1f}",
            "n/a" if rng.random() < 0.02 else f" {rent:.3f} ",
            place + " " * rng.randrange(2),
            "?" if rng.random() < 0.05 else ("yes" if balcony else "no"),
            'the "usual"',
        ]
        if answers:
            row.append("" if rng.random() < 0.02 else "yes" if rented else "no")
        writer.writerow(row)
        if k % 50 == 49:
            file.write("\r\n")
    return b"\xef\xbb\xbf" + file.getvalue().encode()


if __name__ == "__main__":
    print(messy_csv(20, 0).decode("utf-8-sig"))
