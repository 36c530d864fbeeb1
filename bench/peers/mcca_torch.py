#!/usr/bin/python3
"""Training speed of MCCA in PyTorch, at the shape of the paper's Industrial set: a peer for `neume train`.

The model is neume's MCCA (three code families with a shared joint query, DIN attention on item IDs, summed layer
embeddings, MLP on [h^z x 3; h^r; e_t^r; e_t^o], mean binary cross-entropy), trained on random codes, full random
histories and random labels: the time of a step does not depend on what is learnt.

Run, best setting first (Debian: apt-get install python3-torch libopenblas0-openmp; with the reference BLAS, or with
OPENBLAS_CORETYPE forcing old kernels, the figures say nothing about PyTorch):

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/openblas-openmp \
        MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456 \
        /usr/bin/python3 bench/peers/mcca_torch.py --threads 2 --batch 512

The MALLOC_ variables keep freed activations mapped; without them page faults take most of the time. Where anything else
runs on the machine add OMP_WAIT_POLICY=passive, or spinning threads stall each other.

    --check                    compare loss and gradients of all formulations on a small shape, and stop
    --formulation all          time every formulation one after the other
    --item-optimizer lazy      a hand-written lazy Adam on the batch's rows instead of torch.optim.SparseAdam

One JSON line a formulation: median samples a second over the timing windows, with quartiles and extremes,
and samples a second of processor time (both threads together), which a busy machine disturbs less.

Formulations (same parameters, same numbers up to rounding; each keeps the tricks of the one before unless said):
    concat        [e_j ; q] is built and multiplied, as the formula is written
    split         W [e_j ; q] = W_e e_j + W_q q: the query half once a sample, no concatenation
    fold          tables [E W_e | E] are made once a batch and gathered with one embedding_bag over all families
    fold_two      as fold, but projected and raw tables in two embedding_bag calls (no strided halves)
    fold_gather   as fold, gather and sum over layers instead of embedding_bag (whose backward sorts)
    fold_script   as fold, attention under torch.jit.script
    fold_custom   as fold_gather, attention with a hand-written backward
"""

import argparse
import json
import os
import statistics
import sys
import time

import torch
import torch.nn.functional as F

FAMILIES = 3  # text, audio, joint
JOINT = 2
ENVIRONMENT = ("OMP_WAIT_POLICY", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "OPENBLAS_CORETYPE",
               "OPENBLAS_L2_SIZE")
ID = 3  # the item-ID attention follows the families in the stacked attention weights


def attention(keys, values, query, weights, bias):
    """keys [Z, B, T, H], values [Z, B, T, D], query [Z, B, H] -> sum_j a_j values_j, [Z, B, D].

    The weighted sum is written element by element: as a batched product it becomes one tiny product a sample, which
    took half of the whole step.
    """
    hidden = torch.relu(keys + query.unsqueeze(2))
    families, batch, steps, width = hidden.shape
    scores = torch.baddbmm(bias.view(-1, 1, 1), hidden.view(families, -1, width), weights.unsqueeze(2))
    return (scores.view(families, batch, steps, 1) * values).sum(2)


attention_scripted = torch.jit.script(attention)


class AttentionCustom(torch.autograd.Function):
    """`attention` on [keys | values] side by side, with a backward that fills one gradient for both halves."""

    @staticmethod
    def forward(ctx, both, query, weights, bias):
        families, batch, steps, _ = both.shape
        width = query.size(2)
        hidden = torch.add(both[..., :width], query.unsqueeze(2)).relu_()
        scores = torch.baddbmm(bias.view(-1, 1, 1), hidden.view(families, -1, width), weights.unsqueeze(2))
        scores = scores.view(families, batch, steps, 1)
        ctx.save_for_backward(both, hidden, scores, weights)
        return (scores * both[..., width:]).sum(2)

    @staticmethod
    def backward(ctx, grad):
        both, hidden, scores, weights = ctx.saved_tensors
        families, width = weights.shape
        grad_both = torch.empty_like(both)
        grad = grad.unsqueeze(2)
        torch.mul(scores, grad, out=grad_both[..., width:])
        grad_scores = (both[..., width:] * grad).sum(-1, keepdim=True)
        grad_weights = torch.bmm(grad_scores.view(families, 1, -1), hidden.view(families, -1, width)).squeeze(1)
        grad_hidden = grad_scores * weights.view(families, 1, 1, width)
        grad_keys = torch.mul(grad_hidden, hidden.gt_(0), out=grad_both[..., :width])
        return grad_both, grad_keys.sum(2), grad_weights, grad_scores.sum((1, 2, 3))


class Mcca:
    """Parameters and forward pass; every formulation reads the same parameters."""

    def __init__(self, shape, seed):
        generator = torch.Generator().manual_seed(seed)

        def parameter(*size, scale):
            return (torch.randn(*size, generator=generator) * scale).requires_grad_()

        self.shape = shape
        d, h = shape.width, shape.attention_hidden
        rows = shape.layers * shape.codes
        self.tables = parameter(FAMILIES, rows, d, scale=0.1)
        self.key_weights = parameter(FAMILIES + 1, d, h, scale=d**-0.5)
        self.query_weights = parameter(FAMILIES + 1, d, h, scale=d**-0.5)
        self.hidden_bias = parameter(FAMILIES + 1, h, scale=0.1)
        self.score_weights = parameter(FAMILIES + 1, h, scale=h**-0.5)
        self.score_bias = parameter(FAMILIES + 1, scale=0.1)
        self.mlp = torch.nn.Sequential(
            torch.nn.Linear(6 * d, 256), torch.nn.ReLU(), torch.nn.Linear(256, 128), torch.nn.ReLU(),
            torch.nn.Linear(128, 1))
        self.item_table = torch.randn(shape.items, d, generator=generator).mul_(0.1)
        offsets = torch.arange(FAMILIES * shape.layers, dtype=torch.int32) * shape.codes
        codes = torch.randint(shape.codes, (FAMILIES, shape.items, shape.layers), generator=generator,
                              dtype=torch.int32)
        # Row numbers in the table of all families and layers, stacked.
        self.code_rows = codes + offsets.view(FAMILIES, 1, shape.layers)

    def dense_parameters(self):
        return [self.tables, self.key_weights, self.query_weights, self.hidden_bias, self.score_weights,
                self.score_bias, *self.mlp.parameters()]

    def bags(self, table, rows):
        """Sum over layers: table [all rows, W], rows [n, L] -> [n, W]."""
        if self.shape.formulation in ("fold_gather", "fold_custom"):
            total = F.embedding(rows[:, 0], table)
            for layer in range(1, rows.size(1)):
                total = total + F.embedding(rows[:, layer], table)
            return total
        return F.embedding_bag(rows, table, mode="sum")

    def content_attention(self, rows, query, batch):
        """rows [Z, B * T, L], query [B, D] -> h of every family, [Z, B, D]."""
        shape = self.shape
        d, h = shape.width, shape.attention_hidden
        key_weights, query_weights = self.key_weights[:FAMILIES], self.query_weights[:FAMILIES]
        score = (self.score_weights[:FAMILIES], self.score_bias[:FAMILIES])
        flat = rows.reshape(-1, shape.layers)
        per_item = (FAMILIES, batch, shape.history)
        if shape.formulation == "concat":
            values = self.bags(self.tables.view(-1, d), flat).view(*per_item, d)
            pairs = torch.cat([values, query.view(1, batch, 1, d).expand(*per_item, d)], -1)
            weights = torch.cat([key_weights, query_weights], 1)
            hidden = torch.baddbmm(self.hidden_bias[:FAMILIES].unsqueeze(1), pairs.view(FAMILIES, -1, 2 * d), weights)
            return attention(hidden.view(*per_item, h), values, hidden.new_zeros(FAMILIES, batch, h), *score)
        query_part = torch.matmul(query, query_weights) + self.hidden_bias[:FAMILIES].unsqueeze(1)
        if shape.formulation == "split":
            values = self.bags(self.tables.view(-1, d), flat)
            keys = torch.bmm(values.view(FAMILIES, -1, d), key_weights)
        else:
            projected = torch.bmm(self.tables, key_weights)
            if shape.formulation == "fold_two":
                values = self.bags(self.tables.view(-1, d), flat)
                keys = self.bags(projected.view(-1, h), flat)
            else:
                both = self.bags(torch.cat([projected, self.tables], -1).view(-1, h + d), flat)
                if shape.formulation == "fold_custom":
                    return AttentionCustom.apply(both.view(*per_item, h + d), query_part, *score)
                keys, values = both.split([h, d], 1)
        keys, values = keys.view(*per_item, h), values.view(*per_item, d)
        return self.attend(keys, values, query_part, *score)

    def attend(self, *arguments):
        if self.shape.formulation == "fold_script":
            return attention_scripted(*arguments)
        return attention(*arguments)

    def id_attention(self, values, target):
        """values [B, T, D], target [B, D] -> h^r, [B, D]."""
        batch, steps, d = values.shape
        score = (self.score_weights[ID:], self.score_bias[ID:])
        if self.shape.formulation == "concat":
            pairs = torch.cat([values, target.unsqueeze(1).expand(batch, steps, d)], -1)
            weights = torch.cat([self.key_weights[ID], self.query_weights[ID]], 0)
            hidden = torch.addmm(self.hidden_bias[ID], pairs.view(-1, 2 * d), weights).view(1, batch, steps, -1)
            return attention(hidden, values.unsqueeze(0), hidden.new_zeros(1, batch, hidden.size(-1)), *score)[0]
        keys = torch.mm(values.reshape(-1, d), self.key_weights[ID]).view(1, batch, steps, -1)
        query = torch.addmm(self.hidden_bias[ID], target, self.query_weights[ID])
        return self.attend(keys, values.unsqueeze(0), query.unsqueeze(0), *score)[0]

    def loss(self, history, target, labels, item_rows):
        """history [B, T], target [B]: items; item_rows [B, T + 1, D]: their ID embeddings, the target's last."""
        batch = target.numel()
        rows = self.code_rows.index_select(1, history.view(-1))
        target_joint = self.bags(self.tables.view(-1, self.shape.width), self.code_rows[JOINT].index_select(0, target))
        content = self.content_attention(rows, target_joint, batch)
        steps = history.size(1)
        ids, target_id = item_rows[:, :steps], item_rows[:, steps]
        inputs = torch.cat([content[0], content[1], content[2], self.id_attention(ids, target_id), target_id,
                            target_joint], 1)
        return F.binary_cross_entropy_with_logits(self.mlp(inputs).squeeze(1), labels)


class SparseItems:
    """The item table as a sparse embedding under torch.optim.SparseAdam."""

    def __init__(self, table, rate):
        self.table = torch.nn.Parameter(table)
        self.optimizer = torch.optim.SparseAdam([self.table], lr=rate)

    def lookup(self, items):
        return F.embedding(items, self.table, sparse=True)

    def step(self):
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class LazyItems:
    """The same update written by hand: Adam on the distinct rows of the batch, gathered once and put back once."""

    def __init__(self, table, rate):
        self.width = table.size(1)
        # Parameter, first and second moment of a row side by side: one gather, one scatter.
        self.state = torch.cat([table, torch.zeros(table.size(0), 2 * self.width)], 1)
        self.rate, self.beta1, self.beta2, self.epsilon = rate, 0.9, 0.999, 1e-8
        self.steps = 0

    def lookup(self, items):
        self.items, inverse = torch.unique(items, return_inverse=True)
        self.rows = self.state.index_select(0, self.items)
        self.leaf = self.rows[:, :self.width].clone().requires_grad_()
        return F.embedding(inverse, self.leaf)

    def step(self):
        self.steps += 1
        gradient = self.leaf.grad
        value, first, second = self.rows.split(self.width, 1)
        first.mul_(self.beta1).add_(gradient, alpha=1 - self.beta1)
        second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        size = self.rate * (1 - self.beta2**self.steps)**0.5 / (1 - self.beta1**self.steps)
        value.addcdiv_(first, second.sqrt().add_(self.epsilon), value=-size)
        self.state.index_copy_(0, self.items, self.rows)


class Trainer:
    def __init__(self, shape, seed=1):
        self.model = Mcca(shape, seed)
        self.dense = torch.optim.Adam(self.model.dense_parameters(), lr=shape.learning_rate, foreach=shape.foreach)
        make_items = SparseItems if shape.item_optimizer == "sparse" else LazyItems
        self.items = make_items(self.model.item_table, shape.learning_rate)

    def forward(self, history, target, labels):
        rows = self.items.lookup(torch.cat([history, target.unsqueeze(1)], 1))
        return self.model.loss(history, target, labels, rows)

    def step(self, batch):
        self.dense.zero_grad(set_to_none=True)
        self.forward(*batch).backward()
        self.dense.step()
        self.items.step()


def make_batches(shape, count, seed=2):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randint(shape.items, size, generator=generator)
    return [(draw(shape.batch, shape.history), draw(shape.batch),
             torch.randint(2, (shape.batch,), generator=generator).float()) for _ in range(count)]


def time_training(shape):
    trainer = Trainer(shape)
    batches = make_batches(shape, 32)
    step = 0

    def run(steps):
        nonlocal step
        begin = time.perf_counter()
        for _ in range(steps):
            trainer.step(batches[step % len(batches)])
            step += 1
        return time.perf_counter() - begin

    run(10)  # warm-up: allocator, thread pool, scripted graphs
    steps = max(3, round(shape.window / (run(10) / 10)))
    cpu_begin = time.process_time()
    rates = sorted(steps * shape.batch / run(steps) for _ in range(shape.windows))
    cpu_seconds = time.process_time() - cpu_begin
    quartiles = statistics.quantiles(rates, n=4)
    return {"formulation": shape.formulation, "item_optimizer": shape.item_optimizer, "batch": shape.batch,
            "threads": shape.threads, "samples_per_second": round(statistics.median(rates)),
            "quartiles": [round(quartiles[0]), round(quartiles[2])], "extremes": [round(rates[0]), round(rates[-1])],
            "samples_per_cpu_second": round(shape.windows * steps * shape.batch / cpu_seconds),
            "windows": shape.windows, "steps_per_window": steps, "torch": torch.__version__,
            "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}}


def check(shape):
    """Loss, gradients and three training steps agree between all formulations and both item optimizers."""
    shape.items, shape.batch = 500, 32
    reference = None
    for optimizer in ("sparse", "lazy"):
        for formulation in FORMULATIONS:
            shape.formulation, shape.item_optimizer = formulation, optimizer
            trainer = Trainer(shape)
            torch.manual_seed(3)
            with torch.no_grad():
                for parameter in trainer.model.mlp.parameters():
                    parameter.copy_(torch.randn(parameter.shape) * 0.1)
            batches = make_batches(shape, 3)
            loss = trainer.forward(*batches[0])
            found = [loss.detach(), *torch.autograd.grad(loss, trainer.model.dense_parameters())]
            for batch in batches:
                trainer.step(batch)
            table = trainer.items.table if optimizer == "sparse" else trainer.items.state[:, :shape.width]
            found.append(table.detach().clone())
            reference = reference or found
            # Adam's first steps are sign-like, so the table gets a tolerance of its own: a share of a step.
            for i, (a, b) in enumerate(zip(reference, found)):
                scale = a.abs().max() if i < len(found) - 1 else torch.tensor(3 * shape.learning_rate)
                limit = 2e-5 if i < len(found) - 1 else 0.05
                error = ((a - b).abs().max() / scale).item()
                if error > limit:
                    sys.exit(f"{formulation}, {optimizer}: value {i} differs by {error:.2g} of its scale")
            print(f"{formulation:12} {optimizer:6} agrees, loss {found[0]:.6f}")


FORMULATIONS = ("concat", "split", "fold", "fold_two", "fold_gather", "fold_script", "fold_custom")


def main():
    parser = argparse.ArgumentParser(description="Training speed of MCCA in PyTorch.")
    parser.add_argument("--formulation", choices=(*FORMULATIONS, "all"), default="fold_custom")
    parser.add_argument("--item-optimizer", choices=("sparse", "lazy"), default="sparse")
    parser.add_argument("--foreach", action="store_true", help="torch.optim.Adam(foreach=True)")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--items", type=int, default=1387247)
    parser.add_argument("--codes", type=int, default=256)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--history", type=int, default=20)
    parser.add_argument("--attention-hidden", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--windows", type=int, default=11)
    parser.add_argument("--window", type=float, default=1.0, help="seconds a window")
    parser.add_argument("--check", action="store_true")
    shape = parser.parse_args()
    torch.set_num_threads(shape.threads)
    if shape.check:
        return check(shape)
    for formulation in FORMULATIONS if shape.formulation == "all" else (shape.formulation,):
        shape.formulation = formulation
        print(json.dumps(time_training(shape)), flush=True)


if __name__ == "__main__":
    main()
