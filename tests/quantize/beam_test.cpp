// Beam search against looking at every ID.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <neume/error.hpp>

#include "quantize/beam.hpp"
#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

// Offers 3 and 1 and 2 after the empty ID with a beam of two keep 1 and 2; then (0,0) costs 5, (0,1) 4, (1,0) 4:
// the two cheapest, the earlier partial ID first.
TEST(Beam, KeepsTheCheapestAndTheEarlierOfEqualOnes) {
  quantize::Beam beam(2, 2);
  beam.start();
  beam.offer(0, 0, 3.0);
  beam.offer(0, 1, 1.0);
  beam.offer(0, 2, 2.0);
  EXPECT_EQ(beam.keep(), (std::vector<std::uint32_t>{0, 0}));
  EXPECT_EQ(beam.codes(0)[0], 1);
  EXPECT_EQ(beam.codes(1)[0], 2);
  beam.offer(0, 0, 5.0);
  beam.offer(0, 1, 4.0);
  beam.offer(1, 0, 4.0);
  EXPECT_EQ(beam.keep(), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(beam.codes(0)[0], 1);
  EXPECT_EQ(beam.codes(0)[1], 1);
  EXPECT_EQ(beam.codes(1)[0], 2);
  EXPECT_EQ(beam.codes(1)[1], 0);
  EXPECT_EQ(beam.cost(1), 4.0);
}

double error_of(const Quantizer& quantizer, const oracle::Row& x, const Code* codes) {
  oracle::Row left = x;
  for (std::size_t l = 0; l < quantizer.num_layers(); ++l)
    for (std::size_t j = 0; j < left.size(); ++j) left[j] -= layer_of(quantizer, l).residual.row(codes[l])[j];
  double sum = 0;
  for (const double v : left) sum += v * v;
  return sum;
}

// k = 6, L = 3: a beam of 36 keeps every prefix of two codes, so it finds the best of all 216 IDs.
TEST(BeamSearch, AWideBeamFindsTheNearestOfAllIds) {
  const Matrix data = mixture_rows(300, 7, 40, 1);
  QuantizerOptions options = small_options(QuantizerMethod::rq);
  options.codes = {6};
  const QuantizerFit fit = fit_rows(data, options);
  const oracle::Rows x = transformed(fit.quantizer, data.view());
  std::vector<Code> codes(900);
  fit.quantizer.encode(data.view(), codes, {36});
  for (std::size_t i = 0; i < 300; ++i) {
    double least = std::numeric_limits<double>::infinity();
    for (Code a = 0; a < 6; ++a)
      for (Code b = 0; b < 6; ++b)
        for (Code c = 0; c < 6; ++c) {
          const Code id[] = {a, b, c};
          least = std::min(least, error_of(fit.quantizer, x[i], id));
        }
    EXPECT_NEAR(error_of(fit.quantizer, x[i], codes.data() + i * 3), least, 1e-4 * (1 + least));
  }
}

TEST(BeamSearch, LowersTheErrorOfRq) {
  const Matrix data = mixture_rows(2000, 16, 80, 2);
  const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::rq));
  std::vector<Code> codes(6000);
  fit.quantizer.encode(data.view(), codes, {8});
  const double greedy = fit.quantizer.reconstruction(data.view(), fit.codes).mse[2];
  EXPECT_LT(fit.quantizer.reconstruction(data.view(), codes).mse[2], greedy);
  fit.quantizer.encode(data.view(), codes, {1});
  EXPECT_EQ(codes, fit.codes);
}

// The cost of an ID is what the last layer measures: for psrq with lambda |r - A|^2 + lambda^2 |p - B|^2.
TEST(BeamSearch, CostsAreTheDistancesOfTheLastLayer) {
  const Matrix data = mixture_rows(100, 6, 30, 3);
  const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::psrq, 0.5));
  const oracle::Rows x = transformed(fit.quantizer, data.view());
  std::vector<Code> codes(100 * 4 * 3);
  std::vector<double> costs(400);
  fit.quantizer.search(data.view(), 4, codes, costs);
  for (std::size_t place = 0; place < 400; ++place) {
    oracle::Row residual = x[place / 4];
    for (std::size_t l = 0; l < 2; ++l)
      for (std::size_t j = 0; j < residual.size(); ++j)
        residual[j] -= layer_of(fit.quantizer, l).residual.row(codes[place * 3 + l])[j];
    const oracle::Rows wide = oracle::wide_rows({x[place / 4]}, {residual}, 0.5);
    const double expected =
        oracle::squared_distance(wide[0], to_oracle(layer_of(fit.quantizer, 2), 0.5)[codes[place * 3 + 2]]);
    EXPECT_NEAR(costs[place], expected, 1e-3 * (1 + expected));
  }
}

TEST(BeamSearch, ForPqTheNearestCodewordsAreTheNearestId) {
  const Matrix data = mixture_rows(200, 7, 40, 4);
  const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::pq));
  std::vector<Code> codes(600);
  fit.quantizer.encode(data.view(), codes, {5});
  EXPECT_EQ(codes, fit.codes);
}

TEST(BeamSearch, ABeamOutsideItsRangeIsAnError) {
  const Matrix data = mixture_rows(50, 4, 20, 5);
  const QuantizerFit fit = fit_rows(data, small_options(QuantizerMethod::rq));
  std::vector<Code> codes(150);
  EXPECT_THROW(fit.quantizer.encode(data.view(), codes, {0}), InvalidArgument);
  EXPECT_THROW(fit.quantizer.encode(data.view(), codes, {4097}), InvalidArgument);
}

}  // namespace
}  // namespace neume
