// The attention kernels against plain double loops written from the header's formulas, for every instruction set that
// this machine has, several layer counts, widths and hidden widths.

#include "kernels/attention.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/buffer.hpp"
#include "base/random.hpp"
#include "kernels/instruction_sets.hpp"

namespace neume::kernels {
namespace {

/// Random tables, occurrences and gradients of one shape; samples have 0, 1, 2, ... occurrences.
struct Problem {
  static constexpr std::size_t kSamples = 6;
  static constexpr std::size_t kRows = 9;

  explicit Problem(AttentionShape s, bool with_terms = false) : shape(s) {
    base::Random random(shape.hidden * 31 + shape.width * 7 + shape.layers);
    offsets.push_back(0);
    for (std::uint32_t sample = 0; sample < kSamples; ++sample) {
      for (std::uint32_t j = 0; j < sample; ++j) {
        samples.push_back(sample);
        for (std::size_t l = 0; l < shape.layers; ++l) rows.push_back(static_cast<std::uint32_t>(random.index(kRows)));
      }
      offsets.push_back(static_cast<std::uint32_t>(samples.size()));
    }
    const auto fill = [&](std::size_t size) {
      base::Buffer<float> buffer(size);
      for (auto& x : buffer) x = static_cast<float>(random.normal());
      return buffer;
    };
    table = fill(kRows * shape.row_size());
    queries = fill(kSamples * shape.hidden);
    output_weights = fill(shape.hidden);
    pooled_gradient = fill(kSamples * shape.width);
    targets = fill(kSamples * shape.width);
    if (with_terms) terms = fill(samples.size() * shape.hidden);
    pooled = base::Buffer<float>(kSamples * shape.width);
    weights = base::Buffer<float>(samples.size());
    score_gradients = base::Buffer<float>(samples.size());
    query_signs = base::Buffer<float>(kSamples * shape.hidden);
    masks = base::Buffer<std::uint8_t>(mask_buffer_bytes<float>(shape.hidden, samples.size()));
    group_by_row();
  }

  void group_by_row() {
    first.assign(kRows + 1, 0);
    for (std::uint32_t r = 0; r < kRows; ++r) {
      first[r] = static_cast<std::uint32_t>(order.size());
      for (std::uint32_t n = 0; n < samples.size(); ++n) {
        for (std::size_t l = 0; l < shape.layers; ++l) {
          if (rows[n * shape.layers + l] == r) order.push_back(n);
        }
      }
    }
    first[kRows] = static_cast<std::uint32_t>(order.size());
  }

  OccurrenceView view() const { return {offsets.data(), rows.data(), samples.data()}; }

  /// Element `column` of the summed rows of an occurrence.
  double sum(std::size_t n, std::size_t column) const {
    double total = 0.0;
    for (std::size_t l = 0; l < shape.layers; ++l) {
      total += table[rows[n * shape.layers + l] * shape.row_size() + column];
    }
    return total;
  }
  double hidden(std::size_t n, std::size_t c) const {
    const double term = terms.size() == 0 ? 0.0 : terms[n * shape.hidden + c];
    return sum(n, c) + queries[samples[n] * shape.hidden + c] + term;
  }

  /// a_n: the score, or its softmax over the sample's occurrences.
  double weight(std::size_t n) const {
    if (!shape.softmax) return score(n);
    double total = 0.0;
    for (std::size_t i = offsets[samples[n]]; i < offsets[samples[n] + 1]; ++i) total += std::exp(score(i) - score(n));
    return 1.0 / total;
  }
  double score(std::size_t n) const {
    double total = 0.25;
    for (std::size_t c = 0; c < shape.hidden; ++c) total += output_weights[c] * std::max(hidden(n, c), 0.0);
    return total;
  }

  /// d loss / d a_n and d loss / d score of n.
  double weight_gradient(std::size_t n) const {
    double total = 0.0;
    for (std::size_t c = 0; c < shape.width; ++c) {
      total += pooled_gradient[samples[n] * shape.width + c] * sum(n, shape.hidden + c);
    }
    return total;
  }
  double score_gradient(std::size_t n) const {
    if (!shape.softmax) return weight_gradient(n);
    double mean = 0.0;
    for (std::size_t i = offsets[samples[n]]; i < offsets[samples[n] + 1]; ++i) mean += weight(i) * weight_gradient(i);
    return weight(n) * (weight_gradient(n) - mean);
  }

  void run() {
    attend<float>({shape, view(), table.data(), queries.data(), output_weights.data(), 0.25f, pooled.data(),
                   shape.width, weights.data(), masks.data(), terms.size() == 0 ? nullptr : terms.data()},
                  0, kSamples);
    attend_backward<float>(backward(), 0, kSamples);
  }
  AttentionBackward<float> backward() {
    return {shape,          view(),       table.data(),           pooled_gradient.data(), shape.width,
            weights.data(), masks.data(), score_gradients.data(), query_signs.data()};
  }

  AttentionShape shape;
  std::vector<std::uint32_t> offsets, rows, samples, first, order;
  base::Buffer<float> table, queries, output_weights, pooled_gradient, targets, terms;
  base::Buffer<float> pooled, weights, score_gradients, query_signs;
  base::Buffer<std::uint8_t> masks;
};

/// Unit normals, at most 16 x 3 summed terms of products: 1e-4 is far above rounding and far below any wrong term.
constexpr double kTolerance = 1e-4;

void check_forward(Problem& p) {
  std::vector<double> pooled(Problem::kSamples * p.shape.width, 0.0);
  for (std::size_t n = 0; n < p.samples.size(); ++n) {
    const double weight = p.weight(n);
    EXPECT_NEAR(p.weights[n], weight, kTolerance * p.shape.hidden);
    for (std::size_t c = 0; c < p.shape.width; ++c) {
      pooled[p.samples[n] * p.shape.width + c] += weight * p.sum(n, p.shape.hidden + c);
    }
  }
  for (std::size_t i = 0; i < pooled.size(); ++i) EXPECT_NEAR(p.pooled[i], pooled[i], kTolerance * p.shape.hidden);
}

void check_backward(Problem& p) {
  std::vector<double> signs(Problem::kSamples * p.shape.hidden, 0.0);
  for (std::size_t n = 0; n < p.samples.size(); ++n) {
    const double gradient = p.score_gradient(n);
    // Softmax weights are exponentials of scores that grow with the hidden width, and so does their rounding.
    EXPECT_NEAR(p.score_gradients[n], gradient, kTolerance * (p.shape.softmax ? 8 : 1));
    for (std::size_t c = 0; c < p.shape.hidden; ++c) {
      if (p.hidden(n, c) > 0) signs[p.samples[n] * p.shape.hidden + c] += gradient;
    }
  }
  for (std::size_t i = 0; i < signs.size(); ++i) {
    EXPECT_NEAR(p.query_signs[i], signs[i], kTolerance * (p.shape.softmax ? 8 : 1));
  }
}

/// multiply_by_targets and hidden_terms_backward, then multiply_by_targets_backward.
void check_products(Problem& p) {
  const std::size_t n = p.samples.size(), hidden = p.shape.hidden, width = p.shape.width;
  base::Buffer<float> products(n * width), target_gradients(Problem::kSamples * width), sums(hidden);
  const TargetProduct<float> pass{p.shape, p.view(),        p.table.data(),          p.targets.data(),
                                  width,   products.data(), target_gradients.data(), width};
  multiply_by_targets<float>(pass, 0, Problem::kSamples);
  std::vector<double> expected(target_gradients.size(), 0.0);
  for (std::size_t i = 0; i < n * width; ++i) {
    const double embedding = p.sum(i / width, hidden + i % width);
    EXPECT_NEAR(products[i], embedding * p.targets[p.samples[i / width] * width + i % width], kTolerance);
    products[i] = static_cast<float>(i % 7) - 3.0f;
    expected[p.samples[i / width] * width + i % width] += products[i] * embedding;
  }
  multiply_by_targets_backward<float>(pass, 0, 3);
  multiply_by_targets_backward<float>(pass, 3, Problem::kSamples);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(target_gradients[i], expected[i], kTolerance);
  for (std::size_t i = 0; i < n * width; ++i) {
    const double gradient = static_cast<double>(i % 7) - 3.0;
    EXPECT_NEAR(products[i], gradient * p.targets[p.samples[i / width] * width + i % width], kTolerance);
  }
}

void check_hidden_terms(Problem& p) {
  const std::size_t n = p.samples.size(), hidden = p.shape.hidden;
  std::vector<double> gradients(n * hidden), sums(hidden, 1.0);
  for (std::size_t i = 0; i < n * hidden; ++i) {
    const double kept = p.hidden(i / hidden, i % hidden) > 0 ? p.score_gradients[i / hidden] : 0.0;
    gradients[i] = kept * p.output_weights[i % hidden];
    sums[i % hidden] += kept * p.terms[i];
  }
  std::vector<float> found(hidden + 1, 1.0f);  // one float in: the sums may lie anywhere
  hidden_terms_backward<float>(p.backward(), {p.output_weights.data(), p.terms.data(), found.data() + 1}, 0, n);
  for (std::size_t i = 0; i < n * hidden; ++i) EXPECT_NEAR(p.terms[i], gradients[i], kTolerance);
  for (std::size_t c = 0; c < hidden; ++c) EXPECT_NEAR(found[c + 1], sums[c], kTolerance);
}

void check_gather(Problem& p) {
  std::vector<double> expected(Problem::kRows * p.shape.row_size(), 0.0);
  for (std::size_t n = 0; n < p.samples.size(); ++n) {
    for (std::size_t l = 0; l < p.shape.layers; ++l) {
      double* row = expected.data() + p.rows[n * p.shape.layers + l] * p.shape.row_size();
      for (std::size_t c = 0; c < p.shape.hidden; ++c) row[c] += p.hidden(n, c) > 0 ? p.score_gradients[n] : 0.0;
      for (std::size_t c = 0; c < p.shape.width; ++c) {
        row[p.shape.hidden + c] += p.weights[n] * p.pooled_gradient[p.samples[n] * p.shape.width + c];
      }
    }
  }
  base::Buffer<float> out(Problem::kRows * p.shape.row_size());
  gather_row_gradients<float>(p.backward(), {p.first.data(), p.order.data()}, out.data(), 0, 4);
  gather_row_gradients<float>(p.backward(), {p.first.data(), p.order.data()}, out.data() + 4 * p.shape.row_size(), 4,
                              Problem::kRows);
  // Rounding grows with the weights, which grow with the hidden width.
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(out[i], expected[i], kTolerance * p.shape.hidden);
}

class AttentionKernels : public InstructionSetTest {};

TEST_P(AttentionKernels, AgreeWithPlainLoops) {
  for (const std::size_t hidden : {16u, 32u, 48u, 64u, 80u}) {
    for (const std::size_t width : {16u, 64u, 112u}) {
      for (const std::size_t layers : {1u, 2u, 3u, 5u}) {
        SCOPED_TRACE(testing::Message() << hidden << " x " << width << ", layers " << layers);
        Problem problem({hidden, width, layers});
        problem.run();
        check_forward(problem);
        check_backward(problem);
        check_gather(problem);
      }
    }
  }
}

TEST_P(AttentionKernels, SoftmaxAndHiddenTermsAgreeWithPlainLoops) {
  for (const bool softmax : {false, true}) {
    for (const bool terms : {false, true}) {
      for (const std::size_t layers : {1u, 2u, 3u}) {
        SCOPED_TRACE(testing::Message() << "softmax " << softmax << ", terms " << terms << ", layers " << layers);
        Problem problem({48, 64, layers, softmax}, terms);
        problem.run();
        check_forward(problem);
        check_backward(problem);
        check_gather(problem);
        check_products(problem);
        if (terms) check_hidden_terms(problem);  // last: it turns the terms into their gradients
      }
    }
  }
}

TEST_P(AttentionKernels, RowsMayStandInTwoPlaces) {
  for (const std::size_t layers : {1u, 3u}) {
    Problem plain({64, 64, layers});
    plain.run();
    Problem split({64, 64, layers});
    // The first three rows stay; the rest move to a place of their own, and nothing is left where they were.
    const std::size_t row_size = split.shape.row_size(), num_shared = 3;
    base::Buffer<float> own((Problem::kRows - num_shared) * row_size);
    for (std::size_t i = 0; i < own.size(); ++i) {
      own[i] = std::exchange(split.table[num_shared * row_size + i], std::numeric_limits<float>::quiet_NaN());
    }
    const TableRows<float> rows(split.table.data(), num_shared, own.data(), num_shared);
    attend<float>({split.shape, split.view(), rows, split.queries.data(), split.output_weights.data(), 0.25f,
                   split.pooled.data(), split.shape.width, split.weights.data(), split.masks.data()},
                  0, Problem::kSamples);
    AttentionBackward<float> backward = split.backward();
    backward.table = rows;
    attend_backward<float>(backward, 0, Problem::kSamples);
    EXPECT_TRUE(std::ranges::equal(split.pooled, plain.pooled));
    EXPECT_TRUE(std::ranges::equal(split.score_gradients, plain.score_gradients));
    EXPECT_TRUE(std::ranges::equal(split.query_signs, plain.query_signs));
  }
}

TEST_P(AttentionKernels, SoftmaxOfLargeAndOfManyScores) {
  // Scores of +-1,000 times a normal: exponentials overflow unless the largest is subtracted. 41 occurrences fill
  // vectors of every length and leave a rest.
  Problem p({16, 16, 1, true});
  constexpr std::uint32_t kCount = 41;
  p.offsets.assign(Problem::kSamples + 1, kCount);
  p.offsets[0] = 0;
  p.samples.assign(kCount, 0);
  p.rows.resize(kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) p.rows[i] = i % Problem::kRows;
  p.weights = base::Buffer<float>(kCount);
  p.masks = base::Buffer<std::uint8_t>(mask_buffer_bytes<float>(16, kCount));
  for (auto& v : p.output_weights) v *= 1000.0f;
  attend<float>({p.shape, p.view(), p.table.data(), p.queries.data(), p.output_weights.data(), 0.25f, p.pooled.data(),
                 p.shape.width, p.weights.data(), p.masks.data()},
                0, Problem::kSamples);
  double sum = 0.0;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    EXPECT_NEAR(p.weights[i], p.weight(i), kTolerance);
    sum += p.weights[i];
  }
  EXPECT_NEAR(sum, 1.0, 1e-5);
  for (std::size_t c = 0; c < p.shape.width; ++c) EXPECT_EQ(p.pooled[p.shape.width + c], 0.0f);  // empty history
}

TEST_P(AttentionKernels, SumRowsAndLookupGradients) {
  Problem p({32, 48, 3});
  base::Buffer<float> sum(48);
  sum_rows<float>(p.shape, p.table.data(), p.rows.data(), sum.data());
  for (std::size_t c = 0; c < 48; ++c) EXPECT_NEAR(sum[c], p.sum(0, 32 + c), 1e-5);
  for (const bool by_sample : {true, false}) {
    const base::Buffer<float>& gradients = by_sample ? p.pooled_gradient : p.table;  // any numbers: a row a look-up
    base::Buffer<float> out(Problem::kRows * p.shape.row_size());
    add_lookup_gradients<float>(
        {p.shape, gradients.data(), 48, by_sample ? p.samples.data() : nullptr, {p.first.data(), p.order.data()}},
        out.data(), 0, Problem::kRows);
    for (std::size_t i = 0; i < Problem::kRows * 48; ++i) {
      const std::size_t r = i / 48, c = i % 48;
      double expected = 0.0;
      for (std::size_t k = p.first[r]; k < p.first[r + 1]; ++k) {
        expected += gradients[(by_sample ? p.samples[p.order[k]] : p.order[k]) * 48 + c];
      }
      EXPECT_NEAR(out[r * 80 + 32 + c], expected, 1e-5);
    }
  }
}

NEUME_FOR_EVERY_INSTRUCTION_SET(AttentionKernels);

}  // namespace
}  // namespace neume::kernels
