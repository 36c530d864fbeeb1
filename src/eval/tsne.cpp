#include "eval/tsne.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"

namespace neume::eval {

namespace {

/// Rows of the n x n tables that one thread works through.
constexpr std::size_t kChunk = 32;

constexpr std::size_t kBisections = 60;

/// p_j|i for all j, from squared distances less the smallest one; returns the entropy H in nats. Entry i gets 0.
double conditional_probabilities(std::span<const double> distances, std::size_t i, double precision,
                                 std::span<double> out) {
  double sum = 0.0, weighted = 0.0;
  for (std::size_t j = 0; j < distances.size(); ++j) {
    out[j] = j == i ? 0.0 : std::exp(-precision * distances[j]);
    sum += out[j];
    weighted += out[j] * distances[j];
  }
  for (double& p : out) p /= sum;
  return std::log(sum) + precision * weighted / sum;
}

/// Bisects the precision b of row i until the entropy is ln(perplexity). It falls as b grows.
void fit_row(std::span<const double> distances, std::size_t i, double log_perplexity, std::span<double> out) {
  double precision = 1.0, low = 0.0, high = 0.0;  // high = 0: no upper end found yet
  double mean = 0.0;
  for (const double distance : distances) mean += distance / static_cast<double>(distances.size());
  if (mean > 0.0) precision = 1.0 / mean;
  for (std::size_t step = 0; step < kBisections; ++step) {
    const double entropy = conditional_probabilities(distances, i, precision, out);
    if (std::abs(entropy - log_perplexity) < 1e-6) return;
    (entropy > log_perplexity ? low : high) = precision;
    precision = high == 0.0 ? precision * 2.0 : (low + high) / 2.0;
  }
}

/// Squared distances of row i to all rows, in double, less the smallest to another row (which p_j|i does not depend
/// on).
void shifted_distances(ConstMatrixView rows, std::size_t i, std::span<double> out) {
  double least = INFINITY;
  for (std::size_t j = 0; j < rows.rows; ++j) {
    out[j] = 0.0;
    for (std::size_t c = 0; c < rows.cols; ++c) {
      const double difference = double{rows.row(i)[c]} - rows.row(j)[c];
      out[j] += difference * difference;
    }
    if (j != i) least = std::min(least, out[j]);
  }
  for (double& distance : out) distance = std::max(0.0, distance - least);
}

/// Sums over j of one row of the gradient.
struct RowForces {
  float w = 0.0f;                      ///< w_ij, the point itself (1) included
  float pull_x = 0.0f, pull_y = 0.0f;  ///< p_ij w_ij (y_i - y_j)
  float push_x = 0.0f, push_y = 0.0f;  ///< w_ij^2 (y_i - y_j)
};

/// The one loop that takes time. The pragma lets the compiler keep one sum a vector lane; their order is then the
/// compiler's, but the same in every run.
RowForces row_forces(const float* affinities, const PlanePoints& points, std::size_t i) {
  float w_sum = 0.0f, pull_x = 0.0f, pull_y = 0.0f, push_x = 0.0f, push_y = 0.0f;
  const float* x = points.x.data();
  const float* y = points.y.data();
  const float x_i = x[i], y_i = y[i];
  const std::size_t n = points.size();
#pragma omp simd reduction(+ : w_sum, pull_x, pull_y, push_x, push_y)
  for (std::size_t j = 0; j < n; ++j) {
    const float dx = x_i - x[j], dy = y_i - y[j];
    const float w = 1.0f / (1.0f + dx * dx + dy * dy);
    const float pull = affinities[j] * w, push = w * w;
    w_sum += w;
    pull_x += pull * dx;
    pull_y += pull * dy;
    push_x += push * dx;
    push_y += push * dy;
  }
  return {w_sum, pull_x, pull_y, push_x, push_y};
}

/// P = (p_j|i + p_i|j) / 2n in place.
void make_symmetric(Matrix& conditional) {
  const std::size_t n = conditional.rows();
  const float scale = 1.0f / (2.0f * static_cast<float>(n));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      const float joint = (conditional.row(i)[j] + conditional.row(j)[i]) * scale;
      conditional.row(i)[j] = conditional.row(j)[i] = joint;
    }
  }
}

}  // namespace

Matrix joint_affinities(ConstMatrixView rows, double perplexity) {
  const std::size_t n = rows.rows;
  Matrix affinities(n, n);
  if (n < 2) return affinities;
  base::parallel_for(base::num_chunks(n, kChunk), [&](std::size_t chunk) {
    std::vector<double> distances(n), probabilities(n);
    for (std::size_t i = chunk * kChunk; i < std::min(n, (chunk + 1) * kChunk); ++i) {
      shifted_distances(rows, i, distances);
      fit_row(distances, i, std::log(perplexity), probabilities);
      for (std::size_t j = 0; j < n; ++j) affinities.row(i)[j] = static_cast<float>(probabilities[j]);
    }
  });
  make_symmetric(affinities);
  return affinities;
}

void tsne_gradient(ConstMatrixView affinities, const PlanePoints& points, float exaggeration, PlanePoints& out) {
  const std::size_t n = points.size();
  std::vector<RowForces> forces(n);
  base::parallel_for(base::num_chunks(n, kChunk), [&](std::size_t chunk) {
    for (std::size_t i = chunk * kChunk; i < std::min(n, (chunk + 1) * kChunk); ++i)
      forces[i] = row_forces(affinities.row(i).data(), points, i);
  });
  double z = 0.0;
  for (const RowForces& force : forces) z += double{force.w} - 1.0;
  const float inverse_z = z > 0.0 ? static_cast<float>(1.0 / z) : 0.0f;
  for (std::size_t i = 0; i < n; ++i) {
    out.x[i] = 4.0f * (exaggeration * forces[i].pull_x - inverse_z * forces[i].push_x);
    out.y[i] = 4.0f * (exaggeration * forces[i].pull_y - inverse_z * forces[i].push_y);
  }
}

}  // namespace neume::eval
