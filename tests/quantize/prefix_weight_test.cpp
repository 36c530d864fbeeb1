// The search behind --prefix-weight auto.

#include <gtest/gtest.h>

#include <neume/error.hpp>

#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

QuantizerOptions automatic(double share) {
  QuantizerOptions options = small_options(QuantizerMethod::psrq);
  options.choose_prefix_weight = true;
  options.prefix_weight_share = share;
  return options;
}

TEST(PrefixWeight, TheChosenWeightKeepsTheShareAndLargerOnesThatWereTriedDoNot) {
  const Matrix data = mixture_rows(1500, 12, 300, 1);
  const QuantizerFit fit = fit_rows(data, automatic(0.97));
  ASSERT_TRUE(fit.prefix_weight_choice.has_value());
  const PrefixWeightChoice& choice = *fit.prefix_weight_choice;
  EXPECT_EQ(choice.rows, 1500u);
  ASSERT_GE(choice.trials.size(), 3u);
  EXPECT_EQ(choice.trials[0].prefix_weight, 0.0);
  EXPECT_DOUBLE_EQ(choice.needed, 0.97 * choice.trials[0].variance_explained);
  for (const PrefixWeightTrial& trial : choice.trials) {
    if (trial.prefix_weight == choice.prefix_weight) {
      EXPECT_GE(trial.variance_explained, choice.needed);
    } else if (trial.prefix_weight > choice.prefix_weight) {
      EXPECT_LT(trial.variance_explained, choice.needed);
    }
  }
  EXPECT_GT(choice.prefix_weight, 0.0);
  EXPECT_LT(choice.prefix_weight, 1.0);
}

TEST(PrefixWeight, TheQuantizerIsTheOneWithTheChosenWeight) {
  const Matrix data = mixture_rows(1000, 10, 200, 2);
  const QuantizerFit fit = fit_rows(data, automatic(0.95));
  const double weight = fit.prefix_weight_choice->prefix_weight;
  EXPECT_EQ(fit.quantizer.options().prefix_weight, weight);
  EXPECT_FALSE(fit.quantizer.options().choose_prefix_weight);
  EXPECT_EQ(fit.codes, fit_rows(data, small_options(QuantizerMethod::psrq, weight)).codes);
  const Reconstruction kept = fit.quantizer.reconstruction(data.view(), fit.codes);
  EXPECT_NEAR(kept.variance_explained.back(), 1.0, 1.0 - fit.prefix_weight_choice->needed + 1e-5);
}

// A share of 0 is kept by every weight: the search stops at its upper end. A share of 1 is kept by rq, and by others
// only where they explain as much.
TEST(PrefixWeight, TheEndsOfTheShare) {
  const Matrix data = mixture_rows(600, 8, 100, 3);
  EXPECT_EQ(fit_rows(data, automatic(0.0)).prefix_weight_choice->prefix_weight, 16.0);
  const auto strict = *fit_rows(data, automatic(1.0)).prefix_weight_choice;
  EXPECT_LT(strict.prefix_weight, 0.5);
}

TEST(PrefixWeight, OnlyPsrqHasOneToChoose) {
  QuantizerOptions options = automatic(0.97);
  options.method = QuantizerMethod::rq;
  EXPECT_THROW(fit_rows(mixture_rows(100, 4, 20, 1), options), InvalidArgument);
}

}  // namespace
}  // namespace neume
