#pragma once
// Residual quantization as its definition reads: double precision, rows twice as wide as the embedding, every distance
// by a loop over columns, nothing shared with the library. Slow on purpose.

#include <cstddef>
#include <limits>
#include <vector>

namespace neume::oracle {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

inline double squared_distance(const Row& a, const Row& b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += (a[j] - b[j]) * (a[j] - b[j]);
  return sum;
}

inline std::size_t nearest(const Row& row, const Rows& centroids) {
  std::size_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t j = 0; j < centroids.size(); ++j) {
    const double distance = squared_distance(row, centroids[j]);
    if (distance < least) {
      least = distance;
      best = j;
    }
  }
  return best;
}

/// Labels of one half-step of Lloyd's algorithm.
inline std::vector<std::size_t> assign(const Rows& rows, const Rows& centroids) {
  std::vector<std::size_t> labels;
  for (const Row& row : rows) labels.push_back(nearest(row, centroids));
  return labels;
}

inline double objective(const Rows& rows, const Rows& centroids, const std::vector<std::size_t>& labels) {
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.size(); ++i) sum += squared_distance(rows[i], centroids[labels[i]]);
  return sum / static_cast<double>(rows.size());
}

/// Means of the clusters; a cluster without rows keeps its centroid.
inline void update(const Rows& rows, const std::vector<std::size_t>& labels, Rows& centroids) {
  for (std::size_t c = 0; c < centroids.size(); ++c) {
    Row mean(centroids[c].size(), 0.0);
    double count = 0.0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (labels[i] != c) continue;
      count += 1.0;
      for (std::size_t j = 0; j < mean.size(); ++j) mean[j] += rows[i][j];
    }
    if (count == 0.0) continue;
    for (std::size_t j = 0; j < mean.size(); ++j) centroids[c][j] = mean[j] / count;
  }
}

/// [r, lambda * (x - r)], the row that layer l clusters.
inline Rows wide_rows(const Rows& x, const Rows& residuals, double lambda) {
  Rows wide = residuals;
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x[i].size(); ++j) wide[i].push_back(lambda * (x[i][j] - residuals[i][j]));
  return wide;
}

/// r - (first half of the chosen centroid).
inline void subtract(Rows& residuals, const Rows& centroids, const std::vector<std::size_t>& labels) {
  for (std::size_t i = 0; i < residuals.size(); ++i)
    for (std::size_t j = 0; j < residuals[i].size(); ++j) residuals[i][j] -= centroids[labels[i]][j];
}

}  // namespace neume::oracle
