#include "quantize/fit_memory.hpp"

#include <gtest/gtest.h>

#include <cstddef>

#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

TEST(FitMemory, TellsHowManyRowsFit) {
  const FitMemory memory{1000, 30};
  EXPECT_EQ(memory.of(7), 1210u);
  EXPECT_EQ(memory.rows_within(1210), 7u);
  EXPECT_EQ(memory.rows_within(1239), 7u);
  EXPECT_EQ(memory.rows_within(999), 0u);
}

// bench/large_fit.py measures that the estimate is one from above.
TEST(FitMemory, CountsTheRowsAndWhatEachMethodAdds) {
  constexpr std::size_t kWidth = 64, kRowBytes = kWidth * sizeof(float);
  const auto of = [&](QuantizerMethod method, const auto& change) {
    QuantizerOptions options = small_options(method);
    change(options);
    return fit_memory(options, kWidth);
  };
  const auto plain = [](QuantizerOptions&) {};
  const FitMemory rq = of(QuantizerMethod::rq, plain);
  EXPECT_GT(rq.per_row, kRowBytes);
  EXPECT_LT(rq.per_row, 2 * kRowBytes);
  EXPECT_GT(of(QuantizerMethod::rq, [](auto& o) { o.balanced = true; }).per_row, rq.per_row);
  EXPECT_GT(of(QuantizerMethod::rq, [](auto& o) { o.codes = {4096}; }).fixed, rq.fixed + 4096 * kRowBytes);
  EXPECT_GT(of(QuantizerMethod::psrq, plain).fixed, rq.fixed);
  EXPECT_GT(of(QuantizerMethod::psrq, [](auto& o) { o.choose_prefix_weight = true; }).fixed,
            of(QuantizerMethod::psrq, plain).fixed);
  EXPECT_GT(of(QuantizerMethod::opq, plain).per_row, of(QuantizerMethod::pq, plain).per_row + 2 * kRowBytes - 1);
  EXPECT_GT(of(QuantizerMethod::rqvae, plain).fixed, rq.fixed);
}

}  // namespace
}  // namespace neume::quantize
