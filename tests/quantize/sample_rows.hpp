#pragma once
// Rows to cluster, and bridges from the library's types to the oracle's.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <neume/quantizer.hpp>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "quantize/oracle.hpp"
#include "quantize/residual_codec.hpp"

namespace neume {

/// Rows around `components` centres, off the origin.
inline Matrix mixture_rows(std::size_t rows, std::size_t width, std::size_t components, std::uint64_t seed) {
  base::Random random(seed);
  Matrix centres(components, width), data(rows, width);
  for (float& x : centres.flat()) x = 3.0f + 2.0f * static_cast<float>(random.normal());
  for (std::size_t i = 0; i < rows; ++i) {
    const auto centre = centres.row(random.index(components));
    for (std::size_t j = 0; j < width; ++j) data.row(i)[j] = centre[j] + 0.7f * static_cast<float>(random.normal());
  }
  return data;
}

/// One Gaussian, without structure.
inline Matrix random_rows(std::size_t count, std::size_t width, std::uint64_t seed) {
  base::Random random(seed);
  Matrix rows(count, width);
  for (float& x : rows.flat()) x = static_cast<float>(random.normal());
  return rows;
}

inline oracle::Rows to_oracle(ConstMatrixView rows) {
  oracle::Rows result;
  for (std::size_t i = 0; i < rows.rows; ++i) result.emplace_back(rows.row(i).begin(), rows.row(i).end());
  return result;
}

/// Layer l of a psrq, rq or vq.
inline const CodebookLayer& layer_of(const Quantizer& quantizer, std::size_t l) {
  return dynamic_cast<const quantize::ResidualCodec&>(quantizer.codec()).layers()[l];
}

inline std::vector<double> explained_variance(const Quantizer& quantizer, ConstMatrixView rows,
                                              std::span<const Code> codes) {
  return quantizer.reconstruction(rows, codes).variance_explained;
}

/// Codewords as the oracle has them: residual half, then lambda times the prefix half.
inline oracle::Rows to_oracle(const CodebookLayer& layer, double lambda) {
  oracle::Rows result = to_oracle(layer.residual.view());
  if (layer.prefix.empty()) return result;
  for (std::size_t j = 0; j < result.size(); ++j)
    for (const float x : layer.prefix.row(j)) result[j].push_back(lambda * double{x});
  return result;
}

/// x' = (x - mean) * scale in double (no l2 step).
inline oracle::Rows transformed(const Quantizer& quantizer, ConstMatrixView rows) {
  oracle::Rows result = to_oracle(rows);
  for (auto& row : result)
    for (std::size_t j = 0; j < row.size(); ++j)
      row[j] = (row[j] - double{quantizer.mean()[j]}) * double{quantizer.scale()[j]};
  return result;
}

inline InputShape one_block(std::size_t width, Scaling scaling = Scaling::none) {
  return {{"text"}, {width}, scaling};
}

inline QuantizerFit fit_rows(const Matrix& rows, const QuantizerOptions& options, Scaling scaling = Scaling::none) {
  return Quantizer::fit(rows.clone(), one_block(rows.cols(), scaling), options);
}

inline QuantizerOptions small_options(QuantizerMethod method = QuantizerMethod::psrq, double prefix_weight = 1.0) {
  QuantizerOptions options;
  options.method = method;
  options.layers = 3;
  options.codes = {16};
  options.prefix_weight = prefix_weight;
  options.iterations = 12;
  options.seed = 5;
  return options;
}

/// One of the quantizers that a law holds for: a method, and what it changes of small_options().
struct MethodCase {
  std::string name;
  QuantizerMethod method;
  std::function<void(QuantizerOptions&)> change = [](QuantizerOptions&) {};

  /// `rqvae` is for method rqvae: how long it trains is what a test's time goes to.
  QuantizerOptions options(const RqVaeOptions& rqvae) const {
    QuantizerOptions options = small_options(method);
    options.rqvae = rqvae;
    change(options);
    return options;
  }
};

inline std::vector<Code> encode_rows(const Quantizer& quantizer, ConstMatrixView rows) {
  std::vector<Code> codes(rows.rows * quantizer.num_layers());
  quantizer.encode(rows, codes);
  return codes;
}

/// Sets the number of threads for one scope.
class Threads {
 public:
  explicit Threads(std::size_t count) : previous_(base::num_threads()) { base::set_num_threads(count); }
  ~Threads() { base::set_num_threads(previous_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  std::size_t previous_;
};

}  // namespace neume
