// The attention kernels against plain double loops written from the header's formulas, for every instruction set that
// this machine has, several layer counts, widths and hidden widths.

#include "kernels/attention.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <vector>

#include "base/buffer.hpp"
#include "base/random.hpp"

namespace neume::kernels {
namespace {

/// Random tables, occurrences and gradients of one shape; samples have 0, 1, 2, ... occurrences.
struct Problem {
  static constexpr std::size_t kSamples = 6;
  static constexpr std::size_t kRows = 9;

  explicit Problem(AttentionShape s) : shape(s) {
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
    pooled = base::Buffer<float>(kSamples * shape.width);
    weights = base::Buffer<float>(samples.size());
    weight_gradients = base::Buffer<float>(samples.size());
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
  double hidden(std::size_t n, std::size_t c) const { return sum(n, c) + queries[samples[n] * shape.hidden + c]; }

  void run() {
    attend<float>({shape, view(), table.data(), queries.data(), output_weights.data(), 0.25f, pooled.data(),
                   shape.width, weights.data(), masks.data()},
                  0, kSamples);
    attend_backward<float>(backward(), 0, kSamples);
  }
  AttentionBackward<float> backward() {
    return {shape,
            view(),
            table.data(),
            pooled_gradient.data(),
            shape.width,
            weights.data(),
            masks.data(),
            weight_gradients.data(),
            query_signs.data()};
  }

  AttentionShape shape;
  std::vector<std::uint32_t> offsets, rows, samples, first, order;
  base::Buffer<float> table, queries, output_weights, pooled_gradient;
  base::Buffer<float> pooled, weights, weight_gradients, query_signs;
  base::Buffer<std::uint8_t> masks;
};

/// Unit normals, at most 16 x 3 summed terms of products: 1e-4 is far above rounding and far below any wrong term.
constexpr double kTolerance = 1e-4;

void check_forward(Problem& p) {
  std::vector<double> pooled(Problem::kSamples * p.shape.width, 0.0);
  for (std::size_t n = 0; n < p.samples.size(); ++n) {
    double weight = 0.25;
    for (std::size_t c = 0; c < p.shape.hidden; ++c) weight += p.output_weights[c] * std::max(p.hidden(n, c), 0.0);
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
    double gradient = 0.0;
    for (std::size_t c = 0; c < p.shape.width; ++c) {
      gradient += p.pooled_gradient[p.samples[n] * p.shape.width + c] * p.sum(n, p.shape.hidden + c);
    }
    EXPECT_NEAR(p.weight_gradients[n], gradient, kTolerance);
    for (std::size_t c = 0; c < p.shape.hidden; ++c) {
      if (p.hidden(n, c) > 0) signs[p.samples[n] * p.shape.hidden + c] += gradient;
    }
  }
  for (std::size_t i = 0; i < signs.size(); ++i) EXPECT_NEAR(p.query_signs[i], signs[i], kTolerance);
}

void check_gather(Problem& p) {
  std::vector<double> expected(Problem::kRows * p.shape.row_size(), 0.0);
  for (std::size_t n = 0; n < p.samples.size(); ++n) {
    for (std::size_t l = 0; l < p.shape.layers; ++l) {
      double* row = expected.data() + p.rows[n * p.shape.layers + l] * p.shape.row_size();
      for (std::size_t c = 0; c < p.shape.hidden; ++c) row[c] += p.hidden(n, c) > 0 ? p.weight_gradients[n] : 0.0;
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

class AttentionKernels : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

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

TEST_P(AttentionKernels, SumRowsAndTargetGradients) {
  Problem p({32, 48, 3});
  base::Buffer<float> sum(48);
  sum_rows<float>(p.shape, p.table.data(), p.rows.data(), sum.data());
  for (std::size_t c = 0; c < 48; ++c) EXPECT_NEAR(sum[c], p.sum(0, 32 + c), 1e-5);
  base::Buffer<float> out(Problem::kRows * p.shape.row_size());
  add_target_gradients<float>(
      {p.shape, p.pooled_gradient.data(), 48, p.samples.data(), {p.first.data(), p.order.data()}}, out.data(), 0,
      Problem::kRows);
  for (std::size_t r = 0; r < Problem::kRows; ++r) {
    for (std::size_t c = 0; c < 48; ++c) {
      double expected = 0.0;
      for (std::size_t i = p.first[r]; i < p.first[r + 1]; ++i) {
        expected += p.pooled_gradient[p.samples[p.order[i]] * 48 + c];
      }
      EXPECT_NEAR(out[r * 80 + 32 + c], expected, 1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, AttentionKernels, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()),
                         [](const auto& target) { return std::string(hwy::TargetName(target.param)); });

}  // namespace
}  // namespace neume::kernels
