#!/usr/bin/python3
"""Holds neume's mcca and din to PyTorch: logits, loss and the gradient of every parameter.

    bench/peers/parity_torch.py FILE.safetensors ...          (Debian: apt-get install python3-torch, a 9 MB package that
                                                               brings 29 MB of libtorch and NumPy)

Each file holds a model with random weights, a batch, and what neume made of them; tests/rank/torch_parity_test.cpp
writes such files and runs this script. The model is built here once more, in double, from the equations of the paper
(arXiv 2508.20359, section 3.3) as docs/formats/ranker.md states them, in the plain form: padded histories and inputs
[e_j ; q] side by side, nothing folded, gradients by autograd. A tensor agrees where its largest difference is at most
--tolerance (1e-5) of its largest magnitude. Prints a line a file; ends with 1 where a tensor differs.

What a file holds, beside the tensors of ranker.safetensors:
    codes.F                u32 [N, L]    semantic IDs of family F, 65535 where the item has none
    batch.targets          u32 [B]       batch.labels   f32 [B]
    batch.history_offsets  u32 [B + 1]   batch.history  u32 [n]
    logits f32 [B], loss f32 [1], gradient.NAME like NAME
and in the metadata, under "model", JSON: {"units": [{"source": F, "query": F}, ...], "softmax": bool, "product": bool}.
"""

import argparse
import json
import struct
import sys

import numpy as np
import torch

NO_CODE = 65535
TYPES = {"F32": np.float32, "U32": np.uint32, "U16": np.uint16}


def read_safetensors(path):
    """8 bytes of length, a JSON header, then the tensors' bytes: ({name: array}, metadata)."""
    with open(path, "rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(header_bytes))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


class Model:
    """The paper's network on one file's numbers."""

    OURS = ("codes.", "batch.", "gradient.", "logits", "loss")

    def __init__(self, tensors, units, softmax, product):
        self.units, self.softmax, self.product = units, softmax, product
        self.parameters = {
            name: torch.tensor(values.astype(np.float64), requires_grad=True)
            for name, values in tensors.items() if not name.startswith(self.OURS)
        }
        self.codes = {
            name[len("codes."):]: torch.tensor(values.astype(np.int64))
            for name, values in tensors.items() if name.startswith("codes.")
        }

    def embed(self, source, items):
        """(embeddings [..., d'], present [...]) of items [...]; an item without codes has the zero vector."""
        if source == "item":
            return self.parameters["embedding.item"][items], torch.ones(items.shape, dtype=torch.bool)
        codes = self.codes[source][items]
        present = codes[..., 0] != NO_CODE
        layers = []
        for layer in range(codes.shape[-1]):
            table = self.parameters[f"embedding.{source}.layer{layer}"]
            layers.append(table[torch.where(present, codes[..., layer], 0)])
        return torch.stack(layers).sum(0) * present.unsqueeze(-1), present

    def attend(self, source, embeddings, present, query):
        """h [B, d'] of history embeddings [B, T, d'] with query [B, d']."""
        weight = {part: self.parameters[f"attention.{source}.{part}"]
                  for part in ("item_weight", "query_weight", "hidden_bias", "output_weight", "output_bias")}
        queries = query.unsqueeze(1).expand_as(embeddings)
        inputs, matrix = [embeddings, queries], [weight["item_weight"], weight["query_weight"]]
        if self.product:
            inputs.append(embeddings * queries)
            matrix.append(self.parameters[f"attention.{source}.product_weight"])
        hidden = torch.relu(torch.cat(inputs, -1) @ torch.cat(matrix, 1).T + weight["hidden_bias"])
        scores = hidden @ weight["output_weight"][0] + weight["output_bias"][0, 0]
        if self.softmax:
            shifted = torch.exp(scores - scores.detach().amax(1, keepdim=True)) * present
            total = shifted.sum(1, keepdim=True)
            attention = shifted / torch.where(total > 0, total, 1.0)
        else:
            attention = scores * present
        return (attention.unsqueeze(-1) * embeddings).sum(1)

    def logits(self, history, in_history, targets):
        queries = {}
        for unit in self.units:
            queries.setdefault(unit["query"], self.embed(unit["query"], targets)[0])
        pooled = []
        for unit in self.units:
            embeddings, present = self.embed(unit["source"], history)
            pooled.append(self.attend(unit["source"], embeddings, present & in_history, queries[unit["query"]]))
        x = torch.cat(pooled + list(queries.values()), 1)
        layer = 0
        while f"mlp.{layer}.weight" in self.parameters:
            x = torch.relu(x) if layer > 0 else x
            x = x @ self.parameters[f"mlp.{layer}.weight"].T + self.parameters[f"mlp.{layer}.bias"][0]
            layer += 1
        return x[:, 0]


def padded(history, offsets):
    """History [B, T] and which of its places are in use."""
    lengths = np.diff(offsets.astype(np.int64))
    places = np.arange(max(1, lengths.max()))
    used = places < lengths[:, None]
    items = np.zeros(used.shape, np.int64)
    items[used] = history
    return torch.tensor(items), torch.tensor(used)


def difference(found, expected):
    """Largest difference, in units of the largest magnitude."""
    scale = np.abs(expected).max()
    worst = np.abs(found.astype(np.float64) - expected).max()
    return worst / scale if scale > 0 else worst


def check(path, tolerance):
    tensors, metadata = read_safetensors(path)
    model = Model(tensors, **json.loads(metadata["model"]))
    history, used = padded(tensors["batch.history"], tensors["batch.history_offsets"])
    logits = model.logits(history, used, torch.tensor(tensors["batch.targets"].astype(np.int64)))
    labels = torch.tensor(tensors["batch.labels"].astype(np.float64))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
    loss.backward()
    found = {"logits": difference(tensors["logits"], logits.detach().numpy()),
             "loss": difference(tensors["loss"], np.array([loss.item()]))}
    for name, parameter in model.parameters.items():
        gradient = np.zeros(parameter.shape) if parameter.grad is None else parameter.grad.numpy()
        if np.abs(gradient).max() < 1e-15:  # the output bias under softmax: it cancels
            gradient = np.zeros(parameter.shape)
        found[f"gradient.{name}"] = difference(tensors[f"gradient.{name}"], gradient)
    worst = max(found, key=found.get)
    wrong = [name for name in found if not found[name] <= tolerance]
    print(f"{path}: {len(found)} tensors, worst {found[worst]:.1e} ({worst})")
    for name in wrong:
        print(f"{path}: {name} differs by {found[name]:.1e} of its largest magnitude, more than {tolerance}")
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    arguments = parser.parse_args()
    agreed = [check(path, arguments.tolerance) for path in arguments.files]
    sys.exit(0 if all(agreed) else 1)


if __name__ == "__main__":
    main()
