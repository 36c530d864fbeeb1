#!/usr/bin/env python3
"""New items on real data: does `neume drift` tell like from unlike, and what does `neume fit --continue-from` keep?

    /usr/bin/python3 bench/new_items.py build/release/neume ../shared/data [--seeds 5]

drift   codebooks are fitted to a random 80% of the items, the other 20% are new: no drift is the truth. Then to the items
        with a tag (lfm2k: rock) and the items without it are new: drift is the truth.
refit   codebooks of a random 90% of the items, then a fit to all of them, once continued and once afresh (same options and
        seed), and the share of all items whose ID is the one that the old codebooks give them.
Medians over seeds [lowest, highest].
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

import numpy as np

SETS = {
    "lfm2k text": "lfm2k/text.npy",
    "lfm2k VGGish": "lfm2k/audio_vggish.npy",
    "tiktok image": "tiktok/image.npy",
}
METHODS = {
    "psrq": ["--method", "psrq"],
    "psrq 0.5": ["--method", "psrq", "--prefix-weight", "0.5"],
    "rq": ["--method", "rq"],
    "pq": ["--method", "pq"],
    "opq": ["--method", "opq"],
}


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{result.stderr}")
    return result.stdout


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


class Bench:
    def __init__(self, neume, data, seeds, folder):
        self.neume, self.data, self.seeds, self.folder = neume, pathlib.Path(data), seeds, pathlib.Path(folder)

    def save(self, name, rows):
        np.save(self.folder / name, np.ascontiguousarray(rows, dtype=np.float32))
        return f"m={self.folder / name}"

    def fit(self, rows, out, *options):
        return run(self.neume, "fit", "--quiet", "--modality", rows, "--out", self.folder / out, *options)

    def drift(self, fitted, new, options):
        """The drift.json of codebooks fitted to `fitted`, for the rows `new`."""
        self.fit(self.save("fitted.npy", fitted), "books", *options)
        out = self.folder / "drift.json"
        run(self.neume, "drift", "--codebooks", self.folder / "books", "--modality", self.save("new.npy", new), "--out", out)
        return json.loads(out.read_text())["families"][0]

    def drift_row(self, title, splits, options):
        verdicts, ratio, beyond, shift = [], [], [], []
        for fitted, new in splits:
            family = self.drift(fitted, new, options)
            verdicts.append(family["verdict"])
            layers = family["layers"]
            ratio.append(max(x["distance"]["mean"] / x["fit_distance"]["mean"] for x in layers))
            beyond.append(100 * max(x["beyond_p99"] for x in layers))
            shift.append(max(x["usage_shift"] - x["usage_shift_chance"] for x in layers))
        counts = ", ".join(f"{v} {verdicts.count(v)}" for v in sorted(set(verdicts)))
        print(f"| {title} | {counts} | {spread(ratio, 3)} | {spread(beyond)} | {spread(shift, 3)} |", flush=True)

    def random_splits(self, rows, share):
        for seed in range(self.seeds):
            order = np.random.default_rng(seed).permutation(len(rows))
            cut = int(share * len(rows))
            yield rows[order[:cut]], rows[order[cut:]]

    def show_drift(self):
        print("\n| fitted to; new items | verdicts | ratio of mean distances | beyond p99, % | usage shift above chance, bits |")
        print("|---|---|---|---|---|")
        for name, file in SETS.items():
            rows = np.load(self.data / file)
            for codes in (64, 256):
                options = ["--method", "rq", "--codes", codes]
                self.drift_row(f"random 80%; 20%: {name}, rq, k = {codes}", self.random_splits(rows, 0.8), options)
        tags = [line.split("\t")[2] for line in (self.data / "lfm2k/items.tsv").read_text().splitlines()[1:]]
        has_tag = np.array(["rock" in text for text in tags])
        for name in ("lfm2k text", "lfm2k VGGish"):
            rows = np.load(self.data / SETS[name])
            self.drift_row(f"tagged rock; not: {name}, rq, k = 64", [(rows[has_tag], rows[~has_tag])],
                           ["--method", "rq", "--codes", 64])

    def kept(self, rows, options):
        """Shares of whole IDs (warm, cold, cold renamed), and of layer-1 codes (warm, cold renamed)."""
        table = self.fit(self.save("all.npy", rows), "after", *options, "--continue-from", self.folder / "before",
                         "--cold-refit")
        lines = [line.split() for line in table.splitlines() if re.match(r" *m +\d+ +\d+ +[\d.]+%", line)]
        shares = [[float(cell.rstrip("%")) for cell in line[3:]] for line in lines]
        first, last = shares[0], shares[-1]
        return last[1], last[3], last[5], first[0], first[4]

    def show_refit(self):
        print("\n| data, method, k = 64, L = 3 | IDs kept, continued, % | afresh | afresh, codes renamed | layer 1 kept, "
              "continued | afresh, renamed |")
        print("|---|---|---|---|---|---|")
        for name, file in SETS.items():
            rows = np.load(self.data / file)
            for method, flags in METHODS.items():
                results = []
                for fitted, new in self.random_splits(rows, 0.9):
                    options = [*flags, "--codes", 64]
                    self.fit(self.save("part.npy", fitted), "before", *options)
                    results.append(self.kept(np.concatenate([fitted, new]), options))
                cells = " | ".join(spread(column) for column in zip(*results))
                print(f"| {name}, {method} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("neume")
    parser.add_argument("data")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", choices=["drift", "refit"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.neume, args.data, args.seeds, folder)
        if args.only != "refit":
            bench.show_drift()
        if args.only != "drift":
            bench.show_refit()


if __name__ == "__main__":
    main()
