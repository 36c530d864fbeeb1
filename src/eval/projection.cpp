#include "eval/projection.hpp"

#include <fmt/format.h>

// Eigen's own threads would cut its sums by their number.
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Dense>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

#include <neume/error.hpp>

#include "base/range_check.hpp"
#include "eval/tsne.hpp"

namespace neume::eval {

namespace {

// van der Maaten's values, except that the early phase is a quarter of the run.
constexpr float kExaggeration = 12.0f;
constexpr double kEarlyShare = 0.25;
constexpr float kEarlyMomentum = 0.5f;
constexpr float kLateMomentum = 0.8f;
constexpr float kLeastGain = 0.01f;
constexpr double kInitialDeviation = 1e-4;

/// Fewer rows than this have no neighbourhoods to keep.
constexpr std::size_t kFewestRows = 4;

/// Rows less their column means, in double.
Eigen::MatrixXd centred(ConstMatrixView rows) {
  Eigen::MatrixXd result(rows.rows, rows.cols);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t j = 0; j < rows.cols; ++j) {
      result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = double{rows.row(i)[j]};
    }
  }
  if (!result.allFinite()) throw InvalidArgument("projection: expected finite values, found one that is not");
  const Eigen::RowVectorXd mean = result.colwise().mean();
  result.rowwise() -= mean;
  return result;
}

/// The loadings (d x count) of the strongest principal components, each with its entry of largest size positive. Of the
/// d x d covariance or the n x n table of products, the smaller one is taken apart: they share their eigenvalues.
Eigen::MatrixXd loadings(const Eigen::MatrixXd& data, Eigen::Index count) {
  const bool by_columns = data.cols() <= data.rows();
  Eigen::MatrixXd products;
  if (by_columns) {
    products.noalias() = data.transpose() * data;
  } else {
    products.noalias() = data * data.transpose();
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(products);
  if (solver.info() != Eigen::Success) throw InternalError("projection: the eigenvalues of the PCA did not converge");
  const Eigen::MatrixXd vectors = solver.eigenvectors().rightCols(count).rowwise().reverse();
  Eigen::MatrixXd result = vectors;
  if (!by_columns) result.noalias() = data.transpose() * vectors;
  for (Eigen::Index c = 0; c < count; ++c) {
    const double norm = result.col(c).norm();
    if (norm > 0.0) result.col(c) /= norm;
    Eigen::Index largest = 0;
    result.col(c).cwiseAbs().maxCoeff(&largest);
    if (result(largest, c) < 0.0) result.col(c) = -result.col(c);
  }
  return result;
}

/// Rows on their first `count` principal components; as many as there are where that is fewer.
Matrix principal_components(ConstMatrixView rows, std::size_t count) {
  const Eigen::MatrixXd data = centred(rows);
  const auto kept = static_cast<Eigen::Index>(std::min({count, rows.rows, rows.cols}));
  const Eigen::MatrixXd scores = data * loadings(data, kept);
  Matrix result(rows.rows, static_cast<std::size_t>(kept));
  for (std::size_t i = 0; i < result.rows(); ++i) {
    for (std::size_t c = 0; c < result.cols(); ++c) {
      result.row(i)[c] = static_cast<float>(scores(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(c)));
    }
  }
  return result;
}

/// The first two components as points, times `scale`.
PlanePoints first_two(const Matrix& components, double scale) {
  PlanePoints points(components.rows());
  for (std::size_t i = 0; i < points.size(); ++i) {
    points.x[i] = static_cast<float>(scale * double{components.row(i)[0]});
    if (components.cols() > 1) points.y[i] = static_cast<float>(scale * double{components.row(i)[1]});
  }
  return points;
}

double deviation_of_first(const Matrix& components) {
  double sum = 0.0;
  for (std::size_t i = 0; i < components.rows(); ++i) sum += double{components.row(i)[0]} * components.row(i)[0];
  return std::sqrt(sum / static_cast<double>(components.rows()));
}

/// Gradient descent with momentum and a gain a coordinate: a gain grows while gradient and step keep to one side of
/// each other, and shrinks when they do not (Jacobs 1988).
class Descent {
 public:
  Descent(PlanePoints start, float learning_rate)
      : points_(std::move(start)),
        gradient_(points_.size()),
        step_x_(points_.size(), 0.0f),
        step_y_(points_.size(), 0.0f),
        gain_x_(points_.size(), 1.0f),
        gain_y_(points_.size(), 1.0f),
        learning_rate_(learning_rate) {}

  void step(ConstMatrixView affinities, float exaggeration, float momentum) {
    tsne_gradient(affinities, points_, exaggeration, gradient_);
    move(points_.x, gradient_.x, step_x_, gain_x_, momentum);
    move(points_.y, gradient_.y, step_y_, gain_y_, momentum);
  }

  const PlanePoints& points() const { return points_; }

 private:
  void move(std::span<float> values, std::span<const float> gradient, std::span<float> steps, std::span<float> gains,
            float momentum) const {
    double mean = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const bool keeps_on = (gradient[i] > 0.0f) != (steps[i] > 0.0f);  // steps run against gradients
      gains[i] = std::max(kLeastGain, keeps_on ? gains[i] + 0.2f : gains[i] * 0.8f);
      steps[i] = momentum * steps[i] - learning_rate_ * gains[i] * gradient[i];
      values[i] += steps[i];
      mean += double{values[i]};
    }
    mean /= static_cast<double>(values.size());
    for (float& value : values) value -= static_cast<float>(mean);
  }

  PlanePoints points_;
  PlanePoints gradient_;
  std::vector<float> step_x_, step_y_;
  std::vector<float> gain_x_, gain_y_;
  float learning_rate_;
};

/// Passes reports on, a few times a second at most.
class Reporter {
 public:
  Reporter(const ProgressFn& progress, std::size_t total) : progress_(progress), total_(total) {}

  void report(std::size_t done) {
    const auto now = std::chrono::steady_clock::now();
    if (!progress_ || (done != total_ && now - last_ < std::chrono::milliseconds(250))) return;
    last_ = now;
    progress_({"project", static_cast<std::int64_t>(done), static_cast<std::int64_t>(total_), "iterations", ""});
  }

 private:
  const ProgressFn& progress_;
  std::size_t total_;
  std::chrono::steady_clock::time_point last_{};
};

Matrix as_matrix(const PlanePoints& points) {
  Matrix result(points.size(), 2);
  for (std::size_t i = 0; i < points.size(); ++i) {
    result.row(i)[0] = points.x[i];
    result.row(i)[1] = points.y[i];
  }
  return result;
}

void require_projectable(ConstMatrixView rows, ProjectionOptions options) {
  options.describe(base::RangeCheck{});
  if (rows.rows > kMostProjectedRows) {
    throw InvalidArgument(
        fmt::format("projection: at most {} rows, found {}; draw a sample", kMostProjectedRows, rows.rows));
  }
}

}  // namespace

Matrix project_to_plane(ConstMatrixView rows, const ProjectionOptions& options, const ProgressFn& progress) {
  require_projectable(rows, options);
  if (rows.rows == 0 || rows.cols == 0) return {rows.rows, 2};
  const Matrix components = principal_components(rows, options.pca_columns);
  const double deviation = deviation_of_first(components);
  if (rows.rows < kFewestRows || options.iterations == 0 || deviation == 0.0) {
    return as_matrix(first_two(components, 1.0));
  }
  const double n = static_cast<double>(rows.rows);
  const Matrix affinities = joint_affinities(components.view(), std::min(options.perplexity, (n - 1.0) / 3.0));
  // A twelfth of the rows, a quarter of that again because of the 4 in the gradient (Belkina et al. 2019).
  const double rate = options.learning_rate > 0.0 ? options.learning_rate : std::max(n / 48.0, 50.0);
  Descent descent(first_two(components, kInitialDeviation / deviation), static_cast<float>(rate));
  const auto early = static_cast<std::size_t>(kEarlyShare * static_cast<double>(options.iterations));
  Reporter reporter(progress, options.iterations);
  for (std::size_t i = 0; i < options.iterations; ++i) {
    descent.step(affinities.view(), i < early ? kExaggeration : 1.0f, i < early ? kEarlyMomentum : kLateMomentum);
    reporter.report(i + 1);
  }
  return as_matrix(descent.points());
}

}  // namespace neume::eval
