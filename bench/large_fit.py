#!/usr/bin/env python3
"""Fits to embeddings that --memory does not hold, each time under a memory limit of that size, and reports the memory used.

    bench/large_fit.py [--items 500000] [--memory-mib 640] [--folder runs/large_fit]

The sources are a Parquet file (neume synth) with two modalities and an NPY file. The limit is a memory control group as in
bench/large_log.py, which explains the columns; the files' own pages are given back when memory is short.
"""
import argparse
import pathlib
import re
import subprocess

import numpy

from large_log import ROOT, measured

TEXT_WIDTH, AUDIO_WIDTH, NPY_WIDTH = 256, 128, 384

CASES = {
    "psrq": ["--codes", "256"],
    "psrq and joint": ["--codes", "256", "--joint"],
    "pq": ["--codes", "256", "--method", "pq"],
    "opq": ["--codes", "256", "--method", "opq", "--iterations", "3"],
    "rqvae": ["--codes", "256", "--method", "rqvae", "--rqvae-epochs", "2", "--rqvae-batch-size", "1024"],
    "rq, balanced": ["--codes", "64", "--method", "rq", "--balanced", "--layers", "2", "--iterations", "2"],
}


def prepare(program, folder, items):
    if not (folder / "data/manifest.json").exists():
        subprocess.run([program, "synth", "--items", str(items), "--users", "10", "--interactions", "100",
                        "--text-width", str(TEXT_WIDTH), "--audio-width", str(AUDIO_WIDTH), "--quiet", "--out",
                        folder / "data"], check=True)
    rows = folder / "rows.npy"
    if not rows.exists():
        random = numpy.random.default_rng(1)
        out = numpy.lib.format.open_memmap(rows, "w+", numpy.float32, (items, NPY_WIDTH))
        for begin in range(0, items, 50000):
            block = out[begin:begin + 50000]
            block[:] = random.standard_normal(block.shape, numpy.float32)
    parquet = folder / "data/items.parquet"
    return {"Parquet": ["--modality", f"text={parquet}:text", "--modality", f"audio={parquet}:audio"],
            "NPY": ["--modality", f"rows={rows}"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/neume"))
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs/large_fit")
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--memory-mib", type=int, default=640)
    arguments = parser.parse_args()
    sources = prepare(arguments.program, arguments.folder, arguments.items)
    print(f"{'source':8} {'fit':20} {'limit MiB':>9} {'RssAnon MiB':>11} {'RssFile MiB':>11} {'seconds':>8}  fitted rows")
    for source, modalities in sources.items():
        for name, options in CASES.items():
            if source == "NPY" and "--joint" in options:
                continue  # it has one modality
            out = arguments.folder / "codebooks"
            subprocess.run(["rm", "-rf", out], check=True)
            command = [arguments.program, "fit", *modalities, *options, "--memory", f"{arguments.memory_mib}MiB",
                       "--quiet", "--out", out]
            code, seconds, (anonymous, of_files) = measured(command, arguments.memory_mib << 20)
            manifest = (out / "manifest.json").read_text() if code == 0 else ""
            fitted = ", ".join(re.findall(r'"fitted": (\d+)', manifest)) or f"exit code {code}"
            print(f"{source:8} {name:20} {arguments.memory_mib:>9} {anonymous:>11.0f} {of_files:>11.0f} {seconds:>8.1f}"
                  f"  {fitted}", flush=True)


if __name__ == "__main__":
    main()
