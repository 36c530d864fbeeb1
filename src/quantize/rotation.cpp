#include "quantize/rotation.hpp"

#include <Eigen/Eigenvalues>
#include <Eigen/SVD>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/parallel.hpp"
#include "kernels/matmul.hpp"
#include "quantize/codec.hpp"
#include "quantize/kmeans.hpp"

namespace neume::quantize {

namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Eigen::Map<const RowMajor> as_eigen(const Matrix& matrix) {
  return {matrix.data(), static_cast<Eigen::Index>(matrix.rows()), static_cast<Eigen::Index>(matrix.cols())};
}

/// Columns of each sub-vector, taken greedily: the next largest variance goes where the product so far is smallest.
std::vector<std::vector<std::size_t>> allocate(const std::vector<double>& variances,
                                               const std::vector<std::size_t>& widths) {
  std::vector<std::size_t> order(variances.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return variances[a] > variances[b]; });
  const double least =
      std::max(1e-300, 1e-12 * variances[order.front()]);  // rounding gives variances of zero and below
  std::vector<std::vector<std::size_t>> columns(widths.size());
  std::vector<double> log_product(widths.size(), 0.0);
  for (const std::size_t axis : order) {
    std::size_t place = widths.size();
    for (std::size_t m = 0; m < widths.size(); ++m)
      if (columns[m].size() < widths[m] && (place == widths.size() || log_product[m] < log_product[place])) place = m;
    columns[place].push_back(axis);
    log_product[place] += std::log(std::max(least, variances[axis]) / least);
  }
  return columns;
}

}  // namespace

Matrix identity_rotation(std::size_t width) {
  Matrix rotation(width, width);
  for (std::size_t j = 0; j < width; ++j) rotation.row(j)[j] = 1.0f;
  return rotation;
}

Matrix cross_products(ConstMatrixView a, ConstMatrixView b) {
  const std::size_t width = a.cols;
  const ChunkPlan plan(a.rows);
  std::vector<Matrix> parts(plan.count);
  base::parallel_for(plan.count, [&](std::size_t chunk) {
    parts[chunk] = Matrix(width, width);
    const std::size_t begin = plan.begin(chunk), count = plan.end(chunk) - begin;
    kernels::matmul({width, width, count}, {a.row(begin).data(), a.stride, true}, {b.row(begin).data(), b.stride},
                    {parts[chunk].data(), width});
  });
  for (std::size_t chunk = 1; chunk < plan.count; ++chunk)
    for (std::size_t i = 0; i < parts[0].size(); ++i) parts[0].data()[i] += parts[chunk].data()[i];
  return std::move(parts[0]);
}

Matrix nearest_rotation(const Matrix& products) {
  const Eigen::BDCSVD<Eigen::MatrixXf> svd(as_eigen(products), Eigen::ComputeFullU | Eigen::ComputeFullV);
  Matrix rotation(products.rows(), products.cols());
  Eigen::Map<RowMajor>(rotation.data(), static_cast<Eigen::Index>(rotation.rows()),
                       static_cast<Eigen::Index>(rotation.cols())) = svd.matrixU() * svd.matrixV().transpose();
  return rotation;
}

Matrix principal_rotation(const Matrix& covariance, const std::vector<std::size_t>& widths) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(as_eigen(covariance).cast<double>());
  const auto& values = solver.eigenvalues();
  const auto columns = allocate({values.data(), values.data() + values.size()}, widths);
  Matrix rotation(covariance.rows(), covariance.cols());
  std::size_t column = 0;
  for (const auto& axes : columns) {
    for (const std::size_t axis : axes) {
      for (std::size_t j = 0; j < rotation.rows(); ++j)
        rotation.row(j)[column] =
            static_cast<float>(solver.eigenvectors()(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(axis)));
      ++column;
    }
  }
  return rotation;
}

void rotate(ConstMatrixView rows, const Matrix& rotation, MatrixView out) {
  const std::size_t width = rows.cols;
  base::parallel_for(base::num_chunks(rows.rows, kBlockRows), [&](std::size_t block) {
    const std::size_t begin = block * kBlockRows, count = std::min(kBlockRows, rows.rows - begin);
    if (count == kBlockRows) {
      kernels::matmul({kBlockRows, width, width}, {rows.row(begin).data(), rows.stride}, {rotation.data(), width},
                      {out.row(begin).data(), out.stride});
      return;
    }
    Matrix padded(kBlockRows, width), rotated(kBlockRows, width);
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(rows.row(begin + i), padded.row(i).begin());
    kernels::matmul({kBlockRows, width, width}, {padded.data(), width}, {rotation.data(), width},
                    {rotated.data(), width});
    for (std::size_t i = 0; i < count; ++i) std::ranges::copy(rotated.row(i), out.row(begin + i).begin());
  });
}

}  // namespace neume::quantize
