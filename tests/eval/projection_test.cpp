// The picture of an embedding space: neighbourhoods stay, bytes do not depend on threads, the gradient is a derivative.

#include "eval/projection.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "eval/tsne.hpp"

namespace neume::eval {
namespace {

constexpr std::size_t kBlobs = 3;

/// Rows i, i + 3, ... are of blob i % 3; blobs are 12 standard deviations apart.
Matrix blobs(std::size_t rows, std::size_t cols, std::uint64_t seed) {
  base::Random random(seed);
  Matrix matrix(rows, cols);
  for (std::size_t i = 0; i < rows; ++i) {
    for (float& value : matrix.row(i)) value = static_cast<float>(random.normal());
    matrix.row(i)[i % kBlobs] += 12.0f;
  }
  return matrix;
}

double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
  return sum;
}

/// Share of points whose nearest other point is of the same blob.
double same_blob_share(const Matrix& plane) {
  std::size_t same = 0;
  for (std::size_t i = 0; i < plane.rows(); ++i) {
    std::size_t nearest = i == 0 ? 1 : 0;
    for (std::size_t j = 0; j < plane.rows(); ++j) {
      if (j != i && squared_distance(plane.row(i), plane.row(j)) < squared_distance(plane.row(i), plane.row(nearest)))
        nearest = j;
    }
    same += i % kBlobs == nearest % kBlobs ? 1 : 0;
  }
  return static_cast<double>(same) / static_cast<double>(plane.rows());
}

std::vector<float> bytes_of(const Matrix& matrix) {
  return {matrix.flat().begin(), matrix.flat().end()};
}

TEST(Projection, SeparateBlobsStaySeparate) {
  const Matrix plane = project_to_plane(blobs(210, 20, 1).view(), {.iterations = 300});
  ASSERT_EQ(plane.rows(), 210u);
  ASSERT_EQ(plane.cols(), 2u);
  EXPECT_GE(same_blob_share(plane), 0.95);
}

TEST(Projection, MoreColumnsThanRows) {
  EXPECT_GE(same_blob_share(project_to_plane(blobs(90, 200, 2).view(), {.perplexity = 10, .iterations = 300})), 0.95);
}

TEST(Projection, SameBytesForAnyNumberOfThreads) {
  const Matrix rows = blobs(150, 12, 3);
  base::set_num_threads(1);
  const Matrix one = project_to_plane(rows.view(), {.iterations = 60});
  base::set_num_threads(2);
  const Matrix two = project_to_plane(rows.view(), {.iterations = 60});
  base::set_num_threads(0);
  EXPECT_EQ(bytes_of(one), bytes_of(two));
}

TEST(Projection, WithoutIterationsItIsThePca) {
  // Points on the line (2, 1): all spread is on the first component, whose larger loading, 2, is turned positive.
  Matrix rows(5, 2);
  for (std::size_t i = 0; i < 5; ++i) {
    rows.row(i)[0] = 2.0f * static_cast<float>(i);
    rows.row(i)[1] = static_cast<float>(i);
  }
  const Matrix plane = project_to_plane(rows.view(), {.iterations = 0});
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(plane.row(i)[0], (static_cast<double>(i) - 2.0) * std::sqrt(5.0), 1e-5);
    EXPECT_NEAR(plane.row(i)[1], 0.0, 1e-5);
  }
}

TEST(Projection, BothWaysToThePcaAgree) {
  // The same rows once with more rows than columns, and once with enough columns of zeros to turn that round.
  const Matrix narrow = blobs(30, 8, 4);
  Matrix wide(30, 64);
  for (std::size_t i = 0; i < 30; ++i) std::ranges::copy(narrow.row(i), wide.row(i).begin());
  const Matrix a = project_to_plane(narrow.view(), {.iterations = 0});
  const Matrix b = project_to_plane(wide.view(), {.iterations = 0});
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a.flat()[i], b.flat()[i], 1e-4);
}

TEST(Projection, FewRowsAndNoSpread) {
  EXPECT_EQ(project_to_plane(Matrix(0, 5).view()).rows(), 0u);
  EXPECT_EQ(bytes_of(project_to_plane(Matrix(1, 5).view())), (std::vector<float>{0, 0}));
  Matrix three(3, 1);
  three.row(1)[0] = 3.0f;
  three.row(2)[0] = 6.0f;
  EXPECT_EQ(bytes_of(project_to_plane(three.view())), (std::vector<float>{-3, 0, 0, 0, 3, 0}));
  EXPECT_EQ(bytes_of(project_to_plane(Matrix(6, 4).view())), std::vector<float>(12, 0.0f));
  const Matrix four = project_to_plane(blobs(4, 3, 5).view(), {.iterations = 50});
  for (const float value : four.flat()) EXPECT_TRUE(std::isfinite(value));
}

TEST(Projection, DuplicateRowsStayTogether) {
  Matrix rows = blobs(60, 5, 6);
  for (std::size_t i = 0; i < 20; ++i) std::ranges::copy(rows.row(0), rows.row(3 * i).begin());
  const Matrix plane = project_to_plane(rows.view(), {.perplexity = 8, .iterations = 200});
  for (const float value : plane.flat()) ASSERT_TRUE(std::isfinite(value));
  for (std::size_t i = 1; i < 20; ++i) EXPECT_NEAR(plane.row(0)[0], plane.row(3 * i)[0], 1e-2);
}

TEST(Projection, ReportsItsProgress) {
  std::int64_t last = 0;
  project_to_plane(blobs(20, 4, 7).view(), {.iterations = 10}, [&](const ProgressUpdate& update) {
    EXPECT_EQ(update.total, 10);
    EXPECT_GT(update.done, last);
    last = update.done;
  });
  EXPECT_EQ(last, 10);
}

TEST(Projection, RejectsWhatItCannotDraw) {
  Matrix rows = blobs(10, 4, 8);
  EXPECT_THROW(project_to_plane(rows.view(), {.perplexity = 0.5}), InvalidArgument);
  EXPECT_THROW(project_to_plane(rows.view(), {.pca_columns = 1}), InvalidArgument);
  rows.row(3)[2] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(project_to_plane(rows.view()), InvalidArgument);
  EXPECT_THROW(project_to_plane(Matrix(kMostProjectedRows + 1, 1).view()), InvalidArgument);
}

TEST(TsneAffinities, RowsHaveThePerplexityAskedFor) {
  const Matrix rows = blobs(80, 6, 9);
  const Matrix affinities = joint_affinities(rows.view(), 12.0);
  double total = 0.0;
  for (std::size_t i = 0; i < 80; ++i) {
    EXPECT_EQ(affinities.row(i)[i], 0.0f);
    for (std::size_t j = 0; j < 80; ++j) {
      EXPECT_EQ(affinities.row(i)[j], affinities.row(j)[i]);
      total += double{affinities.row(i)[j]};
    }
  }
  EXPECT_NEAR(total, 1.0, 1e-5);
}

TEST(TsneAffinities, EqualNeighboursShareEvenly) {
  // The corners of a square of side 1: two neighbours at 1, one at sqrt(2). Every row is alike, so P = p_j|i / n, and
  // with q = p_diagonal the entropy -(1-q) ln((1-q)/2) - q ln q must be ln 2.5.
  Matrix square(4, 2);
  square.row(1)[0] = square.row(2)[0] = square.row(2)[1] = square.row(3)[1] = 1.0f;
  const Matrix affinities = joint_affinities(square.view(), 2.5);
  const double side = 4.0 * double{affinities.row(0)[1]}, diagonal = 4.0 * double{affinities.row(0)[2]};
  EXPECT_NEAR(2.0 * side + diagonal, 1.0, 1e-6);
  EXPECT_NEAR(-2.0 * side * std::log(side) - diagonal * std::log(diagonal), std::log(2.5), 1e-5);
  EXPECT_EQ(affinities.row(0)[1], affinities.row(0)[3]);
}

/// sum p ln p/q with ln q = ln w - ln Z, less what does not depend on the points, and with the attraction, -p ln w,
/// exaggerated.
double divergence(const Matrix& affinities, std::span<const double> points, double exaggeration) {
  const std::size_t n = affinities.rows();
  double z = 0.0, sum = 0.0, mass = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      if (i == j) continue;
      const double dx = points[2 * i] - points[2 * j], dy = points[2 * i + 1] - points[2 * j + 1];
      const double w = 1.0 / (1.0 + dx * dx + dy * dy);
      const double p = exaggeration * double{affinities.row(i)[j]};
      z += w;
      sum -= p * std::log(w);
      mass += double{affinities.row(i)[j]};
    }
  }
  return sum + mass * std::log(z);
}

TEST(TsneGradient, EqualsCentralDifferences) {
  const Matrix affinities = joint_affinities(blobs(30, 5, 10).view(), 6.0);
  base::Random random(11);
  PlanePoints points(30), gradient(30);
  std::vector<double> flat;
  for (std::size_t i = 0; i < 30; ++i) {
    points.x[i] = static_cast<float>(random.normal());
    points.y[i] = static_cast<float>(random.normal());
    flat.insert(flat.end(), {double{points.x[i]}, double{points.y[i]}});
  }
  for (const float exaggeration : {1.0f, 12.0f}) {
    tsne_gradient(affinities.view(), points, exaggeration, gradient);
    for (std::size_t k = 0; k < flat.size(); ++k) {
      const double h = 1e-5, middle = flat[k];
      flat[k] = middle + h;
      const double above = divergence(affinities, flat, double{exaggeration});
      flat[k] = middle - h;
      const double below = divergence(affinities, flat, double{exaggeration});
      flat[k] = middle;
      const float found = k % 2 == 0 ? gradient.x[k / 2] : gradient.y[k / 2];
      EXPECT_NEAR(found, (above - below) / (2.0 * h), 2e-6 * double{exaggeration}) << "coordinate " << k;
    }
  }
}

}  // namespace
}  // namespace neume::eval
