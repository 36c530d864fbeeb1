// The nearest codeword is the same whichever way it is searched for: with the filter in eight bits, with products in
// f32, with or without a likely code, and one codeword after the other in double.

#include "quantize/assignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <vector>

#include "base/random.hpp"
#include "quantize/kmeans.hpp"
#include "quantize/sample_rows.hpp"
#include "quantize/seeding.hpp"

namespace neume::quantize {
namespace {

/// A layer and rows, with an earlier layer's codes and tables where `prefix_weight` is not 0.
struct Layer {
  Matrix rows;
  std::vector<CodebookLayer> earlier;
  std::vector<Code> codes;
  CodebookLayer codebook;
};

Layer make_layer(std::size_t width, std::size_t num_codes, double prefix_weight) {
  Layer layer;
  layer.rows = random_rows(kBlockRows, width, width);
  layer.codebook.residual = random_rows(num_codes, width, num_codes);
  base::Random random(3);
  for (std::size_t i = 0; i < kBlockRows; ++i) layer.codes.push_back(static_cast<Code>(random.index(9)));
  if (prefix_weight == 0.0) return layer;
  layer.codebook.prefix = random_rows(num_codes, width, num_codes + 1);
  layer.earlier.emplace_back();
  layer.earlier[0].residual = random_rows(9, width, 4);
  return layer;
}

/// By definition: both halves, every codeword, in double; the lowest of equal ones.
std::uint32_t nearest_by_definition(const Layer& layer, double prefix_weight, std::size_t row) {
  std::uint32_t best = 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t j = 0; j < layer.codebook.size(); ++j) {
    double distance = 0.0;
    for (std::size_t p = 0; p < layer.rows.cols(); ++p) {
      const double gap = double{layer.rows.row(row)[p]} - layer.codebook.residual.row(j)[p];
      distance += gap * gap;
      if (layer.earlier.empty()) continue;
      const double prefix =
          double{layer.earlier[0].residual.row(layer.codes[row])[p]} - layer.codebook.prefix.row(j)[p];
      distance += prefix_weight * prefix_weight * prefix * prefix;
    }
    if (distance >= least) continue;
    least = distance;
    best = static_cast<std::uint32_t>(j);
  }
  return best;
}

/// Every way of searching against the definition.
void check_every_search(Layer layer, double prefix_weight) {
  const std::size_t width = layer.rows.cols(), num_codes = layer.codebook.size();
  AssignmentScratch scratch(width, num_codes);
  const std::vector<Code> unknown(kBlockRows, kNoCode);
  std::vector<Code> likely(kBlockRows);
  for (std::size_t i = 0; i < kBlockRows; ++i) likely[i] = static_cast<Code>((i * 7) % num_codes);
  for (const Search search : {Search::filtered, Search::plain}) {
    prepare_codebook(layer.codebook, layer.earlier, prefix_weight, search);
    for (const Code* hint : std::initializer_list<const Code*>{nullptr, unknown.data(), likely.data()}) {
      const auto nearest = scratch.assign(layer.codebook, {layer.rows.data(), kBlockRows, layer.codes.data(), 1, hint});
      for (std::size_t i = 0; i < kBlockRows; ++i)
        ASSERT_EQ(nearest[i].index, nearest_by_definition(layer, prefix_weight, i)) << "row " << i;
    }
  }
}

TEST(Assignment, EverySearchFindsTheNearestCode) {
  for (const std::size_t width : {1, 31, 32, 50, 130})
    for (const std::size_t num_codes : {1, 2, 63, 64, 100, 600})
      for (const double prefix_weight : {0.0, 0.5, 1.0}) {
        SCOPED_TRACE(testing::Message() << width << " x " << num_codes << ", lambda " << prefix_weight);
        check_every_search(make_layer(width, num_codes, prefix_weight), prefix_weight);
      }
}

TEST(Assignment, NearTiesAreDecidedExactly) {
  Layer layer = make_layer(40, 90, 0.0);
  // Codewords a few roundings apart from each other, all on the first one's heels.
  for (std::size_t j = 1; j < 90; ++j)
    for (std::size_t p = 0; p < 40; ++p)
      layer.codebook.residual.row(j)[p] =
          layer.codebook.residual.row(0)[p] * (1.0f + 1e-7f * static_cast<float>(j % 5));
  check_every_search(std::move(layer), 0.0);
}

TEST(Assignment, LowestOfEqualCodewordsWins) {
  Layer layer = make_layer(40, 200, 0.0);
  for (std::size_t j = 100; j < 200; ++j)
    std::ranges::copy(layer.codebook.residual.row(j - 100), layer.codebook.residual.row(j).begin());
  check_every_search(std::move(layer), 0.0);
}

TEST(Assignment, ScoresBeyondTheRangeOfFloatsStillFindTheNearest) {
  Layer layer = make_layer(40, 80, 0.0);
  for (float& x : layer.rows.flat()) x *= 1e25f;
  for (float& x : layer.codebook.residual.flat()) x *= 1e25f;
  check_every_search(std::move(layer), 0.0);
}

TEST(Assignment, RowsFarAwayFromAllCodewords) {
  Layer layer = make_layer(40, 80, 0.0);
  for (float& x : layer.rows.flat()) x += 1000.0f;
  check_every_search(std::move(layer), 0.0);
}

/// Lloyd iterations of the second layer of a psrq, until nearly nothing changes: rows pass over panels by then.
std::vector<float> fitted(Search search, std::size_t num_threads, double prefix_weight, float scale = 1.0f) {
  const Threads threads(num_threads);
  Matrix rows = mixture_rows(5000, 48, 300, 12);
  for (float& x : rows.flat()) x *= scale;
  std::vector<CodebookLayer> earlier(prefix_weight > 0.0 ? 1 : 0);
  std::vector<Code> codes(rows.rows());
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<Code>(i % 5);
  for (CodebookLayer& layer : earlier) layer.residual = random_rows(5, 48, 2);
  const KMeansProblem problem{rows.view(), earlier, codes.data(), 1, prefix_weight, search};
  const KMeansFit fit = fit_kmeans(problem, {300, 30, 0.0, 3, false});
  std::vector<float> values(fit.codebook.residual.flat().begin(), fit.codebook.residual.flat().end());
  values.insert(values.end(), fit.labels.begin(), fit.labels.end());
  for (const double objective : fit.report.objective) values.push_back(static_cast<float>(objective));
  return values;
}

/// The nearest codeword by exact_distance, one by one.
Code nearest_of_all(const CodebookLayer& codebook, std::span<const float> row) {
  Code best = 0;
  for (std::size_t j = 1; j < codebook.size(); ++j)
    if (kernels::exact_distance(row, codebook.residual.row(j)) <
        kernels::exact_distance(row, codebook.residual.row(best)))
      best = static_cast<Code>(j);
  return best;
}

TEST(Assignment, FitsAreEqualByteForByteWithAndWithoutTheFilter) {
  for (const double prefix_weight : {0.0, 1.0}) {
    const std::vector<float> expected = fitted(Search::plain, 1, prefix_weight);
    EXPECT_EQ(fitted(Search::filtered, 1, prefix_weight), expected);
    EXPECT_EQ(fitted(Search::filtered, 2, prefix_weight), expected);
  }
}

TEST(Assignment, FitsOfTinyAndHugeRowsAreEqualWithAndWithoutTheFilter) {
  for (const float scale : {1e-12f, 1e12f, 3e17f})
    EXPECT_EQ(fitted(Search::filtered, 2, 0.0, scale), fitted(Search::plain, 2, 0.0, scale)) << scale;
}

/// What a pass knows from the passes before must not change a label, whatever happened to the codewords between.
TEST(Assignment, BoundsFollowCodewordsThatJump) {
  const Matrix rows = mixture_rows(3000, 48, 400, 5);
  for (const Search search : {Search::plain, Search::filtered}) {
    const KMeansProblem problem{rows.view(), {}, nullptr, 0, 0.0, search};
    Lloyd lloyd(problem, first_codebook(problem, {200, 1, 0.0, 9, false}));
    std::vector<Code> labels_by_hand(rows.rows());
    for (std::size_t pass = 0; pass < 12; ++pass) {
      lloyd.assign();
      for (std::size_t i = 0; i < rows.rows(); i += 7)
        ASSERT_EQ(lloyd.labels()[i], nearest_of_all(lloyd.codebook(), rows.row(i))) << "pass " << pass << ", row " << i;
      lloyd.update();
      if (pass % 3 == 2) {
        const std::pair<std::size_t, std::size_t> places[] = {{pass, 100 * pass}, {150 + pass, 7 * pass}};
        lloyd.reseed(places);
      }
      if (pass == 7) {
        for (std::size_t i = 0; i < rows.rows(); ++i) labels_by_hand[i] = static_cast<Code>(i % 200);
        lloyd.assign_to(labels_by_hand);
      }
    }
  }
}

}  // namespace
}  // namespace neume::quantize
