// The visitor that holds options to their ranges.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/range_check.hpp"

namespace neume::base {
namespace {

/// The message with which `options` are refused, or nothing.
template <class Options>
std::string complaint(Options options) {
  try {
    options.describe(RangeCheck{});
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return {};
}

TEST(RangeCheck, AcceptsDefaultsAndBothEnds) {
  QuantizerOptions options;
  EXPECT_EQ(complaint(options), "");
  options.layers = 1;
  EXPECT_EQ(complaint(options), "");
  options.layers = 16;
  EXPECT_EQ(complaint(options), "");
}

TEST(RangeCheck, NamesFieldRangeAndValue) {
  QuantizerOptions options;
  options.layers = 17;
  EXPECT_EQ(complaint(options), "layers: expected a number from 1 to 16, found 17");
}

TEST(RangeCheck, RefusesWhatIsNoNumber) {
  QuantizerOptions options;
  options.prefix_weight = std::nan("");
  EXPECT_NE(complaint(options).find("prefix-weight"), std::string::npos);
  options.prefix_weight = -0.5;
  EXPECT_NE(complaint(options).find("prefix-weight"), std::string::npos);
}

TEST(RangeCheck, LooksAtEveryElementOfAList) {
  QuantizerOptions options;
  options.codes = {4, 0, 4};
  EXPECT_NE(complaint(options).find("codes: expected a number from 1"), std::string::npos);
  options.codes = {};
  EXPECT_NE(complaint(options).find("codes"), std::string::npos);
}

TEST(RangeCheck, RefusesAChoiceOutsideItsNames) {
  QuantizerOptions options;
  options.method = static_cast<QuantizerMethod>(9);
  EXPECT_NE(complaint(options).find("method"), std::string::npos);
}

}  // namespace
}  // namespace neume::base
