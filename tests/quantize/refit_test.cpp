// Fits that continue from others, and the names that codes keep.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"
#include "quantize/code_matching.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

QuantizerOptions options_of(QuantizerMethod method, bool balanced = false) {
  QuantizerOptions options = small_options(method);
  options.balanced = balanced;
  return options;
}

const std::vector<std::pair<QuantizerMethod, bool>> kMethods{
    {QuantizerMethod::psrq, false}, {QuantizerMethod::rq, false},  {QuantizerMethod::vq, false},
    {QuantizerMethod::pq, false},   {QuantizerMethod::opq, false}, {QuantizerMethod::rq, true}};

double share_kept(const std::vector<Code>& before, const std::vector<Code>& after, std::size_t layers) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < before.size(); i += layers)
    kept += std::equal(before.begin() + i, before.begin() + i + layers, after.begin() + i) ? 1 : 0;
  return static_cast<double>(kept) / static_cast<double>(before.size() / layers);
}

Matrix first_rows(const Matrix& data, std::size_t count) {
  Matrix part(count, data.cols());
  std::copy_n(data.data(), part.size(), part.data());
  return part;
}

TEST(Refit, CodesOfFittedRowsAreThoseOfEncode) {
  const Matrix data = mixture_rows(900, 11, 40, 2);
  for (const auto& [method, balanced] : kMethods) {
    const QuantizerOptions options = options_of(method, balanced);
    const Quantizer before = fit_rows(first_rows(data, 800), options, Scaling::rms).quantizer;
    const QuantizerFit after = Quantizer::refit(before, data.clone(), options);
    EXPECT_EQ(after.codes, encode_rows(after.quantizer, data.view())) << static_cast<int>(method);
    EXPECT_TRUE(std::ranges::equal(after.quantizer.mean(), before.mean()));
    EXPECT_TRUE(std::ranges::equal(after.quantizer.scale(), before.scale()));
  }
}

TEST(Refit, SameCodesForAnyNumberOfThreads) {
  const Matrix data = mixture_rows(900, 11, 40, 2);
  for (const auto& [method, balanced] : kMethods) {
    const QuantizerOptions options = options_of(method, balanced);
    const Quantizer before = fit_rows(first_rows(data, 800), options).quantizer;
    const QuantizerFit expected = Quantizer::refit(before, data.clone(), options);
    for (const std::size_t threads : {1u, 3u}) {
      const Threads scope(threads);
      const QuantizerFit found = Quantizer::refit(before, data.clone(), options);
      EXPECT_EQ(found.codes, expected.codes);
      EXPECT_EQ(found.quantizer.statistics()->layers[0].usage, expected.quantizer.statistics()->layers[0].usage);
      EXPECT_EQ(found.quantizer.statistics()->layers[0].quantiles,
                expected.quantizer.statistics()->layers[0].quantiles);
    }
  }
}

// A tenth of the rows is new: continuing keeps most IDs where a fit from other seeds keeps next to none.
TEST(Refit, KeepsMoreIdsThanAFitAfresh) {
  const Matrix data = mixture_rows(2000, 11, 40, 6);
  for (const QuantizerMethod method : {QuantizerMethod::psrq, QuantizerMethod::rq, QuantizerMethod::pq}) {
    QuantizerOptions options = options_of(method);
    const Quantizer before = fit_rows(first_rows(data, 1800), options).quantizer;
    const std::vector<Code> old = encode_rows(before, data.view());
    const std::vector<Code> warm = Quantizer::refit(before, data.clone(), options).codes;
    const std::vector<Code> cold = fit_rows(data, options).codes;
    EXPECT_GT(share_kept(old, warm, 3), 0.35) << static_cast<int>(method);
    EXPECT_LT(share_kept(old, cold, 3), 0.05) << static_cast<int>(method);
  }
}

// A codebook whose codes were renamed at random gets the old names back, layer by layer, and with them the same IDs.
TEST(Refit, NamesComeBackAfterAnyRenaming) {
  const Matrix data = mixture_rows(1000, 9, 30, 5);
  for (const QuantizerMethod method : {QuantizerMethod::psrq, QuantizerMethod::pq, QuantizerMethod::opq}) {
    const QuantizerFit fit = fit_rows(data, options_of(method));
    const Codec& codec = fit.quantizer.codec();
    base::Random random(4);
    std::vector<std::vector<Code>> names(3, std::vector<Code>(16));
    for (auto& layer : names) {
      std::iota(layer.begin(), layer.end(), Code{0});
      for (std::size_t j = 15; j > 0; --j) std::swap(layer[j], layer[random.index(j + 1)]);
    }
    Matrix mapped(1000, 9);
    fit.quantizer.map(data.view(), mapped.view());
    const auto renamed = codec.renamed(names);
    const std::vector<Code> codes = encode_mapped(*renamed, mapped.view());
    for (std::size_t i = 0; i < codes.size(); ++i) ASSERT_EQ(codes[i], names[i % 3][fit.codes[i]]);
    const auto back = names_kept(fit.codes, codes, codec.codebook_sizes());
    EXPECT_EQ(encode_mapped(*renamed->renamed(back), mapped.view()), fit.codes);
  }
}

// Whole numbers, few of them distinct: rows between two codewords, and copies of codewords.
TEST(Refit, EncodeAgreesWhereDistancesAreEqual) {
  Matrix data(300, 2);
  for (std::size_t i = 0; i < 300; ++i) data.row(i)[0] = static_cast<float>(i % 20);
  QuantizerOptions options = options_of(QuantizerMethod::rq);
  const Quantizer before = fit_rows(first_rows(data, 200), options).quantizer;
  const QuantizerFit after = Quantizer::refit(before, data.clone(), options);
  EXPECT_EQ(after.codes, encode_rows(after.quantizer, data.view()));
}

std::string refusal(const Quantizer& before, const Matrix& data, const QuantizerOptions& options) {
  try {
    Quantizer::refit(before, data.clone(), options);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

TEST(Refit, RefusesAnotherShape) {
  const Matrix data = mixture_rows(200, 6, 20, 1);
  const QuantizerOptions options = options_of(QuantizerMethod::psrq);
  const Quantizer before = fit_rows(data, options).quantizer;
  QuantizerOptions other = options;
  other.codes = {17};
  EXPECT_NE(refusal(before, data, other).find("codes 16,16,16, give the same codes, found 17,17,17"),
            std::string::npos);
  other = options;
  other.layers = 2;
  EXPECT_NE(refusal(before, data, other).find("layers 3, give the same layers, found 2"), std::string::npos);
  other = options;
  other.method = QuantizerMethod::rq;
  EXPECT_NE(refusal(before, data, other).find("method psrq"), std::string::npos);
  other.method = QuantizerMethod::rqvae;
  EXPECT_NE(refusal(before, data, other).find("rqvae cannot continue"), std::string::npos);
  other = options;
  other.prefix_weight = 0.5;
  EXPECT_NE(refusal(before, data, other).find("prefix-weight 1"), std::string::npos);
  other = options;
  other.choose_prefix_weight = true;
  EXPECT_NE(refusal(before, data, other).find("instead of auto"), std::string::npos);
  EXPECT_NE(refusal(before, mixture_rows(200, 7, 20, 1), options).find("width 6"), std::string::npos);
}

}  // namespace
}  // namespace neume::quantize
