// Held-out statistics of a fit, and drift: rows of the same kind show none, rows of another kind do.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "quantize/drift.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

Matrix rows_of(const Matrix& data, std::size_t begin, std::size_t end) {
  Matrix part(end - begin, data.cols());
  for (std::size_t i = begin; i < end; ++i) std::ranges::copy(data.row(i), part.row(i - begin).begin());
  return part;
}

MeasuredRows measure(const Quantizer& quantizer, const Matrix& raw) {
  Matrix mapped(raw.rows(), raw.cols());
  quantizer.map(raw.view(), mapped.view());
  return measure_rows(quantizer.codec(), mapped.view());
}

QuantizerOptions options_of(QuantizerMethod method, std::size_t codes) {
  QuantizerOptions options = small_options(method);
  options.codes = {codes};
  return options;
}

const std::vector<QuantizerMethod> kMethods{QuantizerMethod::psrq, QuantizerMethod::rq, QuantizerMethod::vq,
                                            QuantizerMethod::pq, QuantizerMethod::opq};

TEST(Drift, MeasuredDistancesAreThoseOfTheApproximation) {
  const Matrix data = mixture_rows(300, 8, 20, 3);
  const Quantizer quantizer = fit_rows(data, options_of(QuantizerMethod::psrq, 16)).quantizer;
  const MeasuredRows measured = measure(quantizer, data);
  EXPECT_EQ(measured.codes, encode_rows(quantizer, data.view()));
  Matrix decoded(300, 8);
  quantizer.decode(measured.codes, decoded.view());
  for (std::size_t i = 0; i < 300; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 8; ++j) sum += std::pow(double{data.row(i)[j]} - decoded.row(i)[j], 2);
    EXPECT_NEAR(measured.distances.back()[i], std::sqrt(sum), 1e-4);
  }
}

TEST(Drift, QuantilesMeanAndDeviationOfKnownDistances) {
  std::vector<float> distances;
  for (std::size_t i = 0; i <= 100; ++i) distances.push_back(static_cast<float>(100 - i));
  const std::vector<Code> labels{0, 2, 2};
  const LayerStatistics found = statistics_of(distances, labels, 3);
  ASSERT_EQ(found.quantiles.size(), kNumQuantiles);
  for (std::size_t q = 0; q < kNumQuantiles; ++q) EXPECT_FLOAT_EQ(found.quantiles[q], static_cast<float>(q));
  EXPECT_DOUBLE_EQ(found.mean, 50.0);
  EXPECT_NEAR(found.deviation, std::sqrt(850.0), 1e-9);
  EXPECT_EQ(found.usage, (std::vector<std::uint32_t>{1, 0, 2}));
}

// The point of holding rows out: with few rows a code, the fitted rows lie far nearer than fresh ones of the same kind.
TEST(Drift, HeldOutDistancesPredictFreshOnesAndFittedOnesDoNot) {
  for (const QuantizerMethod method : kMethods) {
    const Matrix all = mixture_rows(3000, 12, 30, 8), fitted = rows_of(all, 0, 1000), fresh = rows_of(all, 1000, 3000);
    const Quantizer quantizer = fit_rows(fitted, options_of(method, 100)).quantizer;
    ASSERT_TRUE(quantizer.statistics());
    EXPECT_EQ(quantizer.statistics()->rows, 1000u);
    const MeasuredRows near = measure(quantizer, fitted), far = measure(quantizer, fresh);
    const std::size_t last = quantizer.num_layers() - 1;
    const auto mean_of = [](const std::vector<float>& x) {
      double sum = 0.0;
      for (const float value : x) sum += double{value};
      return sum / static_cast<double>(x.size());
    };
    const double expected = mean_of(far.distances[last]), held_out = quantizer.statistics()->layers[last].mean;
    const double in_sample = mean_of(near.distances[last]);
    EXPECT_NEAR(held_out, expected, 0.10 * expected) << static_cast<int>(method);
    EXPECT_GT(held_out, in_sample) << static_cast<int>(method);
    EXPECT_LT(in_sample, 0.95 * expected) << static_cast<int>(method);
  }
}

TEST(Drift, FreshRowsOfTheSameKindShowNone) {
  for (const QuantizerMethod method : kMethods) {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      const Matrix all = mixture_rows(1500, 12, 30, seed);
      const Quantizer quantizer = fit_rows(rows_of(all, 0, 1000), options_of(method, 64)).quantizer;
      for (const std::size_t count : {30u, 100u, 500u}) {
        const FamilyDrift drift =
            compare_with_fit(*quantizer.statistics(), measure(quantizer, rows_of(all, 1000, 1000 + count)));
        EXPECT_EQ(drift.verdict(), DriftVerdict::none) << static_cast<int>(method) << " " << seed << " " << count;
        EXPECT_EQ(drift.rows, count);
      }
    }
  }
}

TEST(Drift, RowsOfAnotherKindMakeARefitDue) {
  const Matrix fitted = mixture_rows(1000, 12, 30, 1), others = mixture_rows(200, 12, 30, 99);
  for (const QuantizerMethod method : kMethods) {
    const Quantizer quantizer = fit_rows(fitted, options_of(method, 64)).quantizer;
    EXPECT_EQ(compare_with_fit(*quantizer.statistics(), measure(quantizer, others)).verdict(), DriftVerdict::refit_due);
    const auto few = measure(quantizer, rows_of(others, 0, kFewestNewRows - 1));
    EXPECT_EQ(compare_with_fit(*quantizer.statistics(), few).verdict(), DriftVerdict::too_few_rows);
  }
}

// Only rows of a few components: they fit as well, but the mix is another.
TEST(Drift, AnotherMixShiftsUsageAlone) {
  const Matrix all = mixture_rows(6000, 12, 10, 4);
  const Quantizer quantizer = fit_rows(rows_of(all, 0, 3000), options_of(QuantizerMethod::rq, 10)).quantizer;
  const std::vector<Code> codes = encode_rows(quantizer, all.view());
  Matrix some(400, 12);
  std::size_t found = 0;
  for (std::size_t i = 3000; i < 6000 && found < 400; ++i)
    if (codes[i * quantizer.num_layers()] < 3) std::ranges::copy(all.row(i), some.row(found++).begin());
  ASSERT_EQ(found, 400u);
  const FamilyDrift drift = compare_with_fit(*quantizer.statistics(), measure(quantizer, some));
  EXPECT_EQ(drift.verdict(), DriftVerdict::usage_shifted);
  EXPECT_GT(drift.layers[0].usage_shift, 0.3);
}

TEST(Drift, SmallFitsAndRqVaeHaveNoStatistics) {
  EXPECT_FALSE(fit_rows(mixture_rows(kFewestFittedRows - 1, 6, 5, 1), small_options()).quantizer.statistics());
  QuantizerOptions options = small_options(QuantizerMethod::rqvae);
  options.rqvae.hidden = {8};
  options.rqvae.latent_width = 4;
  options.rqvae.epochs = 2;
  EXPECT_FALSE(fit_rows(mixture_rows(300, 6, 5, 1), options).quantizer.statistics());
}

TEST(Drift, EqualRowsAndMoreCodesThanRowsAreMeasured) {
  Matrix equal(200, 4);
  std::ranges::fill(equal.flat(), 2.0f);
  const Quantizer one = fit_rows(equal, options_of(QuantizerMethod::rq, 1)).quantizer;
  ASSERT_TRUE(one.statistics());
  EXPECT_EQ(one.statistics()->layers[0].mean, 0.0);
  EXPECT_EQ(compare_with_fit(*one.statistics(), measure(one, equal)).verdict(), DriftVerdict::none);
  const Quantizer own = fit_rows(mixture_rows(150, 6, 5, 1), options_of(QuantizerMethod::rq, 150)).quantizer;
  ASSERT_TRUE(own.statistics());
  EXPECT_GT(own.statistics()->layers[0].mean, 0.1) << "a row held out must not find a codeword of its own";
}

}  // namespace
}  // namespace neume::quantize
