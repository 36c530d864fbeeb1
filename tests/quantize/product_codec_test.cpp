// pq and opq.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <neume/error.hpp>

#include "quantize/product_codec.hpp"
#include "quantize/rotation.hpp"
#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

using quantize::ProductCodec;

const ProductCodec& product_of(const Quantizer& quantizer) {
  return dynamic_cast<const ProductCodec&>(quantizer.codec());
}

double mse(const QuantizerFit& fit, const Matrix& data) {
  return fit.quantizer.reconstruction(data.view(), fit.codes).mse.back();
}

/// Rows whose columns lean on each other, so that a rotation helps.
Matrix correlated_rows(std::size_t rows, std::size_t width, std::uint64_t seed) {
  base::Random random(seed);
  Matrix data(rows, width);
  for (std::size_t i = 0; i < rows; ++i) {
    const double common = 3.0 * random.normal();
    for (std::size_t j = 0; j < width; ++j)
      data.row(i)[j] = static_cast<float>((j % 2 == 0 ? common : -common) + 0.3 * random.normal());
  }
  return data;
}

TEST(ProductCodec, SubVectorsShareTheColumns) {
  EXPECT_EQ(quantize::sub_vector_widths(12, 3), (std::vector<std::size_t>{4, 4, 4}));
  EXPECT_EQ(quantize::sub_vector_widths(11, 3), (std::vector<std::size_t>{4, 4, 3}));
  EXPECT_EQ(quantize::sub_vector_widths(3, 3), (std::vector<std::size_t>{1, 1, 1}));
}

TEST(ProductCodec, EveryCodeIsTheNearestCodewordOfItsSubVector) {
  const Matrix data = mixture_rows(700, 11, 50, 1);
  const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::pq));
  const oracle::Rows x = transformed(fit.quantizer, data.view());
  std::size_t first = 0;
  for (std::size_t l = 0; l < 3; ++l) {
    const Matrix& codewords = product_of(fit.quantizer).layers()[l].residual;
    oracle::Rows part;
    for (const auto& row : x)
      part.emplace_back(row.begin() + static_cast<std::ptrdiff_t>(first),
                        row.begin() + static_cast<std::ptrdiff_t>(first + codewords.cols()));
    const auto labels = oracle::assign(part, to_oracle(codewords.view()));
    for (std::size_t i = 0; i < 700; ++i) EXPECT_EQ(fit.codes[i * 3 + l], labels[i]);
    first += codewords.cols();
  }
}

// With one layer there is one sub-vector: all columns.
TEST(ProductCodec, OneSubVectorIsVq) {
  const Matrix data = mixture_rows(500, 8, 40, 2);
  QuantizerOptions options = small_options(QuantizerMethod::pq);
  options.layers = 1;
  EXPECT_EQ(fit_rows(data, options).codes, fit_rows(data, small_options(QuantizerMethod::vq)).codes);
}

TEST(ProductCodec, OpqIsNeverWorseThanPqOnTheFittedRows) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    for (const Matrix& data : {mixture_rows(900, 12, 40, seed), correlated_rows(900, 12, seed)}) {
      const double pq = mse(fit_rows(data, small_options(QuantizerMethod::pq)), data);
      const double opq = mse(fit_rows(data, small_options(QuantizerMethod::opq)), data);
      EXPECT_LE(opq, pq * (1 + 1e-5));
    }
  }
}

// All variance lies on one axis that every column shares: pq has to code it three times over, a rotation brings it into
// a place of its own.
TEST(ProductCodec, ARotationHelpsWhereColumnsLeanOnEachOther) {
  const Matrix data = correlated_rows(1500, 12, 5);
  const double pq = mse(fit_rows(data, small_options(QuantizerMethod::pq)), data);
  const double opq = mse(fit_rows(data, small_options(QuantizerMethod::opq)), data);
  EXPECT_LT(opq, 0.9 * pq);
}

TEST(ProductCodec, TheRotationIsOrthogonal) {
  // 40 rows in 24 columns with 3 x 4 codewords: the cross products have a rank below 24.
  QuantizerOptions options = small_options(QuantizerMethod::opq);
  options.codes = {4};
  const QuantizerFit fit = fit_rows(mixture_rows(40, 24, 10, 6), options);
  const Matrix& rotation = product_of(fit.quantizer).rotation();
  for (std::size_t a = 0; a < 24; ++a) {
    for (std::size_t b = 0; b < 24; ++b) {
      double inner = 0;
      for (std::size_t j = 0; j < 24; ++j) inner += double{rotation.row(j)[a]} * rotation.row(j)[b];
      EXPECT_NEAR(inner, a == b ? 1.0 : 0.0, 1e-5);
    }
  }
}

// y = x R for a known rotation by 30 degrees in the plane: nearest_rotation finds it again.
TEST(ProductCodec, ProcrustesFindsAKnownRotation) {
  const double cosine = std::cos(std::acos(-1.0) / 6), sine = 0.5;
  Matrix turn(2, 2);
  turn.row(0)[0] = static_cast<float>(cosine);
  turn.row(0)[1] = static_cast<float>(sine);
  turn.row(1)[0] = static_cast<float>(-sine);
  turn.row(1)[1] = static_cast<float>(cosine);
  const Matrix x = mixture_rows(300, 2, 20, 7);
  Matrix y(300, 2);
  quantize::rotate(x.view(), turn, y.view());
  const Matrix found = quantize::nearest_rotation(quantize::cross_products(x.view(), y.view()));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(found.data()[i], turn.data()[i], 1e-5);
}

// Variances 8, 4, 2, 1 for two sub-vectors of two columns: 8 goes to the first, 4 to the second, 2 to the one with the
// smaller product (the second: 4 < 8), 1 to the first. Products 8 and 8.
TEST(ProductCodec, PrincipalAxesAreDealtOutEvenly) {
  Matrix covariance(4, 4);
  for (std::size_t j = 0; j < 4; ++j) covariance.row(j)[j] = static_cast<float>(8 >> j);
  const Matrix rotation = quantize::principal_rotation(covariance, {2, 2});
  const auto axis_of = [&](std::size_t column) {
    std::size_t axis = 0;
    for (std::size_t j = 0; j < 4; ++j)
      if (std::abs(rotation.row(j)[column]) > 0.5f) axis = j;
    return axis;
  };
  EXPECT_EQ(axis_of(0), 0u);
  EXPECT_EQ(axis_of(1), 3u);
  EXPECT_EQ(axis_of(2), 1u);
  EXPECT_EQ(axis_of(3), 2u);
}

TEST(ProductCodec, MoreSubVectorsThanColumnsIsAnError) {
  QuantizerOptions options = small_options(QuantizerMethod::pq);
  options.layers = 5;
  EXPECT_THROW(fit_rows(mixture_rows(100, 4, 10, 1), options), InvalidArgument);
}

}  // namespace
}  // namespace neume
