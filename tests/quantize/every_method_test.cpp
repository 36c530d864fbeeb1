// Laws that hold for every quantizer, whatever its codec.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

using Case = MethodCase;

QuantizerOptions options_of(const Case& method) {
  RqVaeOptions rqvae;
  rqvae.hidden = {16};
  rqvae.latent_width = 8;
  rqvae.epochs = 3;
  rqvae.batch_size = 64;
  return method.options(rqvae);
}

class EveryMethod : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Quantizers, EveryMethod,
    testing::Values(Case{"psrq", QuantizerMethod::psrq},
                    Case{"psrq_half", QuantizerMethod::psrq, [](auto& o) { o.prefix_weight = 0.5; }},
                    Case{"rq", QuantizerMethod::rq}, Case{"vq", QuantizerMethod::vq}, Case{"pq", QuantizerMethod::pq},
                    Case{"opq", QuantizerMethod::opq}, Case{"rqvae", QuantizerMethod::rqvae},
                    Case{"balanced_rq", QuantizerMethod::rq, [](auto& o) { o.balanced = true; }},
                    Case{"balanced_vq", QuantizerMethod::vq, [](auto& o) { o.balanced = true; }}),
    [](const auto& method) { return method.param.name; });

TEST_P(EveryMethod, EncodeOfFittedRowsGivesFitCodes) {
  for (const std::size_t rows : {40u, 128u, 1300u}) {
    for (const auto scaling : {Scaling::none, Scaling::rms, Scaling::l2}) {
      const Matrix data = mixture_rows(rows, 11, 40, rows);
      const QuantizerFit fit = fit_rows(data, options_of(GetParam()), scaling);
      EXPECT_EQ(encode_rows(fit.quantizer, data.view()), fit.codes) << rows;
    }
  }
}

TEST_P(EveryMethod, CodesDoNotDependOnBatchOrderOrThreads) {
  const std::size_t rows = 600;
  const Matrix data = mixture_rows(rows, 12, 60, 7);
  const QuantizerFit fit = fit_rows(data, options_of(GetParam()));
  const std::size_t layers = fit.quantizer.num_layers();
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const Threads scope(threads);
    EXPECT_EQ(fit_rows(data, options_of(GetParam())).codes, fit.codes) << threads;
    for (const std::size_t batch : {1u, 127u, 513u}) {
      std::vector<Code> codes(rows * layers);
      for (std::size_t begin = 0; begin < rows; begin += batch) {
        const std::size_t end = std::min<std::size_t>(rows, begin + batch);
        fit.quantizer.encode(data.view().slice(begin, end),
                             std::span(codes).subspan(begin * layers, (end - begin) * layers));
      }
      EXPECT_EQ(codes, fit.codes) << batch;
    }
  }
  Matrix reversed(rows, 12);
  for (std::size_t i = 0; i < rows; ++i) std::ranges::copy(data.row(rows - 1 - i), reversed.row(i).begin());
  const auto codes = encode_rows(fit.quantizer, reversed.view());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t l = 0; l < layers; ++l) ASSERT_EQ(codes[i * layers + l], fit.codes[(rows - 1 - i) * layers + l]);
}

TEST_P(EveryMethod, AFileHoldsEverythingThatEncodeAndDecodeNeed) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / (GetParam().name + ".safetensors");
  const Matrix data = mixture_rows(500, 11, 40, 3), fresh = mixture_rows(300, 11, 40, 4);
  const QuantizerFit fit = fit_rows(data, options_of(GetParam()), Scaling::rms);
  fit.quantizer.save(file);
  const Quantizer loaded = Quantizer::load(file);
  EXPECT_EQ(loaded.codebook_sizes(), fit.quantizer.codebook_sizes());
  EXPECT_EQ(encode_rows(loaded, data.view()), fit.codes);
  EXPECT_EQ(encode_rows(loaded, fresh.view()), encode_rows(fit.quantizer, fresh.view()));
  Matrix before(500, 11), after(500, 11);
  fit.quantizer.decode(fit.codes, before.view());
  loaded.decode(fit.codes, after.view());
  EXPECT_TRUE(std::ranges::equal(before.flat(), after.flat()));
  EXPECT_EQ(loaded.options().balanced, options_of(GetParam()).balanced);
  std::filesystem::remove(file);
}

// Reconstruction is what decode leaves, in the space of the mapped rows.
TEST_P(EveryMethod, ReconstructionMeasuresWhatDecodeLeaves) {
  const Matrix data = mixture_rows(400, 9, 30, 5);
  const QuantizerFit fit = fit_rows(data, options_of(GetParam()), Scaling::rms);
  const Reconstruction found = fit.quantizer.reconstruction(data.view(), fit.codes);
  Matrix mapped(400, 9), decoded(400, 9);
  fit.quantizer.map(data.view(), mapped.view());
  fit.quantizer.decode(fit.codes, decoded.view());
  double error = 0, total = 0, cosine = 0;
  for (std::size_t i = 0; i < 400; ++i) {
    double inner = 0, x_norm = 0, y_norm = 0;
    for (std::size_t j = 0; j < 9; ++j) {
      const double x = mapped.row(i)[j];
      const double y = (double{decoded.row(i)[j]} - fit.quantizer.mean()[j]) * fit.quantizer.scale()[j];
      error += (x - y) * (x - y);
      total += x * x;
      inner += x * y;
      x_norm += x * x;
      y_norm += y * y;
    }
    cosine += inner / std::sqrt(x_norm * y_norm);
  }
  ASSERT_EQ(found.mse.size(), fit.quantizer.num_layers());
  EXPECT_NEAR(found.mse.back(), error / 400, 1e-5 * total / 400);
  EXPECT_NEAR(found.variance_explained.back(), 1 - error / total, 1e-5);
  EXPECT_NEAR(found.mean_cosine.back(), cosine / 400, 1e-5);
}

// The best of a wider beam is never further away than the best of a narrower one for methods whose layers only add
// (each keeps what the narrower keeps); in every case costs rise along the list and IDs differ.
TEST_P(EveryMethod, SearchFindsDifferentIdsInTheOrderOfTheirCosts) {
  const Matrix data = mixture_rows(200, 9, 60, 6);
  const QuantizerFit fit = fit_rows(data, options_of(GetParam()));
  const std::size_t layers = fit.quantizer.num_layers(), beam = 20;
  std::vector<Code> codes(200 * beam * layers);
  std::vector<double> costs(200 * beam);
  fit.quantizer.search(data.view(), beam, codes, costs);
  const std::size_t found = std::min<std::size_t>(beam, layers == 1 ? 16 : beam);
  for (std::size_t i = 0; i < 200; ++i) {
    std::set<std::vector<Code>> ids;
    for (std::size_t b = 0; b < found; ++b) {
      const Code* id = codes.data() + (i * beam + b) * layers;
      ids.insert({id, id + layers});
      if (b > 0) {
        EXPECT_LE(costs[i * beam + b - 1], costs[i * beam + b]);
      }
      for (std::size_t l = 0; l < layers; ++l) EXPECT_LT(id[l], 16);
    }
    EXPECT_EQ(ids.size(), found);
    for (std::size_t b = found; b < beam; ++b) EXPECT_EQ(codes[(i * beam + b) * layers], kNoCode);
  }
}

TEST_P(EveryMethod, OneRowAndNoRows) {
  QuantizerOptions options = options_of(GetParam());
  options.codes = {1};
  EXPECT_THROW(fit_rows(Matrix(0, 4), options), DataError);
  Matrix one(1, 4);
  one.row(0)[2] = 5.0f;
  const QuantizerFit fit = fit_rows(one, options);
  EXPECT_EQ(fit.codes, std::vector<Code>(fit.quantizer.num_layers(), 0));
  EXPECT_TRUE(encode_rows(fit.quantizer, ConstMatrixView{nullptr, 0, 4, 4}).empty());
}

TEST_P(EveryMethod, MissingCodesDecodeToNaN) {
  const Matrix data = mixture_rows(150, 6, 20, 3);
  const QuantizerFit fit = fit_rows(data, options_of(GetParam()));
  const std::size_t layers = fit.quantizer.num_layers();
  std::vector<Code> codes = fit.codes;
  std::fill_n(codes.begin() + static_cast<std::ptrdiff_t>(10 * layers), layers, kNoCode);
  Matrix decoded(150, 6);
  fit.quantizer.decode(codes, decoded.view());
  for (std::size_t i = 0; i < 150; ++i) EXPECT_EQ(std::isnan(decoded.row(i)[1]), i == 10);
  EXPECT_TRUE(std::isfinite(fit.quantizer.reconstruction(data.view(), codes).mse.back()));
  codes[0] = 16;
  EXPECT_THROW(fit.quantizer.decode(codes, decoded.view()), InvalidArgument);
}

}  // namespace
}  // namespace neume
