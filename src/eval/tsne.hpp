#pragma once
// The two halves of exact t-SNE (van der Maaten & Hinton 2008): affinities of rows, and the gradient in the plane.

#include <cstddef>
#include <vector>

#include <neume/matrix.hpp>

namespace neume::eval {

/// Symmetric affinities P (n x n, diagonal 0) of n rows (eq. 1 and section 3.1): p_j|i = exp(-b_i |x_i - x_j|^2) / (sum
/// over j != i), b_i found by bisection such that row i has the perplexity e^H(p_.|i) asked for, and P = (p_j|i +
/// p_i|j) / 2n. A perplexity that a row cannot have (its nearest rows are that many duplicates) is met as nearly as it
/// goes. O(n^2 (d + 50)) on all threads.
Matrix joint_affinities(ConstMatrixView rows, double perplexity);

/// Points in the plane, one coordinate after the other so that vectors can be loaded.
struct PlanePoints {
  explicit PlanePoints(std::size_t size) : x(size, 0.0f), y(size, 0.0f) {}

  std::size_t size() const { return x.size(); }

  std::vector<float> x;
  std::vector<float> y;
};

/// Gradient of C = KL(P || Q) with Q of eq. 4, q_ij = w_ij / Z, w_ij = 1 / (1 + |y_i - y_j|^2), by eq. 5 with the
/// attraction exaggerated e-fold: dC/dy_i = 4 sum_j (e p_ij - q_ij) w_ij (y_i - y_j); e = 1 is C's own gradient. `out`,
/// of the size of `points`, gets it. O(n^2) on all threads; the result does not depend on their number.
void tsne_gradient(ConstMatrixView affinities, const PlanePoints& points, float exaggeration, PlanePoints& out);

}  // namespace neume::eval
