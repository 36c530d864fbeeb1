// The filter in eight bits against distances in double: it may never lose the nearest codeword.

#include "kernels/int8_products.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/random.hpp"

namespace neume::kernels {
namespace {

struct Case {
  Matrix rows, codewords;
  std::vector<float> bias, table;
  std::vector<std::uint16_t> codes;
};

/// Rows near codewords, or of their own; `heavy` columns are a hundred times as large as the others.
Case random_case(std::size_t width, std::size_t num_codes, double spread, std::size_t heavy) {
  base::Random random(width * 1000 + num_codes);
  Case c{Matrix(37, width), Matrix(num_codes, width), {}, {}, {}};
  const auto value = [&](std::size_t j) { return static_cast<float>(random.normal() * (j < heavy ? 100.0 : 1.0)); };
  for (std::size_t j = 0; j < num_codes; ++j) {
    double norm = 0.0;
    for (std::size_t p = 0; p < width; ++p) {
      c.codewords.row(j)[p] = value(p);
      norm += double{c.codewords.row(j)[p]} * c.codewords.row(j)[p];
    }
    c.bias.push_back(static_cast<float>(norm));
  }
  for (std::size_t i = 0; i < c.rows.rows(); ++i) {
    const auto codeword = c.codewords.row(random.index(num_codes));
    for (std::size_t p = 0; p < width; ++p) c.rows.row(i)[p] = codeword[p] + static_cast<float>(spread) * value(p);
    c.codes.push_back(static_cast<std::uint16_t>(random.index(3)));
  }
  for (std::size_t e = 0; e < 3 * num_codes; ++e) c.table.push_back(static_cast<float>(random.normal()));
  return c;
}

double score(const Case& c, std::size_t i, std::size_t j, bool has_table) {
  double sum = 0.0, own = 0.0;
  for (std::size_t p = 0; p < c.rows.cols(); ++p) {
    const double gap = double{c.rows.row(i)[p]} - c.codewords.row(j)[p];
    sum += gap * gap;
    own += double{c.rows.row(i)[p]} * c.rows.row(i)[p];
  }
  if (has_table) sum -= 2.0 * double{c.table[c.codes[i] * c.codewords.rows() + j]};
  return sum - own;
}

/// The scores of every panel are below all true ones; `second` below all but one, where the row's list has its codes.
void check_scores(const Case& c, std::size_t i, bool has_table, std::span<const PanelScores> scores) {
  for (std::size_t p = 0; p < scores.size(); ++p) {
    std::vector<double> truth;
    for (std::size_t j = p * kCodeGroup; j < std::min(c.codewords.rows(), (p + 1) * kCodeGroup); ++j)
      truth.push_back(score(c, i, j, has_table));
    std::ranges::sort(truth);
    EXPECT_LE(double{scores[p].lowest}, truth.front());
    if (p == 0 && truth.size() > 1) {  // the first panel is always listed
      EXPECT_LE(double{scores[p].second}, truth[1]);
      EXPECT_GE(scores[p].second, scores[p].lowest);
    }
  }
}

/// Codes on the lists; every list holds the nearest code and its bound is not below that code's score.
std::size_t check_lists(const Case& c, bool has_table) {
  const std::size_t num_codes = c.codewords.rows();
  const Int8Codewords codewords(c.codewords.view(), c.bias);
  Int8Rows rows(c.rows.rows(), c.rows.cols());
  std::vector<std::uint8_t> numbers(c.rows.rows());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    rows.round(i, c.rows.row(i).data());
    numbers[i] = static_cast<std::uint8_t>(i);
  }
  std::vector<ScoreTable> tables;
  if (has_table) tables.push_back({c.table.data(), num_codes, c.codes.data(), 1});
  std::vector<Shortlist> lists(c.rows.rows());
  const std::size_t num_panels = codewords.num_panels();
  std::vector<PanelScores> scores(lists.size() * num_panels);
  for (std::size_t p = 0; p < num_panels; ++p)
    shortlist_panel(codewords, rows, {p, numbers, tables, 6.0f, scores.data() + p, num_panels}, lists);
  for (std::size_t i = 0; i < lists.size(); ++i)
    check_scores(c, i, has_table, {scores.data() + i * num_panels, num_panels});
  std::size_t held = 0;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    std::size_t best = 0;
    for (std::size_t j = 1; j < num_codes; ++j)
      if (score(c, i, j, has_table) < score(c, i, best, has_table)) best = j;
    EXPECT_GE(double{lists[i].highest}, score(c, i, best, has_table));
    lists[i].prune();
    held += lists[i].count;
    if (lists[i].overflowed) continue;
    const Shortlist::Entry* begin = lists[i].entries;
    const Shortlist::Entry* end = begin + lists[i].count;
    const auto* found = std::find_if(begin, end, [&](const auto& entry) { return entry.code == best; });
    EXPECT_NE(found, end) << "row " << i;
    EXPECT_TRUE(std::is_sorted(begin, end, [](const auto& a, const auto& b) { return a.code < b.code; }));
    for (const auto* entry = begin; entry != end; ++entry) {
      EXPECT_LT(entry->code, num_codes);
      EXPECT_LE(double{entry->lowest}, score(c, i, entry->code, has_table));
    }
  }
  return held;
}

TEST(Int8Products, NeverLoseTheNearestCode) {
  if (!has_int8_products()) GTEST_SKIP() << "this CPU has no AVX-512 VNNI";
  for (const std::size_t width : {1, 3, 4, 15, 16, 17, 63, 64, 65, 130, 256})
    for (const std::size_t num_codes : {1, 5, 63, 64, 65, 200})
      for (const double spread : {0.0, 0.3, 1.5})
        for (const bool has_table : {false, true}) {
          SCOPED_TRACE(testing::Message() << width << " x " << num_codes << ", " << spread << ", " << has_table);
          check_lists(random_case(width, num_codes, spread, 0), has_table);
          check_lists(random_case(width, num_codes, spread, 2), has_table);
        }
}

TEST(Int8Products, LetLittleThrough) {
  if (!has_int8_products()) GTEST_SKIP() << "this CPU has no AVX-512 VNNI";
  const Case c = random_case(128, 200, 0.5, 0);
  EXPECT_LT(check_lists(c, false), 2 * c.rows.rows());
}

TEST(Int8Products, KeepRowsOfZerosAndTinyValues) {
  if (!has_int8_products()) GTEST_SKIP() << "this CPU has no AVX-512 VNNI";
  Case c = random_case(40, 70, 1.0, 0);
  for (float& x : c.rows.row(0)) x = 0.0f;
  for (float& x : c.rows.row(1)) x = 1e-38f;
  for (float& x : c.rows.row(2)) x = std::numeric_limits<float>::denorm_min();
  for (float& x : c.codewords.row(3)) x = 0.0f;
  for (float& x : c.codewords.row(4)) x = 1e-35f;
  c.bias[3] = c.bias[4] = 0.0f;
  check_lists(c, false);
}

}  // namespace
}  // namespace neume::kernels
