#!/usr/bin/env python3
"""neume encode beside its product floor and FAISS: 1,400,000 x 768 floats, k = 256, L = 3, psrq and rq.

    bench/compare_encoding.py [--items 1400000] [--width 768] [--rounds 5] [--folder /tmp/neume-encoding] [--limit-mib 1024]

Makes the rows (a mixture; 4.3 GB as NPY and about as much as Parquet; removed at the end unless --keep), fits codebooks to
a part of them, checks sampled codes of every side against brute force in double, and then times in turn: the products
alone (encode_bench), `neume encode` of the NPY file and of the Parquet file, and IndexFlatL2 of FAISS layer by layer on
the mapped NPY file. The page cache is warm. Peak memory is RssAnon; with --limit-mib the programs run in a memory control
group of that size (its right is needed), where the page cache counts too.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy

from memory_group import MemoryGroup

ROOT = pathlib.Path(__file__).resolve().parent.parent
NEUME = ROOT / "build/release/neume"
BENCH = ROOT / "build/release/bench/encode_bench"
PEER = ROOT / "bench/peers/encode_faiss.py"
CODES, LAYERS = 256, 3


def make_rows(path, items, width):
    random = numpy.random.default_rng(7)
    centres = random.standard_normal((2000, width), dtype=numpy.float32)
    rows = numpy.lib.format.open_memmap(path, "w+", numpy.float32, (items, width))
    for begin in range(0, items, 20000):
        count = min(20000, items - begin)
        rows[begin:begin + count] = centres[random.integers(0, len(centres), count)]
        rows[begin:begin + count] += 0.7 * random.standard_normal((count, width), dtype=numpy.float32)
    rows.flush()


def run(command, limit_mib=0, environment=None):
    """Seconds, peak RssAnon in MiB, and what it printed."""
    group = MemoryGroup(limit_mib << 20)
    start = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True,
                               preexec_fn=group.enter, env={**os.environ, **(environment or {})})
    peak = 0
    while process.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak] + [int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("RssAnon")])
        except OSError:
            pass
        time.sleep(0.01)
    seconds, text = time.monotonic() - start, process.stdout.read()
    group.remove()
    if process.returncode != 0:
        sys.exit(f"{command}: exit {process.returncode}")
    return seconds, peak, text


def summary(values):
    values = sorted(values)
    return f"{values[len(values) // 2]:.2f} [{values[0]:.2f}, {values[-1]:.2f}]"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1400000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/neume-encoding"))
    parser.add_argument("--limit-mib", type=int, default=0)
    parser.add_argument("--memory", default="1GiB")
    parser.add_argument("--sides", default="floor,npy,parquet,faiss")
    parser.add_argument("--methods", default="psrq,rq")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    npy, parquet, fitted = folder / "rows.npy", folder / "rows.parquet", folder / "fitted.npy"
    if not npy.exists():
        make_rows(npy, arguments.items, arguments.width)
        numpy.save(fitted, numpy.load(npy, mmap_mode="r")[:50000])
    if "parquet" in arguments.sides and not parquet.exists():
        run([BENCH, "--make-parquet", npy, parquet])
    for method in arguments.methods.split(","):
        books = folder / method
        if not (books / "manifest.json").exists():
            run([NEUME, "fit", "--quiet", "--modality", f"x={fitted}", "--method", method, "--codes", CODES, "--layers",
                 LAYERS, "--iterations", 5, "--out", books])
        measure(method, books, npy, parquet, arguments)
    if not arguments.keep:
        shutil.rmtree(folder)


def measure(method, books, npy, parquet, arguments):
    folder = arguments.folder
    sides = {
        "floor": [BENCH, "--floor", "--items", arguments.items, "--width", arguments.width],
        "npy": [NEUME, "encode", "--quiet", "--codebooks", books, "--modality", f"x={npy}", "--memory", arguments.memory,
                "--out", folder / "npy.parquet"],
        "parquet": [NEUME, "encode", "--quiet", "--codebooks", books, "--modality", f"x={parquet}:x", "--memory",
                    arguments.memory, "--out", folder / "parquet.parquet"],
        "faiss": ["/usr/bin/python3", PEER, npy, books / "x.safetensors", folder / "faiss.npy"],
    }
    seconds, peaks = {}, {}
    for round_number in range(arguments.rounds):
        for side in arguments.sides.split(","):
            if side == "faiss" and method != "rq":
                continue  # its search has no prefix
            limit = arguments.limit_mib if side in ("npy", "parquet") else 0
            took, peak, text = run(sides[side], limit)
            if side in ("floor", "faiss"):
                took = json.loads(text.splitlines()[-1])["seconds"]
            seconds.setdefault(side, []).append(took)
            peaks[side] = max(peak, peaks.get(side, 0))
        if round_number == 0 and "npy" in seconds:
            files = [folder / f"{name}.parquet" for name in ("npy", "parquet") if name in seconds]
            print(run([BENCH, "--check", npy, books / "x.safetensors", *files])[2].strip())
            if len(files) == 2 and files[0].read_bytes() != files[1].read_bytes():
                sys.exit("the IDs of the two files differ")
            if "faiss" in seconds:
                print(run([BENCH, "--compare", files[0], folder / "faiss.npy"])[2].strip())
    for side, values in seconds.items():
        line = f"{method:5} {side:8} {summary(values)} s, peak RssAnon {peaks[side]} MiB"
        if "floor" in seconds and side != "floor":
            line += f", floor / side {summary([f / s for f, s in zip(seconds['floor'], values)])}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
