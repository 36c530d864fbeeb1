#!/usr/bin/python3
"""k-means by FAISS or scikit-learn on given rows, timed: one line of JSON.

  kmeans_peer.py faiss|sklearn lloyd ROWS.npy START.npy ITERATIONS CENTROIDS.f32
  kmeans_peer.py sklearn seeded ROWS.npy k-means++|random CODES ITERATIONS
  kmeans_peer.py faiss|sklearn layers ROWS.npy rq|psrq LAYERS CODES ITERATIONS

`seeded` also tells when which objective was reached, from what scikit-learn says in its verbose mode. `layers` codes
residuals layer by layer as the papers' texts would be coded: psrq concatenates residual and prefix to rows of 2d
columns. Seeds of `layers` are random rows (the cheapest choice of both libraries); FAISS trains on all rows.
Debian's python3-faiss and python3-sklearn; the environment (OMP_WAIT_POLICY, OMP_NUM_THREADS) is the caller's.
"""
import json
import resource
import sys
import time

import numpy as np

LIBRARY, MODE = sys.argv[1:3]
if LIBRARY == "faiss":
    import faiss
else:
    from sklearn.cluster import KMeans


def fit_faiss(rows, codes, iterations, start=None):
    kmeans = faiss.Kmeans(rows.shape[1], codes, niter=iterations, max_points_per_centroid=len(rows), seed=1)
    kmeans.train(rows, init_centroids=start)
    return kmeans.centroids, lambda: kmeans.index.search(rows, 1)[1].ravel()


def fit_sklearn(rows, codes, iterations, start=None):
    kmeans = KMeans(codes, init="random" if start is None else start, n_init=1, max_iter=iterations, tol=0,
                    algorithm="lloyd", random_state=1, copy_x=False).fit(rows)
    return kmeans.cluster_centers_, lambda: kmeans.labels_


def fit(*arguments):
    return fit_faiss(*arguments) if LIBRARY == "faiss" else fit_sklearn(*arguments)


def lloyd(rows_path, start_path, iterations, out_path):
    rows, start = np.load(rows_path), np.load(start_path)
    begin = time.perf_counter()
    centroids, _ = fit(rows, len(start), int(iterations), start)
    seconds = time.perf_counter() - begin
    np.asarray(centroids, dtype=np.float32).tofile(out_path)
    return {"seconds": seconds}


class Lines:
    """Standard output that notes when it was told an iteration's inertia."""

    def __init__(self, begin):
        self.begin, self.reached, self.inertias = begin, [], []

    def write(self, text):
        if text.startswith("Iteration"):
            self.reached.append(time.perf_counter() - self.begin)
            self.inertias.append(float(text.split()[-1].rstrip(".")))

    def flush(self):
        pass


def seeded(rows_path, init, codes, iterations):
    rows = np.load(rows_path)
    before, sys.stdout = sys.stdout, Lines(time.perf_counter())
    KMeans(int(codes), init=init, n_init=1, max_iter=int(iterations), tol=0, algorithm="lloyd", random_state=1,
           copy_x=False, verbose=1).fit(rows)
    lines, sys.stdout = sys.stdout, before
    return {"seconds": time.perf_counter() - lines.begin, "reached": lines.reached,
            "objectives": [inertia / len(rows) for inertia in lines.inertias]}


def layers(rows_path, method, num_layers, codes, iterations):
    rows = np.load(rows_path)
    begin = time.perf_counter()
    rows -= rows.mean(0)
    residual, width = rows.copy(), rows.shape[1]
    for layer in range(int(num_layers)):
        wide = residual if method == "rq" or layer == 0 else np.concatenate([residual, rows - residual], axis=1)
        centroids, label = fit(wide, int(codes), int(iterations))
        residual -= np.asarray(centroids, dtype=np.float32)[label(), :width]
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "mse": float((residual.astype(np.float64) ** 2).sum() / len(rows))}


result = {"lloyd": lloyd, "seeded": seeded, "layers": layers}[MODE](*sys.argv[3:])
result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(result))
