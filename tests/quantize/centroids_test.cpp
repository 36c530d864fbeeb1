// What codes stand for.

#include "quantize/centroids.hpp"

#include <gtest/gtest.h>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::quantize {
namespace {

QuantizerFit fit(QuantizerMethod method, std::vector<std::size_t> codes) {
  base::Random random(2);
  Matrix rows(80, 6);
  for (float& x : rows.flat()) x = static_cast<float>(random.normal());
  QuantizerOptions options;
  options.method = method;
  options.layers = codes.size();
  options.codes = std::move(codes);
  options.rqvae.hidden = {8};
  options.rqvae.latent_width = 4;
  options.rqvae.epochs = 2;
  return Quantizer::fit(std::move(rows), {{"text"}, {6}, Scaling::none}, options);
}

TEST(Centroids, SumToWhatTheCodesDecodeTo) {
  for (const QuantizerMethod method : {QuantizerMethod::vq, QuantizerMethod::rq, QuantizerMethod::psrq}) {
    SCOPED_TRACE(kQuantizerMethodNames[static_cast<std::size_t>(method)]);
    const bool has_one_layer = method == QuantizerMethod::vq;
    const QuantizerFit fitted =
        fit(method, has_one_layer ? std::vector<std::size_t>{5} : std::vector<std::size_t>{5, 4, 3});
    const Quantizer& quantizer = fitted.quantizer;
    const std::vector<Matrix> centroids = centroids_of(quantizer);
    ASSERT_EQ(centroids.size(), quantizer.num_layers());
    Matrix decoded(80, 6);
    quantizer.decode(fitted.codes, decoded.view());
    for (std::size_t row = 0; row < 80; ++row) {
      for (std::size_t c = 0; c < 6; ++c) {
        float sum = quantizer.mean()[c];
        for (std::size_t l = 0; l < centroids.size(); ++l)
          sum += centroids[l].row(fitted.codes[row * centroids.size() + l])[c];
        EXPECT_NEAR(decoded.row(row)[c], sum, 1e-5) << row << ", " << c;
      }
    }
  }
}

TEST(Centroids, AreNotThereForCodesOfOtherSpaces) {
  for (const QuantizerMethod method : {QuantizerMethod::pq, QuantizerMethod::opq, QuantizerMethod::rqvae}) {
    EXPECT_THROW(centroids_of(fit(method, {4, 4}).quantizer), InvalidArgument);
  }
}

}  // namespace
}  // namespace neume::quantize
