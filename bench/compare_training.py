#!/usr/bin/python3
"""Training speed of neume's MCCA beside PyTorch's, in one run: the two programs in turn, several rounds.

    bench/compare_training.py [--program build/release/bench/train_bench] [--batch 512] [--rounds 5] [--threads 2]

Prints the samples a second of every round, the medians, and the ratio of the medians with the smallest and largest
ratio of a round. PyTorch runs with the environment that was fastest for it on a quiet machine (docs/benchmarks.md; it
needs python3-torch and libopenblas0-openmp); both run the same shape: k = 256, L = 3, d' = 64, T = 20, attention hidden 64, MLP 256-128, 1,387,247 items.
"""

import argparse
import json
import os
import re
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
CRIPPLING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
PEER_ENVIRONMENT = {
    "LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu/openblas-openmp",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}


def run(command, extra):
    environment = {k: v for k, v in os.environ.items() if k not in CRIPPLING} | extra
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def ours(options, bf16):
    command = [options.program, "--batch", str(options.batch), "--windows", "5", "--seconds", "1", "--bf16", str(bf16)]
    text = run(command, {"OMP_NUM_THREADS": str(options.threads)})
    return float(re.search(r"training .*median\s+(\d+)", text).group(1))


def peer(options):
    script = os.path.join(HERE, "peers", "mcca_torch.py")
    command = ["/usr/bin/python3", script, "--threads", str(options.threads), "--batch", str(options.batch)]
    text = run(command, PEER_ENVIRONMENT)
    return float(json.loads(text.strip().splitlines()[-1])["samples_per_second"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=os.path.join(HERE, "..", "build", "release", "bench", "train_bench"))
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    rounds = []
    for number in range(options.rounds):
        rounds.append((ours(options, 0), ours(options, 1), peer(options)))
        print("round {}: neume f32 {:9.0f}   bf16 {:9.0f}   torch {:9.0f} samples/s".format(number + 1, *rounds[-1]),
              flush=True)
    full, half, torch = (statistics.median(column) for column in zip(*rounds))
    print(f"median:  neume f32 {full:9.0f}   bf16 {half:9.0f}   torch {torch:9.0f}")
    for name, ratio, ratios in (("f32 / torch", full / torch, [a / c for a, b, c in rounds]),
                                ("bf16 / torch", half / torch, [b / c for a, b, c in rounds]),
                                ("bf16 / f32", half / full, [b / a for a, b, c in rounds])):
        print(f"{name:12} {ratio:5.2f} (rounds {min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
