#!/usr/bin/python3
"""k-means, RQ and PSRQ beside FAISS and scikit-learn, on the same rows and (lloyd, converge) from the same centroids.

  bench/compare_quantizers.py [--build build/release] [--data ../shared/data] [--rounds 5] CASE...

Cases: lloyd, converge-mixture, converge-text, converge-vggish, converge-image, seeding-128, seeding-mixture,
seeding-image, rq-128, rq-768, psrq. The sides run in turn, each a process of its own; objectives are computed here from
the centroids that each wrote (seeding: as each says). Peers run in the fastest of the environments in SETTINGS, found by
one run each. Prints medians with the lowest and highest.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = {"default": {}, "passive": {"OMP_WAIT_POLICY": "passive"}}
CASES = ("lloyd", "converge-mixture", "converge-text", "converge-vggish", "converge-image", "seeding-128",
         "seeding-mixture", "seeding-image", "rq-128", "rq-768", "psrq")
MOST_ITERATIONS = 60


def mixture(rows, width, components=2000):
    random = np.random.default_rng(1)
    coarse = random.standard_normal((components, width), dtype=np.float32)
    fine = 0.5 * random.standard_normal((components, width), dtype=np.float32)
    data = coarse[random.integers(0, components, rows)] + fine[random.integers(0, components, rows)]
    for _ in range(3):  # a sum of three uniform numbers is bell-shaped enough
        data += random.random((rows, width), dtype=np.float32) - np.float32(0.5)
    return data - data.mean(0)


def replicated(path, rows):
    """Rows of a small real set, drawn again and again, half way to another row of the set, with noise."""
    random = np.random.default_rng(1)
    data = np.load(path).astype(np.float32)
    share = random.random((rows, 1), dtype=np.float32) * np.float32(0.5)
    result = data[random.integers(0, len(data), rows)] * (1 - share)
    result += data[random.integers(0, len(data), rows)] * share
    result += 0.3 * data.std(0) * random.standard_normal(result.shape, dtype=np.float32)
    return result - result.mean(0)


class Comparison:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.bench = os.path.join(options.build, "bench", "fit_bench")
        self.peer = ["/usr/bin/python3", os.path.join(HERE, "peers", "kmeans_peer.py")]

    def file(self, name):
        return os.path.join(self.folder, name)

    def run(self, command, environment):
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "OMP_", "NEUME_"))}
        variables.update({"OMP_NUM_THREADS": "2"}, **environment)
        out = subprocess.run([str(word) for word in command], env=variables, check=True, capture_output=True, text=True)
        return json.loads(out.stdout.strip().splitlines()[-1])

    def best_setting(self, command):
        if self.options.setting:
            return self.options.setting
        return min(SETTINGS, key=lambda name: self.run(command, SETTINGS[name])["seconds"])

    def rounds(self, sides):
        """Runs the sides in turn; name -> list of results."""
        results = {name: [] for name in sides}
        for _ in range(self.options.rounds):
            for name, (command, environment) in sides.items():
                results[name].append(self.run(command, environment))
        return results

    def sides(self, ours, peers):
        passive = SETTINGS["passive"]
        sides = {"neume": (ours, passive), "neume, plain": (ours, {**passive, "NEUME_MAX_ISA": "avx512"})}
        for name, command in peers.items():
            setting = self.best_setting(command)
            sides[f"{name} ({setting})"] = (command, SETTINGS[setting])
        return sides

    def kmeans(self, rows, codes, iterations, tolerance):
        start = rows[np.random.default_rng(2).choice(len(rows), codes, replace=False)]
        np.save(self.file("rows.npy"), rows)
        np.save(self.file("start.npy"), start)
        given = [self.file("rows.npy"), self.file("start.npy")]
        ours = [self.bench, "lloyd", *given, iterations, tolerance, self.file("neume.f32")]
        iterations = self.run(ours, SETTINGS["passive"])["iterations"]
        print(f"{len(rows)} x {rows.shape[1]}, k = {codes}, {iterations} iterations")
        peers = {name: [*self.peer, name, "lloyd", *given, iterations, self.file(name + ".f32")]
                 for name in ("faiss", "sklearn")}
        sides = self.sides(ours, peers)
        sides["floor"] = ([self.bench, "floor", *given, iterations], SETTINGS["passive"])
        results = self.rounds(sides)
        for name in ("neume", *peers):
            centroids = np.fromfile(self.file(name + ".f32"), dtype=np.float32).reshape(codes, -1)
            print(f"  objective of {name}: {objective(rows, centroids):.6g}")
        show(results)

    def seeding(self, rows, codes, iterations):
        """When each way of seeding has the objective that our random rows end with."""
        np.save(self.file("rows.npy"), rows)
        print(f"{len(rows)} x {rows.shape[1]}, k = {codes}, {iterations} iterations")
        command = ["seeded", self.file("rows.npy")]
        passive = SETTINGS["passive"]
        sides = {f"neume, {seeds}": ([self.bench, *command, seeds, codes, iterations], passive)
                 for seeds in ("own", "random")}
        for seeds in ("k-means++", "random"):
            peer = [*self.peer, "sklearn", *command, seeds, codes, iterations]
            sides[f"sklearn, {seeds}"] = (peer, SETTINGS[self.best_setting(peer)])
        results = self.rounds(sides)
        goal = results["neume, random"][0]["objectives"][-1]
        for name, values in results.items():
            at = next((i for i, objective in enumerate(values[0]["objectives"]) if objective <= goal), None)
            times = sorted(v["reached"][at] for v in values) if at is not None else []
            reached = f"{statistics.median(times):8.3f} s [{times[0]:.3f}, {times[-1]:.3f}]" if times else "   never"
            print(f"  {name:20} {goal:.6g} after {reached}; at the start {values[0]['objectives'][0]:.6g}, "
                  f"at the end {values[0]['objectives'][-1]:.6g}, {statistics.median(v['seconds'] for v in values):.3f} s")

    def layers(self, rows, method, codes, iterations):
        np.save(self.file("rows.npy"), rows)
        print(f"{method}, {len(rows)} x {rows.shape[1]}, k = {codes}, 3 layers x {iterations} iterations")
        words = ["layers", self.file("rows.npy"), method, 3, codes, iterations]
        names = ("faiss", "sklearn") if method == "rq" else ("faiss",)
        results = self.rounds(self.sides([self.bench, *words], {name: [*self.peer, name, *words] for name in names}))
        show(results)
        for name, values in results.items():
            rate = values[0].get("encode_rows_a_second")
            rate = f", encodes {rate:,} rows/s" if rate else ""
            print(f"  {name}: MSE {values[0]['mse']:.6g}, peak {values[0]['peak_mib']:.0f} MiB{rate}")


def objective(rows, centroids):
    total, norms = 0.0, (centroids.astype(np.float64) ** 2).sum(1)
    for begin in range(0, len(rows), 16384):
        block = rows[begin:begin + 16384]
        nearest = (norms - 2.0 * (block @ centroids.T)).argmin(1)
        total += ((block.astype(np.float64) - centroids[nearest]) ** 2).sum()
    return total / len(rows)


def show(results):
    ours = statistics.median(r["seconds"] for r in results["neume"])
    for name, values in results.items():
        seconds = sorted(r["seconds"] for r in values)
        middle = statistics.median(seconds)
        print(f"  {name:20} {middle:8.3f} s [{seconds[0]:.3f}, {seconds[-1]:.3f}]   {middle / ours:5.2f} x neume")


def run_case(comparison, case, data):
    if case == "lloyd":
        comparison.kmeans(mixture(200000, 256), 1024, 10, -1)
    elif case == "converge-mixture":
        comparison.kmeans(mixture(200000, 256), 1024, MOST_ITERATIONS, 1e-5)
    elif case == "seeding-128":
        comparison.seeding(mixture(100000, 128), 256, 20)
    elif case == "seeding-mixture":
        comparison.seeding(mixture(200000, 256), 1024, 25)
    elif case == "rq-128":
        comparison.layers(mixture(100000, 128), "rq", 256, 20)
    elif case == "rq-768":
        comparison.layers(mixture(100000, 768), "rq", 1024, 10)
    elif case == "psrq":
        comparison.layers(mixture(100000, 256), "psrq", 1024, 10)
    else:
        files = {"text": "lfm2k/text.npy", "vggish": "lfm2k/audio_vggish.npy", "image": "tiktok/image.npy"}
        path = os.path.join(data, files[case.split("-")[1]])
        if not os.path.exists(path):
            print(f"  skipped: no {path}")
            return
        rows = replicated(path, 200000)
        if case.startswith("seeding"):
            comparison.seeding(rows, 1024, 25)
        else:
            comparison.kmeans(rows, 1024, MOST_ITERATIONS, 1e-5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--setting", choices=SETTINGS, help="the peers' environment, instead of trying all")
    parser.add_argument("cases", nargs="+", choices=CASES, metavar="CASE")
    options = parser.parse_args()
    for case in options.cases:
        print(case, end=": ", flush=True)
        with tempfile.TemporaryDirectory(prefix="neume-quantizers-") as folder:
            run_case(Comparison(options, folder), case, options.data)


main()
