// Lloyd's algorithm with and without prefixes against the oracle, and its laws.

#include "quantize/kmeans.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include <neume/error.hpp>

#include "quantize/assignment.hpp"
#include "quantize/sample_rows.hpp"
#include "quantize/seeding.hpp"

namespace neume::quantize {
namespace {

std::vector<std::size_t> labels_of(const Lloyd& lloyd) {
  return {lloyd.labels().begin(), lloyd.labels().end()};
}

/// Steps the library and the oracle side by side through layers of `sizes` codes that start from the same centroids.
void compare_with_oracle(const Matrix& data, const std::vector<std::size_t>& sizes, double lambda) {
  const std::size_t layers = sizes.size();
  const oracle::Rows x = to_oracle(data.view());
  Matrix residuals = data.clone();
  oracle::Rows oracle_residuals = x;
  std::vector<CodebookLayer> earlier;
  std::vector<Code> codes(data.rows() * layers);
  for (std::size_t l = 0; l < layers; ++l) {
    const KMeansProblem problem{residuals.view(),
                                lambda > 0 ? std::span<const CodebookLayer>(earlier) : std::span<const CodebookLayer>(),
                                codes.data(), layers, lambda};
    CodebookLayer start = codebook_at(problem, choose_seeds(problem, sizes[l], 100 + l));
    const bool wide = problem.has_prefix();
    const oracle::Rows rows = wide ? oracle::wide_rows(x, oracle_residuals, lambda) : oracle_residuals;
    oracle::Rows centroids = to_oracle(start, lambda);
    ASSERT_EQ(centroids.front().size(), rows.front().size());
    Lloyd lloyd(problem, std::move(start));
    std::vector<std::size_t> labels;
    for (std::size_t step = 0; step < 6; ++step) {
      if (step > 0) {
        ASSERT_EQ(lloyd.update(), 0u);
        oracle::update(rows, labels, centroids);
      }
      const Lloyd::Pass pass = lloyd.assign();
      labels = oracle::assign(rows, centroids);
      ASSERT_EQ(labels_of(lloyd), labels) << "layer " << l << " step " << step;
      const double expected = oracle::objective(rows, centroids, labels);
      // Single precision products of rows whose squared norm is a few times the objective.
      EXPECT_NEAR(pass.objective, expected, 2e-5 * expected) << "layer " << l << " step " << step;
    }
    for (std::size_t i = 0; i < data.rows(); ++i) {
      codes[i * layers + l] = lloyd.labels()[i];
      subtract_codeword(residuals.row(i), lloyd.codebook().residual.row(lloyd.labels()[i]));
    }
    oracle::subtract(oracle_residuals, centroids, labels);
    earlier.push_back(lloyd.take_codebook());
  }
}

TEST(Lloyd, EqualsOracleForAllPrefixWeights) {
  const Matrix data = mixture_rows(700, 12, 30, 1);
  for (const double lambda : {0.0, 0.3, 1.0, 2.5}) {
    SCOPED_TRACE(lambda);
    compare_with_oracle(data, {9, 11, 9, 7}, lambda);
  }
}

TEST(Lloyd, EqualsOracleWhereCodebooksAreSearchedInParts) {
  // The first layer is coarse: two rows alone in a cluster would have residuals r and -r, and true ties.
  compare_with_oracle(mixture_rows(1500, 5, 700, 2), {9, kCodesAtOnce + 77}, 1.0);
}

TEST(Lloyd, ObjectiveNeverRises) {
  for (const std::size_t width : {1u, 3u, 17u}) {
    const Matrix data = mixture_rows(3000, width, 40, width);
    const KMeansProblem problem{data.view(), {}};
    const KMeansFit fit = fit_kmeans(problem, {32, 30, 0.0, 3, true});
    ASSERT_GE(fit.report.objective.size(), 3u);
    for (std::size_t t = 1; t < fit.report.objective.size(); ++t)
      EXPECT_LE(fit.report.objective[t], fit.report.objective[t - 1] * (1 + 1e-6)) << t;
  }
}

TEST(Lloyd, LabelsAreNearestInFinalCodebook) {
  const Matrix data = mixture_rows(900, 8, 20, 4);
  for (const std::size_t iterations : {1u, 2u, 50u}) {
    const KMeansFit fit = fit_kmeans({data.view(), {}}, {20, iterations, 1e-5, 3, true});
    const oracle::Rows rows = to_oracle(data.view()), centroids = to_oracle(fit.codebook, 0.0);
    const auto labels = oracle::assign(rows, centroids);
    EXPECT_TRUE(std::ranges::equal(fit.labels, labels));
    const double expected = oracle::objective(rows, centroids, labels);
    EXPECT_NEAR(fit.report.objective.back(), expected, 1e-5 * expected);
    EXPECT_LE(fit.report.objective.size(), iterations + 1);
  }
}

TEST(Lloyd, LowestCodeWinsTies) {
  Matrix data(300, 4);
  for (std::size_t i = 0; i < data.rows(); ++i) data.row(i)[0] = i % 2 == 0 ? 1.0f : 5.0f;
  CodebookLayer start;
  start.residual = Matrix(40, 4);
  for (std::size_t j = 0; j < 40; ++j)
    start.residual.row(j)[0] = j < 20 ? 3.0f : 3.0f + 2.0f * static_cast<float>(j % 2);
  const KMeansProblem problem{data.view(), {}};
  Lloyd lloyd(problem, std::move(start));
  lloyd.assign();
  for (std::size_t i = 0; i < data.rows(); ++i) EXPECT_EQ(lloyd.labels()[i], i % 2 == 0 ? 0 : 21) << i;
}

TEST(Lloyd, EmptyClustersMoveToFarthestDistinctRows) {
  // Ninety rows at 0 and 1, and two far groups of three equal rows; codewords 1 and 3 are where nobody is.
  Matrix data(96, 2);
  for (std::size_t i = 0; i < 90; ++i) data.row(i)[0] = static_cast<float>(i % 2);
  for (std::size_t i = 90; i < 93; ++i) data.row(i)[0] = 40.0f;
  for (std::size_t i = 93; i < 96; ++i) data.row(i)[0] = 30.0f;
  CodebookLayer start;
  start.residual = Matrix(4, 2);
  const float places[] = {0.0f, -1000.0f, 1.0f, -2000.0f};
  for (std::size_t j = 0; j < 4; ++j) start.residual.row(j)[0] = places[j];
  const KMeansProblem problem{data.view(), {}};
  Lloyd lloyd(problem, std::move(start));
  const double before = lloyd.assign().objective;
  EXPECT_EQ(lloyd.update(), 2u);
  EXPECT_EQ(lloyd.codebook().residual.row(1)[0], 40.0f);
  EXPECT_EQ(lloyd.codebook().residual.row(3)[0], 30.0f);
  EXPECT_LT(lloyd.assign().objective, before);
  // The far rows had dragged codeword 2 away from its own; it runs empty, and comes back.
  EXPECT_EQ(lloyd.update(), 1u);
  lloyd.assign();
  EXPECT_EQ(lloyd.update(), 0u);
  EXPECT_LT(lloyd.assign().objective, 1e-12);
}

TEST(Lloyd, EmptyClustersMoveToRowsWithTheirPrefixes) {
  // All residuals are equal, so layer 2 differs by prefixes alone; one codeword starts far away.
  CodebookLayer first;
  first.residual = Matrix(2, 3);
  first.residual.row(1)[2] = 8.0f;
  std::vector<CodebookLayer> earlier;
  earlier.push_back(std::move(first));
  const Matrix residuals(64, 3);
  std::vector<Code> codes(64);
  for (std::size_t i = 0; i < 64; ++i) codes[i] = i < 60 ? 0 : 1;
  const KMeansProblem problem{residuals.view(), earlier, codes.data(), 1, 1.0};
  CodebookLayer start;
  start.residual = Matrix(2, 3);
  start.prefix = Matrix(2, 3);
  start.residual.row(1)[0] = 500.0f;
  Lloyd lloyd(problem, std::move(start));
  EXPECT_DOUBLE_EQ(lloyd.assign().objective, 4.0);  // 4 of 64 rows at squared distance 64
  EXPECT_EQ(lloyd.update(), 1u);
  EXPECT_EQ(lloyd.codebook().prefix.row(1)[2], 8.0f);
  EXPECT_EQ(lloyd.codebook().residual.row(1)[0], 0.0f);
  // The new codeword takes its four rows; the other one still stands at the mean prefix, 0.5.
  EXPECT_DOUBLE_EQ(lloyd.assign().objective, 60.0 / 64.0 * 0.25);
  EXPECT_EQ(lloyd.labels()[63], 1);
}

TEST(Lloyd, AsManyCodesAsRowsGiveEachItsOwn) {
  const Matrix data = mixture_rows(150, 6, 150, 9);
  const KMeansFit fit = fit_kmeans({data.view(), {}}, {150, 10, 1e-5, 1, true});
  EXPECT_EQ(std::set<Code>(fit.labels.begin(), fit.labels.end()).size(), 150u);
  EXPECT_EQ(fit.report.objective.back(), 0.0);
}

TEST(Lloyd, FewerDistinctRowsThanCodes) {
  Matrix data(500, 3);
  for (std::size_t i = 0; i < data.rows(); ++i)
    for (std::size_t j = 0; j < 3; ++j) data.row(i)[j] = 0.1f * static_cast<float>((i * (j + 3)) % 7);
  const KMeansProblem problem{data.view(), {}};
  try {
    fit_kmeans(problem, {8, 10, 1e-5, 1, true});
    FAIL() << "expected DataError";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("only 7 distinct rows"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(fit_kmeans(problem, {7, 10, 1e-5, 1, true}));
  // In deeper layers the left-over codes stay unused, and are finite.
  const KMeansFit fit = fit_kmeans(problem, {40, 10, 1e-5, 1, false});
  EXPECT_EQ(std::set<Code>(fit.labels.begin(), fit.labels.end()).size(), 7u);
  EXPECT_NEAR(fit.report.objective.back(), 0.0, 1e-12);
  EXPECT_TRUE(std::ranges::all_of(fit.codebook.residual.flat(), [](float x) { return std::isfinite(x); }));
}

TEST(Lloyd, SameBytesForAnyNumberOfThreads) {
  const Matrix data = mixture_rows(5000, 10, 50, 6);
  std::vector<std::vector<Code>> labels;
  std::vector<std::vector<float>> codewords;
  std::vector<double> objectives;
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const Threads scope(threads);
    const KMeansFit fit = fit_kmeans({data.view(), {}}, {60, 8, 0.0, 2, true});
    labels.push_back(fit.labels);
    codewords.emplace_back(fit.codebook.residual.flat().begin(), fit.codebook.residual.flat().end());
    objectives.push_back(fit.report.objective.back());
  }
  for (std::size_t t = 1; t < 3; ++t) {
    EXPECT_EQ(labels[t], labels[0]);
    EXPECT_EQ(codewords[t], codewords[0]);
    EXPECT_EQ(objectives[t], objectives[0]);
  }
}

TEST(ChunkPlan, CoversRowsOnceInWholeBlocks) {
  for (const std::size_t rows : {0u, 1u, 127u, 128u, 512u, 513u, 8192u, 8193u, 100000u}) {
    const ChunkPlan plan(rows);
    EXPECT_LE(plan.count, 16u);
    EXPECT_EQ(plan.chunk_rows % kBlockRows, 0u);
    std::size_t next = 0;
    for (std::size_t c = 0; c < plan.count; ++c) {
      EXPECT_EQ(plan.begin(c), next);
      EXPECT_LT(plan.begin(c), plan.end(c));
      next = plan.end(c);
    }
    EXPECT_EQ(next, rows);
  }
}

TEST(Seeding, FindsEverySeparatedGroup) {
  // Twelve groups of very different sizes, far apart: k-means++ takes one seed from each.
  Matrix data(1200, 4);
  base::Random random(3);
  std::vector<std::size_t> group(data.rows());
  for (std::size_t i = 0; i < data.rows(); ++i) {
    group[i] = i < 12 ? i : random.index(3);
    for (std::size_t j = 0; j < 4; ++j)
      data.row(i)[j] =
          static_cast<float>(((group[i] * (j + 5) * 37) % 101) * 10) + 0.01f * static_cast<float>(random.normal());
  }
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::set<std::size_t> found;
    for (const std::size_t row : choose_seeds({data.view(), {}}, 12, seed)) found.insert(group[row]);
    EXPECT_EQ(found.size(), 12u) << seed;
  }
}

TEST(Seeding, FindsRareGroupsAmongManyRows) {
  // More rows than the pool and the sample hold; eleven groups have ten rows each.
  Matrix data(20000, 3);
  base::Random random(5);
  for (std::size_t i = 0; i < data.rows(); ++i) {
    const std::size_t group = i % 160 == 7 && i < 17600 ? 1 + i / 1600 : 0;
    data.row(i)[0] = static_cast<float>(1000 * group) + static_cast<float>(random.normal());
    data.row(i)[1] = static_cast<float>(random.normal());
  }
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    std::set<int> found;
    for (const std::size_t row : choose_seeds({data.view(), {}}, 12, seed))
      found.insert(static_cast<int>(std::lround(data.row(row)[0] / 1000.0f)));
    EXPECT_EQ(found.size(), 12u) << seed;
  }
}

TEST(Seeding, TakesTheBestOfSeveralDraws) {
  // A group at 0, one row at distance 1 and one at distance 3. Drawn once by squared distance, the second seed would be
  // the far row in 9 of 10 cases; as the better of two draws it is in 99 of 100.
  Matrix data(100, 2);
  data.row(50)[0] = 1.0f;
  data.row(51)[1] = 3.0f;
  double far = 0, draws = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const auto seeds = choose_seeds({data.view(), {}}, 2, seed);
    if (seeds[0] == 50 || seeds[0] == 51) continue;
    draws += 1;
    far += seeds[1] == 51;
  }
  EXPECT_NEAR(far / draws, 0.99, 4 * 0.1 / std::sqrt(1000.0));
}

TEST(Seeding, StartsBelowRandomRows) {
  for (const std::size_t rows : {1500u, 9000u}) {
    const Matrix data = mixture_rows(rows, 8, 80, rows);
    const KMeansProblem problem{data.view(), {}};
    std::vector<std::size_t> first_rows(60);
    std::iota(first_rows.begin(), first_rows.end(), std::size_t{0});  // the rows are in random order
    Lloyd random(problem, codebook_at(problem, first_rows)),
        seeded(problem, codebook_at(problem, choose_seeds(problem, 60, 1)));
    EXPECT_LT(seeded.assign().objective, 0.9 * random.assign().objective);
  }
}

TEST(Seeding, SeesPrefixes) {
  CodebookLayer first;
  first.residual = Matrix(5, 3);
  for (std::size_t j = 0; j < 5; ++j) first.residual.row(j)[1] = static_cast<float>(j);
  std::vector<CodebookLayer> earlier;
  earlier.push_back(std::move(first));
  const Matrix residuals(200, 3);  // all equal
  std::vector<Code> codes(200);
  for (std::size_t i = 0; i < 200; ++i) codes[i] = static_cast<Code>(i % 5);
  const auto seeds = choose_seeds({residuals.view(), earlier, codes.data(), 1, 1.0}, 5, 1);
  std::set<Code> chosen;
  for (const std::size_t row : seeds) chosen.insert(codes[row]);
  EXPECT_EQ(chosen.size(), 5u);
}

TEST(Seeding, SeedsAreDistinctRowsOfASample) {
  const std::size_t rows = 40000;
  Matrix data(rows, 3);
  base::Random random(8);
  for (float& x : data.flat()) x = static_cast<float>(random.normal());
  EXPECT_LT(seeding_sample_size(rows, 200), rows);
  auto seeds = choose_seeds({data.view(), {}}, 200, 4);
  EXPECT_EQ(seeds, choose_seeds({data.view(), {}}, 200, 4));
  EXPECT_NE(seeds, choose_seeds({data.view(), {}}, 200, 5));
  std::ranges::sort(seeds);
  EXPECT_EQ(std::ranges::adjacent_find(seeds), seeds.end());
  EXPECT_EQ(seeds.size(), 200u);
  EXPECT_GT(seeds.back(), rows / 2);  // the sample spans all rows
}

}  // namespace
}  // namespace neume::quantize
