#!/usr/bin/python3
"""One ranking request in PyTorch eager: MCCA over a history and many candidates, beside bench/serve_bench.cpp.

    build/release/bench/serve_bench --dump D [--histories 20,100,1000,10000]
    OMP_WAIT_POLICY=passive bench/peers/rank_request_torch.py D/100-distinct [--formulation split] [--threads 1]

Reads what serve_bench --dump wrote, checks its logits, then reports milliseconds a request. The history's embeddings are
looked up once and broadcast over the candidates; the catalogue is the request's items alone, so that finding rows in
a large table is left out. Formulations of the attention nets:
  concat  [e_j ; q] for every pair of candidate and history item, as the paper writes it
  split   W_e e_j and W_q q apart, added by broadcasting: what an engineer who looks twice writes
Candidates go through in chunks (--chunk, 0: tries several and keeps the fastest).
"""

import argparse
import json
import pathlib
import statistics
import time

import numpy as np
import torch

FAMILIES = ("text", "audio", "joint")


def load(folder):
    arrays = {}
    for path in pathlib.Path(folder).iterdir():
        name, shape, kind = path.name.rsplit(".", 2)
        dtype = np.float32 if kind == "f32" else np.uint32
        arrays[name] = np.fromfile(path, dtype).reshape([int(x) for x in shape.split("x")])
    rows = torch.from_numpy(arrays.pop("rows").astype(np.int64))
    return {name: torch.from_numpy(values) for name, values in arrays.items()}, rows


class Request:
    def __init__(self, folder, formulation):
        self.p, rows = load(folder)
        self.formulation = formulation
        self.num_candidates = len(self.p["logits"])
        self.num_history = len(rows) - self.num_candidates
        self.history, self.targets = rows[: self.num_history], rows[self.num_history :]
        self.tables = {}
        for f, family in enumerate(FAMILIES):
            layers = [self.p[f"embedding.{family}.layer{l}"] for l in range(3)]
            self.tables[family] = (torch.cat(layers), slice(3 * f, 3 * f + 3))
        self.items = self.p["embedding.item"]

    def embed(self, family, rows):
        table, columns = self.tables[family]
        return torch.nn.functional.embedding_bag(rows[:, columns], table, mode="sum")

    def attend(self, unit, history, query):
        p = lambda name: self.p[f"attention.{unit}.{name}"]
        if self.formulation == "split":
            hidden = (history @ p("item_weight").T)[None] + (query @ p("query_weight").T + p("hidden_bias"))[:, None]
        else:
            m, n, width = len(query), len(history), history.shape[1]
            pairs = torch.cat([history.expand(m, n, width), query[:, None].expand(m, n, width)], -1)
            weights = torch.cat([p("item_weight"), p("query_weight")], 1)
            hidden = torch.nn.functional.linear(pairs, weights, p("hidden_bias")[0])
        scores = hidden.relu_() @ p("output_weight")[0] + p("output_bias")[0]
        return scores @ history

    def score(self, chunk):
        histories = {f: self.embed(f, self.history) for f in FAMILIES}
        histories["item"] = self.items[: self.num_history]
        logits = []
        for begin in range(0, self.num_candidates, chunk):
            joint = self.embed("joint", self.targets[begin : begin + chunk])
            item = self.items[self.num_history + begin :][:chunk]
            x = [self.attend(f, histories[f], joint) for f in FAMILIES] + [self.attend("item", histories["item"], item)]
            x = torch.cat([*x, joint, item], 1)
            for layer in range(3):
                x = torch.nn.functional.linear(x, self.p[f"mlp.{layer}.weight"], self.p[f"mlp.{layer}.bias"][0])
                if layer < 2:
                    x = x.relu_()
            logits.append(x)
        return torch.cat(logits)


def milliseconds(request, chunk, seconds):
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        request.score(chunk)
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--formulation", choices=("concat", "split"), default="split")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunk", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        request = Request(options.folder, options.formulation)
        expected = request.p["logits"]
        error = ((request.score(100) - expected).abs() / expected.abs().clamp(min=1)).max().item()
        if error > 1e-4:
            raise SystemExit(f"logits differ from neume's by {error:.2g}")
        # Pairs that stay in cache, up to all candidates at once where their memory is no gigabyte.
        chunks = [c for c in (10, 50, 100, 250, 1000) if c * request.num_history <= 1_000_000] or [10]
        if options.chunk:
            chunks = [options.chunk]
        best = min(chunks, key=lambda c: milliseconds(request, c, 0.3)[0])
        times = milliseconds(request, best, options.seconds)
    print(json.dumps({"folder": options.folder, "formulation": options.formulation, "threads": options.threads,
                      "chunk": best, "median_ms": round(statistics.median(times), 3), "lowest_ms": round(times[0], 3),
                      "highest_ms": round(times[-1], 3), "requests": len(times), "difference": error}))


if __name__ == "__main__":
    main()
