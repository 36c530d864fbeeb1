// Cohesion: pairs counted one by one, and cases worked by hand.

#include "eval/cohesion.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <neume/error.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"

namespace neume::eval {
namespace {

using Items = std::vector<std::uint32_t>;

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0.0, aa = 0.0, bb = 0.0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    ab += double{a[j]} * b[j];
    aa += double{a[j]} * a[j];
    bb += double{b[j]} * b[j];
  }
  return ab / std::sqrt(aa * bb);
}

/// Mean over rows with company of the mean cosine to the others for which `together` holds.
template <class Together>
double naive_cohesion(ConstMatrixView rows, const Together& together) {
  double sum = 0.0, members = 0.0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    double own = 0.0, others = 0.0;
    for (std::size_t j = 0; j < rows.rows; ++j) {
      if (i == j || !together(i, j)) continue;
      own += cosine(rows.row(i), rows.row(j));
      others += 1.0;
    }
    if (others == 0.0) continue;
    sum += own / others;
    members += 1.0;
  }
  return members == 0.0 ? 0.0 : sum / members;
}

struct Sample {
  CodeFamily family{.name = "text", .codebook_sizes = {6, 6}, .codes = {}};
  Items items;
  Matrix rows;
};

/// Rows that lean towards their first code's own direction.
Sample sample(std::size_t count, std::uint64_t seed) {
  base::Random random(seed);
  Sample result;
  result.rows = Matrix(count, 7);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto first = static_cast<Code>(random.index(6));
    result.family.codes.insert(result.family.codes.end(), {first, static_cast<Code>(random.index(6))});
    result.items.push_back(i);
    for (float& value : result.rows.row(i)) value = static_cast<float>(random.normal());
    result.rows.row(i)[first] += 2.0f;
  }
  return result;
}

TEST(Cohesion, EqualsALoopOverPairs) {
  const Sample s = sample(150, 1);
  const auto found = cohesion(s.family, s.items, s.rows.view(), 1);
  const auto same_prefix = [&](std::size_t layer) {
    return [&s, layer](std::size_t i, std::size_t j) {
      return std::equal(s.family.of(i).begin(), s.family.of(i).begin() + static_cast<std::ptrdiff_t>(layer + 1),
                        s.family.of(j).begin());
    };
  };
  ASSERT_EQ(found.size(), 2u);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    EXPECT_NEAR(found[layer].within, naive_cohesion(s.rows.view(), same_prefix(layer)), 1e-12);
    EXPECT_NEAR(found[layer].all_pairs, naive_cohesion(s.rows.view(), [](std::size_t, std::size_t) { return true; }),
                1e-12);
  }
}

TEST(Cohesion, OnlyTheLayerThatKnowsTheDirectionExceedsTheNull) {
  Sample s = sample(12000, 2);  // more than one chunk
  const auto found = cohesion(s.family, s.items, s.rows.view(), 3);
  EXPECT_GT(found[0].within, found[0].permuted + 0.15);
  EXPECT_NEAR(found[0].permuted, found[0].all_pairs, 0.01);
  for (std::size_t i = 0; i < s.family.codes.size(); i += 2) s.family.codes[i] = s.family.codes[i + 1];
  EXPECT_NEAR(cohesion(s.family, s.items, s.rows.view(), 3)[0].within, found[0].all_pairs, 0.01);
}

TEST(Cohesion, HandWorkedFamily) {
  // Items 0, 1, 2 share c_1: directions (1,0), (0,1), (1,0). Item 3 is alone; item 4 has norm 0 and is left out.
  const CodeFamily family{.name = "text", .codebook_sizes = {2, 2}, .codes = {0, 0, 0, 0, 0, 1, 1, 0, 1, 0}};
  Matrix rows(5, 2);
  rows.row(0)[0] = 3.0f;
  rows.row(1)[1] = 0.5f;
  rows.row(2)[0] = 2.0f;
  rows.row(3)[1] = -1.0f;
  const auto found = cohesion(family, Items{0, 1, 2, 3, 4}, rows.view());
  // Mean cosine to the others: item 0 (0 + 1)/2, item 1 0, item 2 1/2.
  EXPECT_NEAR(found[0].within, 1.0 / 3.0, 1e-15);
  EXPECT_EQ(found[0].grouped_items, 3u);
  // Depth 2: items 0 and 1 at right angles.
  EXPECT_NEAR(found[1].within, 0.0, 1e-15);
  EXPECT_EQ(found[1].grouped_items, 2u);
  // Six pairs: cosines 0, 1, 0, 0, -1, 0.
  EXPECT_NEAR(found[0].all_pairs, 0.0, 1e-15);
}

TEST(Cohesion, PermutationIsSeeded) {
  const Sample s = sample(300, 4);
  const auto permuted = [&](std::uint64_t seed) {
    return cohesion(s.family, s.items, s.rows.view(), seed)[0].permuted;
  };
  EXPECT_EQ(permuted(1), permuted(1));
  EXPECT_NE(permuted(1), permuted(2));
}

TEST(Cohesion, RowsFollowTheListOfItems) {
  // Items 2 and 0 share their code and their direction; their rows are 0 and 2 of the list.
  const CodeFamily family{.name = "text", .codebook_sizes = {2}, .codes = {1, 0, 1, kNoCode}};
  Matrix rows(3, 2);
  rows.row(0)[0] = rows.row(2)[0] = 1.0f;
  rows.row(1)[1] = 1.0f;
  EXPECT_NEAR(cohesion(family, Items{2, 1, 0}, rows.view())[0].within, 1.0, 1e-15);
}

TEST(Cohesion, SameBytesForAnyNumberOfThreads) {
  const Sample s = sample(20000, 5);
  base::set_num_threads(1);
  const auto one = cohesion(s.family, s.items, s.rows.view());
  base::set_num_threads(3);
  const auto three = cohesion(s.family, s.items, s.rows.view());
  base::set_num_threads(0);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    EXPECT_EQ(one[layer].within, three[layer].within);
    EXPECT_EQ(one[layer].permuted, three[layer].permuted);
  }
}

TEST(Cohesion, EdgeCases) {
  const CodeFamily family{.name = "text", .codebook_sizes = {2}, .codes = {1, kNoCode}};
  EXPECT_EQ(cohesion(family, {}, Matrix(0, 3).view())[0].within, 0.0);
  EXPECT_EQ(cohesion(family, Items{0}, Matrix(1, 3).view())[0].all_pairs, 0.0);
  EXPECT_THROW(cohesion(family, Items{1}, Matrix(1, 3).view()), InvalidArgument);
  EXPECT_THROW(cohesion(family, Items{0}, Matrix(2, 3).view()), InvalidArgument);
  Matrix bad(1, 3);
  bad.row(0)[1] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(cohesion(family, Items{0}, bad.view()), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
