#pragma once
// A picture of an embedding space: rows in the plane such that near rows stay near (t-SNE).

#include <cstddef>

#include <neume/matrix.hpp>
#include <neume/options.hpp>
#include <neume/progress.hpp>

namespace neume::eval {

struct ProjectionOptions {
  double perplexity = 30.0;       ///< effective number of neighbours; at most (n - 1) / 3 is used
  std::size_t iterations = 1000;  ///< steps of gradient descent; the first quarter exaggerates 12-fold
  double learning_rate = 0.0;     ///< 0 = max(n / 48, 50)
  std::size_t pca_columns = 50;   ///< principal components that t-SNE sees

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.number("perplexity", perplexity, Range{1, 1000}, "effective number of neighbours in the picture");
    visit.number("iterations", iterations, Range{0, 100000}, "steps of gradient descent; 0 draws the PCA");
    visit.number("learning-rate", learning_rate, Range{0, 1e6}, "step size of the descent; 0 chooses by the rows");
    visit.number("pca-columns", pca_columns, Range{2, 1000}, "principal components that the picture is made from");
  }
};

/// The most rows that a projection takes: its n x n table is then 400 MB.
inline constexpr std::size_t kMostProjectedRows = 10000;

/// Maps n rows to n x 2: principal components (each turned so that its loading of largest size is positive), then exact
/// t-SNE (van der Maaten & Hinton 2008, tsne.hpp) that starts from the first two, scaled to a standard deviation of
/// 1e-4. Fewer than 4 rows give their two principal components. Nothing is random: same rows, same bytes, for any
/// number of threads.
///
/// O(n d min(n, d) + min(n, d)^3 + iterations n^2): 1,425 rows take a few seconds on one core. Memory 4 n^2 bytes.
/// `progress` hears of iterations. Throws InvalidArgument for options out of range, more than kMostProjectedRows rows
/// and values that are not finite.
Matrix project_to_plane(ConstMatrixView rows, const ProjectionOptions& options = {}, const ProgressFn& progress = {});

}  // namespace neume::eval
