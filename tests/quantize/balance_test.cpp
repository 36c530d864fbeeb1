// Balanced k-means: the size of the clusters, the cost of balance, and that encode and a loaded codebook give the codes
// of the fit.

#include "quantize/balance.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "quantize/assignment_oracle.hpp"
#include "quantize/encoder.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

namespace fs = std::filesystem;

std::size_t largest_cluster(std::span<const Code> codes, std::size_t layer = 0, std::size_t num_layers = 1) {
  std::vector<std::size_t> counts(65536);
  for (std::size_t i = layer; i < codes.size(); i += num_layers) ++counts[codes[i]];
  return std::ranges::max(counts);
}

KMeansFit fit_balanced(const Matrix& rows, std::size_t codes, std::uint64_t seed = 1) {
  const KMeansProblem problem{rows.view(), {}};
  KMeansOptions options;
  options.codes = codes;
  options.seed = seed;
  return fit_balanced_kmeans(problem, options);
}

Matrix column(const std::vector<float>& values) {
  Matrix matrix(values.size(), 1);
  std::ranges::copy(values, matrix.data());
  return matrix;
}

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += (double{a[j]} - b[j]) * (double{a[j]} - b[j]);
  return sum;
}

/// Three in four rows in one place, the others in a hundred small groups.
Matrix lopsided_rows(std::size_t rows, std::size_t width) {
  Matrix data = mixture_rows(rows, width, 100, 4);
  base::Random random(5);
  for (std::size_t i = 0; i < rows; ++i)
    if (i % 4 != 0)
      for (float& x : data.row(i)) x = 0.1f * static_cast<float>(random.normal());
  return data;
}

QuantizerOptions balanced_options(QuantizerMethod method) {
  QuantizerOptions options = small_options(method, 0.0);
  if (method == QuantizerMethod::vq) options.layers = 1;
  options.balanced = true;
  return options;
}

struct Size {
  std::size_t rows, codes;
};

class BalancedSizes : public testing::TestWithParam<Size> {};

TEST_P(BalancedSizes, NoClusterHoldsMoreThanItsShare) {
  const auto [rows, codes] = GetParam();
  const KMeansFit fit = fit_balanced(mixture_rows(rows, 6, 5, rows), codes);
  EXPECT_LE(largest_cluster(fit.labels), (rows + codes - 1) / codes);
  ASSERT_EQ(fit.codebook.price.size(), codes);
  EXPECT_EQ(std::ranges::min(fit.codebook.price), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, BalancedSizes,
                         testing::Values(Size{1, 1}, Size{50, 1}, Size{50, 50}, Size{51, 50}, Size{99, 50},
                                         Size{100, 50}, Size{127, 3}, Size{1000, 10}, Size{1000, 7}, Size{2000, 64},
                                         Size{3000, 300}, Size{3000, 600}));

TEST(Balance, OneHugeComponentAndManySmallOnes) {
  for (const std::size_t codes : {16u, 50u, 128u}) {
    const Matrix rows = lopsided_rows(4000, 8);
    EXPECT_LE(largest_cluster(fit_balanced(rows, codes).labels), (4000 + codes - 1) / codes);
  }
}

// Under the rule |x - c_j|^2 + p_j the cells of a line are intervals, so three codes with three rows each can only be
// the thirds of the sorted rows, however unevenly these lie.
TEST(Balance, ThirdsOfALine) {
  const Matrix rows = column({300, 0, 5, 100, 2, 1, 200, 4, 3});
  const KMeansFit fit = fit_balanced(rows, 3);
  const auto code = [&](std::size_t row) { return fit.labels[row]; };
  EXPECT_EQ(code(1), code(5));  // 0 1 2
  EXPECT_EQ(code(1), code(4));
  EXPECT_EQ(code(8), code(7));  // 3 4 5
  EXPECT_EQ(code(8), code(2));
  EXPECT_EQ(code(3), code(6));  // 100 200 300
  EXPECT_EQ(code(3), code(0));
  EXPECT_EQ(largest_cluster(fit.labels), 3u);
}

TEST(Balance, ObjectiveIsTheMeanDistanceWithoutPrices) {
  const Matrix rows = lopsided_rows(700, 5);
  const KMeansFit fit = fit_balanced(rows, 20);
  double sum = 0.0;
  for (std::size_t i = 0; i < rows.rows(); ++i) sum += distance(rows.row(i), fit.codebook.residual.row(fit.labels[i]));
  EXPECT_NEAR(fit.report.objective.back(), sum / 700, 1e-5 * sum / 700);
}

TEST(Balance, IsTheCheapestWayToKeepTheCapacities) {
  for (const auto [num_rows, codes] : {Size{40, 8}, Size{37, 5}, Size{24, 3}, Size{31, 30}, Size{12, 12}}) {
    const Matrix rows = lopsided_rows(num_rows, 3);
    const KMeansFit fit = fit_balanced(rows, codes);
    const std::size_t capacity = (num_rows + codes - 1) / codes;
    std::vector<std::vector<double>> cost(num_rows, std::vector<double>(codes));
    double total = 0.0;
    for (std::size_t i = 0; i < num_rows; ++i) {
      for (std::size_t j = 0; j < codes; ++j) cost[i][j] = distance(rows.row(i), fit.codebook.residual.row(j));
      total += cost[i][fit.labels[i]];
    }
    EXPECT_LE(largest_cluster(fit.labels), capacity);
    EXPECT_NEAR(total, oracle::cheapest_balanced(cost, capacity), 1e-4) << num_rows << " rows";
  }
}

// Ten places of four rows each and ten codes that hold four rows: every place is a cluster.
TEST(Balance, EqualRowsWithinCapacityStayTogether) {
  const Matrix places = mixture_rows(10, 3, 10, 6);
  Matrix rows(40, 3);
  for (std::size_t i = 0; i < 40; ++i) std::ranges::copy(places.row(i % 10), rows.row(i).begin());
  const KMeansFit fit = fit_balanced(rows, 10);
  EXPECT_EQ(largest_cluster(fit.labels), 4u);
  EXPECT_NEAR(fit.report.objective.back(), 0.0, 1e-9);
  for (std::size_t i = 10; i < 40; ++i) EXPECT_EQ(fit.labels[i], fit.labels[i % 10]);
}

// Pairs of equal rows, and five places a code (200 / 40): one place in each code stays empty, so 20 codes more would be
// needed. With 197 rows there are three places to spare.
TEST(Balance, PairsOfEqualRowsAndSomeRoom) {
  const Matrix half = mixture_rows(90, 4, 12, 7);
  const Matrix singles = mixture_rows(105, 4, 12, 8);
  Matrix rows(285, 4);
  for (std::size_t i = 0; i < 180; ++i) std::ranges::copy(half.row(i / 2), rows.row(i).begin());
  for (std::size_t i = 0; i < 105; ++i) std::ranges::copy(singles.row(i), rows.row(180 + i).begin());
  EXPECT_LE(largest_cluster(fit_balanced(rows, 20).labels), 15u);  // 20 * 15 = 300 places
}

// 60 equal rows and capacity 10: they share a code, and the others are balanced as if 10 of the 60 were there.
TEST(Balance, MoreEqualRowsThanACodeHolds) {
  Matrix rows = mixture_rows(200, 4, 9, 9);
  for (std::size_t i = 0; i < 60; ++i) std::fill_n(rows.row(3 * i).begin(), 4, 1.0f);
  const KMeansFit fit = fit_balanced(rows, 20);
  const Code crowded = fit.labels[0];
  std::vector<Code> others;
  for (std::size_t i = 0; i < 200; ++i) {
    if (i % 3 == 0 && i < 180) {
      EXPECT_EQ(fit.labels[i], crowded);
    } else if (fit.labels[i] != crowded) {
      others.push_back(fit.labels[i]);
    }
  }
  EXPECT_EQ(others.size(), 140u);
  EXPECT_LE(largest_cluster(others), 10u);
}

TEST(Balance, NothingButEqualRows) {
  const Matrix rows = column(std::vector<float>(300, 2.0f));
  const KMeansFit fit = fit_balanced(rows, 7);
  EXPECT_EQ(largest_cluster(fit.labels), 300u);
  EXPECT_EQ(fit.report.objective.back(), 0.0);
}

class BalancedQuantizer : public testing::TestWithParam<QuantizerMethod> {};

TEST_P(BalancedQuantizer, EncodesItsRowsAsTheFitDid) {
  const Matrix rows = lopsided_rows(1530, 10);
  const QuantizerFit fit = fit_rows(rows, balanced_options(GetParam()), Scaling::rms);
  EXPECT_EQ(encode_rows(fit.quantizer, rows.view()), fit.codes);
  const std::size_t layers = fit.quantizer.num_layers();
  for (std::size_t l = 0; l < layers; ++l) EXPECT_LE(largest_cluster(fit.codes, l, layers), 96u);  // 1530 / 16 = 95.6
}

TEST_P(BalancedQuantizer, SameCodesInAnyBatchAndAnyNumberOfThreads) {
  const Matrix rows = lopsided_rows(1100, 7);
  const QuantizerOptions options = balanced_options(GetParam());
  const Threads one(1);
  const QuantizerFit fit = fit_rows(rows, options);
  const Threads three(3);
  const QuantizerFit again = fit_rows(rows, options);
  EXPECT_EQ(fit.codes, again.codes);
  for (std::size_t l = 0; l < fit.quantizer.num_layers(); ++l) {
    EXPECT_EQ(layer_of(fit.quantizer, l).price, layer_of(again.quantizer, l).price);
    EXPECT_TRUE(
        std::ranges::equal(layer_of(fit.quantizer, l).residual.flat(), layer_of(again.quantizer, l).residual.flat()));
  }
  std::vector<Code> codes;
  for (std::size_t begin = 0; begin < rows.rows(); begin += 77) {
    const auto part = encode_rows(fit.quantizer, rows.view().slice(begin, std::min(rows.rows(), begin + 77)));
    codes.insert(codes.end(), part.begin(), part.end());
  }
  EXPECT_EQ(codes, fit.codes);
}

TEST_P(BalancedQuantizer, PricesSurviveTheFile) {
  const Matrix rows = lopsided_rows(900, 6);
  const QuantizerFit fit = fit_rows(rows, balanced_options(GetParam()));
  const fs::path path = fs::temp_directory_path() / ("neume-balance-" + std::to_string(getpid()));
  fit.quantizer.save(path);
  const Quantizer loaded = Quantizer::load(path);
  fs::remove(path);
  for (std::size_t l = 0; l < fit.quantizer.num_layers(); ++l)
    EXPECT_EQ(layer_of(loaded, l).price, layer_of(fit.quantizer, l).price);
  EXPECT_EQ(encode_rows(loaded, rows.view()), fit.codes);
}

INSTANTIATE_TEST_SUITE_P(Methods, BalancedQuantizer, testing::Values(QuantizerMethod::rq, QuantizerMethod::vq));

// As many codes as distinct rows: layer 1 leaves nothing, so that all residuals of layer 2 are equal (zero).
TEST(Balance, LayersWithNothingLeft) {
  const Matrix places = mixture_rows(16, 3, 16, 10);
  Matrix rows(64, 3);
  for (std::size_t i = 0; i < 64; ++i) std::ranges::copy(places.row(i % 16), rows.row(i).begin());
  const QuantizerFit fit = fit_rows(rows, balanced_options(QuantizerMethod::rq));
  EXPECT_EQ(largest_cluster(fit.codes, 0, 3), 4u);
  EXPECT_EQ(encode_rows(fit.quantizer, rows.view()), fit.codes);
}

class BalancedRealData : public testing::TestWithParam<const char*> {};

TEST_P(BalancedRealData, EveryLayerKeepsTheCapacity) {
  const fs::path file = fs::path(NEUME_SOURCE_DIR) / "../shared/data/lfm2k" / GetParam();
  if (!fs::exists(file)) GTEST_SKIP() << file << " is absent";
  const data::Catalogue catalogue = data::open_catalogue(std::vector{data::ModalitySource{"m", file.string()}});
  QuantizerOptions options;
  options.method = QuantizerMethod::rq;
  options.codes = {64};
  options.balanced = true;
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("m"), Scaling::none, options);
  ASSERT_EQ(fit.codes.num_items(), 1425u);
  const Matrix rows =
      catalogue.gather(fit.quantizer.shape().block_names, catalogue.items_with(fit.quantizer.shape().block_names));
  const std::vector<Code> codes = encode_rows(fit.quantizer, rows.view());
  EXPECT_EQ(codes, fit.codes.codes);
  for (std::size_t l = 0; l < 3; ++l) EXPECT_LE(largest_cluster(codes, l, 3), 23u) << "layer " << l + 1;  // 22.3
}

INSTANTIATE_TEST_SUITE_P(Lfm2k, BalancedRealData, testing::Values("text.npy", "audio_vggish.npy"));

}  // namespace
}  // namespace neume::quantize
