#!/usr/bin/env python3
"""Trains on a synthetic log with and without --shuffle-rows, each under a memory limit, and reports the memory used.

    bench/large_log.py [--interactions 20000000] [--limit-mib 400] [--folder runs/large_log]

The limit is a memory control group of the kernel (version 1 or 2; needs the right to make one, else no limit is set and
only the use of memory is reported). RssAnon is what cannot be given back while the process runs; pages of a log on disk
(RssFile, and pages that no process maps at the moment) can.
"""
import argparse
import pathlib
import subprocess
import sys
import time

from memory_group import MemoryGroup

ROOT = pathlib.Path(__file__).resolve().parent.parent


def memory_of(pid):
    """Kibibytes of RssAnon and RssFile + RssShmem."""
    sizes = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("Rss"):
            sizes[line.split(":")[0]] = int(line.split()[1])
    return sizes.get("RssAnon", 0), sizes.get("RssFile", 0) + sizes.get("RssShmem", 0)


def measured(command, limit_bytes):
    """Exit code, seconds, and the peaks of both kinds of memory in MiB."""
    group = MemoryGroup(limit_bytes)
    start = time.monotonic()
    process = subprocess.Popen(command, preexec_fn=group.enter, stdout=subprocess.DEVNULL)
    peaks = (0, 0)
    while process.poll() is None:
        try:
            peaks = tuple(map(max, peaks, memory_of(process.pid)))
        except OSError:
            pass  # it has just ended
        time.sleep(0.05)
    group.remove()
    return process.returncode, time.monotonic() - start, [peak / 1024 for peak in peaks]


def prepare(program, folder, interactions):
    log = folder / "data"
    if not (log / "manifest.json").exists():
        subprocess.run([program, "synth", "--items", "20000", "--users", "200000", "--interactions", str(interactions),
                        "--text-width", "16", "--audio-width", "16", "--quiet", "--out", log], check=True)
    text = f"text={log}/items.parquet:text"
    if not (folder / "sids.parquet").exists():
        subprocess.run([program, "fit", "--modality", text, "--codes", "32", "--quiet", "--out", folder / "codebooks"],
                       check=True)
        subprocess.run([program, "encode", "--codebooks", folder / "codebooks", "--modality", text, "--quiet", "--out",
                        folder / "sids.parquet"], check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/neume"))
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "runs/large_log")
    parser.add_argument("--interactions", type=int, default=20_000_000)
    parser.add_argument("--limit-mib", type=int, default=400)
    arguments = parser.parse_args()
    prepare(arguments.program, arguments.folder, arguments.interactions)
    print(f"{'--shuffle-rows':>15} {'limit MiB':>10} {'RssAnon MiB':>12} {'RssFile MiB':>12} {'seconds':>8}  outcome")
    for shuffle_rows, limit_mib in ((100_000_000, None), (100_000_000, arguments.limit_mib),
                                    (1_000_000, arguments.limit_mib)):
        out = arguments.folder / "ranker"
        subprocess.run(["rm", "-rf", out], check=True)
        command = [arguments.program, "train", "--sids", arguments.folder / "sids.parquet", "--train",
                   arguments.folder / "data/train.parquet", "--model", "din", "--embedding-width", "16",
                   "--attention-hidden", "16", "--mlp", "16", "--history", "1", "--batch-size", "8192", "--quiet",
                   "--shuffle-rows", str(shuffle_rows), "--out", out]
        code, seconds, (anonymous, of_files) = measured(command, (limit_mib or 1 << 30) << 20)
        outcome = "trained" if code == 0 else "killed by the kernel" if code == -9 else f"exit code {code}"
        print(f"{shuffle_rows:>15} {limit_mib or 'none':>10} {anonymous:>12.0f} {of_files:>12.0f} {seconds:>8.1f}  "
              f"{outcome}", flush=True)


if __name__ == "__main__":
    main()
