#!/usr/bin/env python3
"""Residual codes with FAISS: IndexFlatL2 searched layer by layer, rows from a mapped NPY file, chunk after chunk.

    encode_faiss.py ROWS.npy CODEBOOK.safetensors CODES.npy [--chunk 65536]

The codebook is one of `neume fit --method rq`. Prints {"seconds": ...} of the whole pass, reading included.
"""
import argparse
import json
import pathlib
import time

import faiss
import numpy


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + place for place in entry["data_offsets"])
            tensors[name] = numpy.frombuffer(data[begin:end], numpy.float32).reshape(entry["shape"])
    return tensors


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rows")
    parser.add_argument("codebook")
    parser.add_argument("codes")
    parser.add_argument("--chunk", type=int, default=65536)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.threads)
    rows = numpy.load(arguments.rows, mmap_mode="r")
    tensors = read_safetensors(arguments.codebook)
    mean, scale = tensors["mean"].ravel(), tensors["scale"].ravel()
    layers = [tensors[f"layer{l}.centroids"] for l in range(sum(name.endswith(".centroids") for name in tensors))]
    indexes = []
    for centroids in layers:
        indexes.append(faiss.IndexFlatL2(rows.shape[1]))
        indexes[-1].add(numpy.ascontiguousarray(centroids))
    codes = numpy.empty((len(rows), len(layers)), numpy.float32)
    start = time.monotonic()
    for begin in range(0, len(rows), arguments.chunk):
        residual = rows[begin:begin + arguments.chunk] - mean
        if not (scale == 1).all():
            residual *= scale
        for l, (index, centroids) in enumerate(zip(indexes, layers)):
            nearest = index.search(residual, 1)[1].ravel()
            codes[begin:begin + arguments.chunk, l] = nearest
            if l + 1 < len(layers):
                residual -= centroids[nearest]
    print(json.dumps({"seconds": time.monotonic() - start}))
    numpy.save(arguments.codes, codes)


if __name__ == "__main__":
    main()
