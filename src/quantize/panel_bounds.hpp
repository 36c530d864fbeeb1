#pragma once
// Lower bounds on the distances of rows to panels of codewords, kept from pass to pass of Lloyd's algorithm: a panel
// whose codewords have not moved far enough to come near a row is passed over, and its products with it (as the groups
// of Ding et al., Yinyang k-means, ICML 2015; the panels are those of the filter in eight bits).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <neume/matrix.hpp>

#include "base/buffer.hpp"
#include "quantize/codebook_layer.hpp"

namespace neume::quantize {

/// More than what a few roundings to float take away.
inline constexpr float kRoundUp = 1.0f + 3e-7f;
inline constexpr float kRoundDown = 1.0f - 3e-7f;

/// The bounds of a block of rows.
struct BlockBounds {
  float* bounds;        ///< of row i and panel p at [i * num_panels + p], as codewords stood in the pass before
  const float* drifts;  ///< of each panel, how far a codeword has moved since then at most
  std::size_t num_panels;
  const float* own_norms;  ///< lambda^2 |p_i|^2 of the rows; null without a prefix half
  double prefix_rounding;  ///< how far the tables' part of a squared distance may be from the true one
};

/// For each row and panel, a distance (not squared, prefix half included) that every codeword of the panel but the
/// row's own is at least away. 4 bytes each.
class PanelBounds {
 public:
  /// None: empty() is true.
  PanelBounds() = default;
  /// Nothing is known at first: all bounds are 0.
  PanelBounds(std::size_t rows, std::size_t codes);

  /// Bounds that a row of `width` floats and `codes` codewords keep: none where they would be more than a quarter of
  /// the row.
  static std::size_t per_row(std::size_t codes, std::size_t width);

  bool empty() const { return num_panels_ == 0; }

  /// Takes note of where the codewords are now. `earlier` as in prepare_codebook, which has been called.
  void move_to(const CodebookLayer& codebook, std::span<const CodebookLayer> earlier, double prefix_weight);

  /// For codes that were given otherwise than by what the bounds say.
  void forget();

  /// The rows from `first` on; `own_norms` begins with row 0.
  BlockBounds block(std::size_t first, std::span<const float> own_norms) {
    return {bounds_.data() + first * num_panels_, drifts_.data(), num_panels_,
            own_norms.empty() ? nullptr : own_norms.data() + first, prefix_rounding_};
  }

 private:
  std::size_t num_panels_ = 0;
  base::Buffer<float> bounds_;
  std::vector<float> drifts_;
  Matrix residual_, prefix_;  // the codewords of the last move_to
  double prefix_rounding_ = 0.0;
};

}  // namespace neume::quantize
