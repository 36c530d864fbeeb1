// Rows that no encoder should make and some do: every method fits them soundly, or says what is wrong with them.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

struct Case {
  std::string name;
  QuantizerMethod method;
  bool balanced = false;
};

class HostileRows : public testing::TestWithParam<Case> {
 protected:
  static QuantizerOptions options(std::size_t codes) {
    QuantizerOptions options = small_options(GetParam().method);
    options.codes = {codes};
    options.balanced = GetParam().balanced;
    options.iterations = 6;
    options.rqvae.hidden = {8};
    options.rqvae.latent_width = 4;
    options.rqvae.epochs = 2;
    options.rqvae.batch_size = 32;
    return options;
  }

  static bool is_product() {
    return GetParam().method == QuantizerMethod::pq || GetParam().method == QuantizerMethod::opq;
  }

  /// Fits, and holds the result to what every quantizer promises: finite numbers (a file with others is refused), codes
  /// that encode gives again, a sound reconstruction.
  static void expect_sound(const Matrix& rows, std::size_t codes, Scaling scaling) {
    const QuantizerFit fit = fit_rows(rows, options(codes), scaling);
    EXPECT_EQ(encode_rows(fit.quantizer, rows.view()), fit.codes);
    for (const LayerReport& report : fit.quantizer.reports())
      for (const double objective : report.objective) EXPECT_TRUE(std::isfinite(objective)) << objective;
    const Reconstruction kept = fit.quantizer.reconstruction(rows.view(), fit.codes);
    for (std::size_t l = 0; l < kept.mse.size(); ++l) {
      EXPECT_TRUE(std::isfinite(kept.mse[l]) && std::isfinite(kept.mean_cosine[l])) << kept.mse[l];
      EXPECT_LE(kept.variance_explained[l], 1.0);
    }
    const auto file =
        std::filesystem::path(testing::TempDir()) / ("hostile-" + GetParam().name + std::to_string(getpid()));
    fit.quantizer.save(file);
    EXPECT_EQ(encode_rows(Quantizer::load(file), rows.view()), fit.codes);
    std::filesystem::remove(file);
  }

  static void expect_refused(const Matrix& rows, std::size_t codes, Scaling scaling, const std::string& text) {
    try {
      fit_rows(rows, options(codes), scaling);
      FAIL() << "expected: " << text;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  }

  static constexpr Scaling kScalings[] = {Scaling::none, Scaling::rms, Scaling::l2};
};

INSTANTIATE_TEST_SUITE_P(Quantizers, HostileRows,
                         testing::Values(Case{"psrq", QuantizerMethod::psrq}, Case{"rq", QuantizerMethod::rq},
                                         Case{"vq", QuantizerMethod::vq}, Case{"pq", QuantizerMethod::pq},
                                         Case{"opq", QuantizerMethod::opq}, Case{"rqvae", QuantizerMethod::rqvae},
                                         Case{"balanced", QuantizerMethod::rq, true}),
                         [](const auto& method) { return method.param.name; });

TEST_P(HostileRows, ConstantColumns) {
  Matrix rows = mixture_rows(300, 9, 20, 1);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    rows.row(i)[0] = 0.0f;
    rows.row(i)[4] = 1e6f;
    rows.row(i)[8] = -1e-30f;
  }
  for (const Scaling scaling : kScalings) expect_sound(rows, 8, scaling);
}

TEST_P(HostileRows, AllRowsEqual) {
  Matrix rows(200, 6);
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = 0.1f * static_cast<float>(i % 6) - 0.2f;
  for (const Scaling scaling : kScalings) {
    expect_sound(rows, 1, scaling);
    if (is_product()) {
      expect_sound(rows, 4, scaling);
    } else {
      expect_refused(rows, 4, scaling,
                     "layer 1 asks for 4 codes, but there are only 1 distinct rows among 200; use at most 1 codes");
    }
  }
  expect_sound(Matrix(200, 6), 1, Scaling::l2);  // zeros have no norm to be divided by
}

TEST_P(HostileRows, OneRow) {
  const Matrix row = mixture_rows(1, 6, 1, 3);
  for (const Scaling scaling : kScalings) expect_sound(row, 1, scaling);
}

TEST_P(HostileRows, MoreCodesThanDistinctRows) {
  Matrix rows = mixture_rows(60, 6, 8, 4);
  for (std::size_t i = 5; i < 60; ++i) std::ranges::copy(rows.row(i % 5), rows.row(i).begin());
  if (is_product()) {
    expect_sound(rows, 16, Scaling::none);
  } else {
    expect_refused(rows, 16, Scaling::none, "layer 1 asks for 16 codes, but there are only 5 distinct rows among 60");
    expect_sound(rows, 5, Scaling::none);
  }
}

// Squares of such values are zero in single precision.
TEST_P(HostileRows, Denormals) {
  Matrix rows = mixture_rows(150, 7, 12, 5);
  for (float& x : rows.flat()) x *= 1e-41f;
  for (const Scaling scaling : {Scaling::none, Scaling::rms, Scaling::l2}) expect_sound(rows, 6, scaling);
  rows.row(0)[0] = 1.0f;
  expect_sound(rows, 2, Scaling::none);
}

TEST_P(HostileRows, HugeNorms) {
  Matrix rows = mixture_rows(150, 7, 12, 6);
  for (float& x : rows.flat()) x *= 1e16f;
  for (const Scaling scaling : kScalings) expect_sound(rows, 6, scaling);
  for (float& x : rows.flat()) x *= 1e3f;
  expect_refused(rows, 6, Scaling::none, "is too large for distances in single precision");
  for (const Scaling scaling : {Scaling::rms, Scaling::l2}) expect_sound(rows, 6, scaling);
  rows.row(149)[6] = std::numeric_limits<float>::max();
  rows.row(148)[6] = -std::numeric_limits<float>::max();
  expect_refused(rows, 6, Scaling::none, "is too large for distances in single precision");
}

TEST_P(HostileRows, ValuesThatAreNotFinite) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    Matrix rows = mixture_rows(150, 7, 12, 6);
    rows.row(149)[6] = bad;
    for (const Scaling scaling : kScalings) expect_refused(rows, 6, scaling, "row 149: column 6 is ");
  }
}

}  // namespace
}  // namespace neume
