// Head, torso, tail and unseen items, and the metrics of a slice.

#include "eval/slices.hpp"

#include <gtest/gtest.h>

#include <vector>

#include <neume/error.hpp>

#include "eval/ranking_metrics.hpp"

namespace neume::eval {
namespace {

constexpr auto H = Popularity::head, O = Popularity::torso, A = Popularity::tail, U = Popularity::unseen;
using Counts = std::vector<std::uint32_t>;
using Classes = std::vector<Popularity>;

TEST(Popularity, HandWorkedCatalogues) {
  // 100 interactions, in order 40 20 | 15 10 5 | 5 3 2: those before the 15 are 60, those before the second 5 are 90.
  EXPECT_EQ(popularity_classes(Counts{15, 40, 0, 10, 20, 5, 2, 5, 3}), (Classes{O, H, U, O, H, O, A, A, A}));
  EXPECT_EQ(popularity_classes(Counts{7}), (Classes{H}));
  EXPECT_EQ(popularity_classes(Counts{0, 0}), (Classes{U, U}));
  EXPECT_TRUE(popularity_classes(Counts{}).empty());
}

TEST(Popularity, BordersBelongToTheNextClass) {
  // 10 items of one count: the first 5 have half, the next 4 reach nine tenths.
  EXPECT_EQ(popularity_classes(Counts(10, 3)), (Classes{H, H, H, H, H, O, O, O, O, A}));
}

TEST(Slice, IsTheMetricsOfItsSamples) {
  const std::vector<float> logits{0.3f, -1.0f, 2.0f, 0.1f, 0.7f};
  const std::vector<std::uint8_t> labels{1, 0, 0, 1, 0};
  const Counts targets{4, 4, 1, 2, 3};
  const auto slice = judge_slice("x", {logits, labels, targets}, 9, [](std::uint32_t item) { return item != 1; });
  EXPECT_EQ(slice.name, "x");
  EXPECT_EQ(slice.items, 8u);
  EXPECT_EQ(slice.samples, 4u);
  EXPECT_EQ(slice.positives, 2u);
  const std::vector<float> left{0.3f, -1.0f, 0.1f, 0.7f};
  const std::vector<std::uint8_t> left_labels{1, 0, 1, 0};
  EXPECT_EQ(slice.auc, 0.5);
  EXPECT_EQ(slice.logloss, log_loss(left, left_labels));
  EXPECT_EQ(slice.base_rate, 0.5);
  EXPECT_EQ(slice.mean_prediction, mean_prediction(left));
}

TEST(Slice, WithoutSamplesOrWithOneClass) {
  const std::vector<float> logits{0.3f, -1.0f};
  const std::vector<std::uint8_t> labels{1, 0};
  const Counts targets{0, 1};
  const JudgedSamples samples{logits, labels, targets};
  const auto none = judge_slice("none", samples, 5, [](std::uint32_t item) { return item > 1; });
  EXPECT_EQ(none.items, 3u);
  EXPECT_EQ(none.samples, 0u);
  EXPECT_FALSE(none.auc || none.logloss || none.base_rate || none.mean_prediction);
  const auto one_class = judge_slice("one", samples, 5, [](std::uint32_t item) { return item == 0; });
  EXPECT_FALSE(one_class.auc.has_value());
  EXPECT_EQ(one_class.base_rate, 1.0);
  EXPECT_THROW(judge_slice("short", {logits, labels, std::span(targets).first(1)}, 5, [](auto) { return true; }),
               InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
