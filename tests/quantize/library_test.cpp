// What other programs use of stage 1: views, results by value, and what a wrong call ends in.

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include <neume/error.hpp>
#include <neume/execution.hpp>
#include <neume/quantizer.hpp>

#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

constexpr std::size_t kRows = 300, kWidth = 5;

/// Rows with two floats between them that do not belong to any row.
std::vector<float> spaced(const Matrix& rows) {
  std::vector<float> values;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    values.insert(values.end(), rows.row(i).begin(), rows.row(i).end());
    values.insert(values.end(), 2, std::numeric_limits<float>::quiet_NaN());
  }
  return values;
}

const InputShape kShape{{"text"}, {kWidth}};

TEST(Library, FitOfAViewIsFitOfTheMatrixAndLeavesTheRows) {
  const Matrix rows = mixture_rows(kRows, kWidth, 20, 1);
  const std::vector<float> values = spaced(rows);
  const ConstMatrixView view{values.data(), kRows, kWidth, kWidth + 2};
  const QuantizerFit of_view = Quantizer::fit(view, kShape, small_options());
  const QuantizerFit of_matrix = Quantizer::fit(rows.clone(), kShape, small_options());
  EXPECT_EQ(of_view.codes, of_matrix.codes);
  EXPECT_EQ(of_view.quantizer.encode(view), of_view.codes);
  for (std::size_t i = 0; i < kRows; ++i) EXPECT_TRUE(std::ranges::equal(view.row(i), rows.row(i)));
}

TEST(Library, ResultsByValueAreThoseOfTheSpans) {
  const Matrix rows = mixture_rows(kRows, kWidth, 20, 1);
  const QuantizerFit fit = fit_rows(rows, small_options());
  std::vector<Code> codes(fit.codes.size());
  fit.quantizer.encode(rows.view(), codes);
  EXPECT_EQ(fit.quantizer.encode(rows.view()), codes);
  EXPECT_EQ(fit.quantizer.encode(rows.view(), {.beam = 3}).size(), codes.size());
  Matrix decoded(kRows, kWidth);
  fit.quantizer.decode(codes, decoded.view());
  EXPECT_TRUE(std::ranges::equal(fit.quantizer.decode(codes).flat(), decoded.flat()));
  codes.pop_back();
  EXPECT_THROW(fit.quantizer.decode(codes), InvalidArgument);
}

TEST(Library, AsRowsWantsWholeRows) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(as_rows(values, 3).row(1)[0], 4.0f);
  EXPECT_EQ(as_rows(values, 3).rows, 2u);
  EXPECT_EQ(as_rows({}, 3).rows, 0u);
  EXPECT_THROW(as_rows(values, 4), InvalidArgument);
  EXPECT_THROW(as_rows(values, 0), InvalidArgument);
}

TEST(Library, AForgottenStrideIsRefused) {
  const Matrix rows = mixture_rows(kRows, kWidth, 20, 1);
  const QuantizerFit fit = fit_rows(rows, small_options());
  const ConstMatrixView without{rows.data(), kRows, kWidth};
  EXPECT_THROW(Quantizer::fit(without, kShape, small_options()), InvalidArgument);
  EXPECT_THROW(fit.quantizer.encode(without), InvalidArgument);
  EXPECT_THROW(fit.quantizer.reconstruction(without, fit.codes), InvalidArgument);
}

TEST(Library, AnEmptyQuantizerSaysSo) {
  const Quantizer empty;
  EXPECT_EQ(empty.width(), 0u);
  const std::vector<Code> codes;
  EXPECT_THROW(empty.num_layers(), InvalidArgument);
  EXPECT_THROW(empty.encode(ConstMatrixView{}), InvalidArgument);
  EXPECT_THROW(empty.decode(codes), InvalidArgument);
  EXPECT_THROW(empty.save("/nowhere/x"), InvalidArgument);
}

TEST(Library, BlockWidthsThatOverflowAreRefused) {
  const std::size_t half = std::size_t{1} << 63;
  EXPECT_THROW(
      Quantizer::fit(mixture_rows(kRows, kWidth, 20, 1), {{"a", "b", "c"}, {half, half, kWidth}}, small_options()),
      InvalidArgument);
}

TEST(Library, AMatrixBeyondTheAddressSpaceIsBadAlloc) {
  const std::size_t huge = std::size_t{1} << 62;
  EXPECT_THROW(Matrix(huge, 4), std::bad_alloc);  // 2^66 bytes: 0 in 64 bits
  EXPECT_THROW(Matrix(huge, 1), std::bad_alloc);
}

TEST(Library, NoThreadsAskedForIsWhatOpenMpWouldUse) {
  const std::size_t before = num_threads();
  set_num_threads(before + 3);
  EXPECT_EQ(num_threads(), before + 3);
  set_num_threads(0);
  EXPECT_EQ(num_threads(), before);
}

TEST(Library, TheInstructionSetIsLimitedBeforeWorkOrNotAtAll) {
  const Matrix rows = mixture_rows(kRows, kWidth, 20, 1);
  fit_rows(rows, small_options());
  EXPECT_THROW(limit_instruction_set(InstructionSet::avx2), InvalidArgument);
}

}  // namespace
}  // namespace neume
