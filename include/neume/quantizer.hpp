#pragma once
// Stage 1: residual quantizers that turn an embedding into a semantic ID (c_1, ..., c_L).
//
//   layer 1   C_1 = kmeans(X);                              c_1 = nearest(x, C_1);    r_2 = x - C_1[c_1]
//   layer l   C_l = kmeans([R_l, lambda * (X - R_l)]);      c_l = nearest([r_l, lambda (x - r_l)], C_l)
//             r_{l+1} = r_l - (residual half of C_l[c_l])
//
// lambda = 1 is PSRQ (arXiv 2508.20359, section 3.2), lambda = 0 is residual quantization, one layer is VQ. The paper
// writes "R_{l+1} = R_l - NearestRep(R_l, C_l)" although C_l has 2d columns; the reading above follows its figure 2b.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/options.hpp>
#include <neume/progress.hpp>
#include <neume/semantic_ids.hpp>

namespace neume {

enum class QuantizerMethod { psrq, rq, vq };
inline constexpr ChoiceNames<3> kQuantizerMethodNames{"psrq", "rq", "vq"};

/// How each modality (a block of columns) is scaled before the mean is taken away.
enum class Scaling {
  none,  ///< as given (the paper to the letter)
  rms,   ///< divided by the root mean squared norm of its centred rows: every modality weighs the same
  l2     ///< every row divided by its own norm
};
inline constexpr ChoiceNames<3> kScalingNames{"none", "rms", "l2"};

/// What `fit` needs to know. `codes` has one entry for all layers or one a layer.
struct QuantizerOptions {
  QuantizerMethod method = QuantizerMethod::psrq;
  std::size_t layers = 3;
  std::vector<std::size_t> codes = {256};
  double prefix_weight = 1.0;
  std::size_t iterations = 25;
  double tolerance = 1e-5;
  std::uint64_t seed = 1;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.choice("method", method, kQuantizerMethodNames,
                 "quantizer: psrq keeps the prefix in view, rq does not, vq has one layer");
    visit.number("layers", layers, {1, 16}, "number of layers L (vq: 1)");
    visit.list("codes", codes, {1, 65535}, "codes per layer k: one number, or one a layer");
    visit.number("prefix-weight", prefix_weight, {0, 1000},
                 "weight lambda of the prefix in psrq; 1 is the paper, 0 is rq");
    visit.number("iterations", iterations, {1, 10000}, "Lloyd iterations a layer, at most");
    visit.number("tolerance", tolerance, {0, 1}, "a layer stops when its objective falls by less than this share");
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of the initial centroids");
  }

  /// Throws InvalidArgument with the field, the range and the value found.
  void validate() const;

  /// The k of every layer, `layers` entries (one for vq).
  std::vector<std::size_t> codes_by_layer() const;

  /// lambda as used: prefix_weight for psrq, 0 for rq and vq.
  double effective_prefix_weight() const;
};

/// What a fit did in one layer.
struct LayerReport {
  std::vector<double> objective;  ///< mean squared distance to the nearest centroid (2d-wide for psrq) at each
                                  ///< assignment; the last one belongs to the codes that fit returns
  std::size_t reseeded = 0;       ///< clusters that ran empty and were moved
  double seconds = 0.0;           ///< wall time of the layer: seeding, iterations, final assignment
};

/// One layer's codewords, and what makes an assignment to them one matrix product (mission: "exact algebra" 1): the
/// distance of a row with residual r and earlier codes c_m to code j is, but for a term that does not depend on j,
/// bias[j] - 2 r . residual[j] - 2 sum over m of tables[m][c_m][j].
struct CodebookLayer {
  Matrix residual;             ///< k x d
  Matrix prefix;               ///< k x d, not scaled by lambda; empty in layer 0 and where lambda is 0
  std::vector<float> bias;     ///< k: |residual[j]|^2 + lambda^2 |prefix[j]|^2
  std::vector<Matrix> tables;  ///< one for each earlier layer m: k_m x k, lambda^2 * residual_m[i] . prefix[j]

  std::size_t size() const { return residual.rows(); }
};

/// Shape and scaling of the vectors that a quantizer accepts: columns in blocks, one a modality.
struct InputShape {
  std::vector<std::string> block_names;   ///< modality names; one entry unless the family is joint
  std::vector<std::size_t> block_widths;  ///< columns of each block; their sum is d
  Scaling scaling = Scaling::none;
};

struct QuantizerFit;

/// A fitted quantizer: codebooks, and the map x' = (x - mean) * scale that precedes them. Immutable, so safe to share.
class ResidualQuantizer {
 public:
  /// Fits codebooks to `rows` (N x d, no missing values; consumed as the workspace). Codes come out the same for any
  /// number of threads. Throws InvalidArgument for options out of range or a shape that does not fit the rows,
  /// DataError where layer 1 asks for more codes than there are distinct rows, or where a value is not finite or a row
  /// too large for single precision. Deeper layers may have fewer distinct residuals than codes: the codes that are
  /// left over stay unused. Layer l >= 2 of psrq holds l - 1 tables of k x k floats.
  static QuantizerFit fit(Matrix rows, const InputShape& shape, const QuantizerOptions& options,
                          const ProgressFn& progress = {});

  /// Codes of `rows` (N x d, raw as given to fit) into `codes` (N x L, row-major). A row's codes depend on that row
  /// alone: not on the batch, its place in it, or the threads. On equal distances the lowest code wins. Throws
  /// InvalidArgument for another width or a wrong size of `codes`, DataError (with the row) for values that are not
  /// finite or too large. Safe to call from several threads.
  void encode(ConstMatrixView rows, std::span<Code> codes) const;

  /// Sum over layers of the residual halves, mapped back by x'/scale + mean: N x d into `rows`. Rows whose codes are
  /// kNoCode become NaN. With l2 scaling the result approximates the normalised row. Throws InvalidArgument for sizes
  /// that do not fit and codes outside their codebook.
  void decode(std::span<const Code> codes, MatrixView rows) const;

  /// Cumulative share of variance explained after each layer: 1 - sum |r_{l+1}|^2 / sum |x'|^2, for `rows` raw N x d.
  /// Rows without codes are left out. All ones where the rows do not vary at all. Throws as encode and decode do.
  std::vector<double> explained_variance(ConstMatrixView rows, std::span<const Code> codes) const;

  /// The safetensors file of docs/formats/codebook.md, written atomically.
  void save(const std::filesystem::path& path) const;
  /// Throws DataError with the path for anything that is not a codebook of a known version.
  static ResidualQuantizer load(const std::filesystem::path& path);

  std::size_t width() const { return mean_.size(); }
  std::size_t num_layers() const { return layers_.size(); }
  std::vector<std::size_t> codebook_sizes() const;
  const InputShape& shape() const { return shape_; }
  const QuantizerOptions& options() const { return options_; }
  const std::vector<LayerReport>& reports() const { return reports_; }
  std::span<const float> mean() const { return mean_; }
  std::span<const float> scale() const { return scale_; }

  /// Codewords of layer `index` (0-based) with their bias and tables.
  const CodebookLayer& layer(std::size_t index) const { return layers_[index]; }

  /// Residual half of layer l's codewords, k x d.
  ConstMatrixView residual_half(std::size_t layer) const { return layers_[layer].residual.view(); }
  /// Prefix half, k x d, not scaled by lambda; empty in layer 0 and where lambda is 0.
  ConstMatrixView prefix_half(std::size_t layer) const { return layers_[layer].prefix.view(); }

 private:
  InputShape shape_;
  QuantizerOptions options_;
  std::vector<float> mean_;
  std::vector<float> scale_;
  std::vector<CodebookLayer> layers_;
  std::vector<LayerReport> reports_;
};

/// Result of a fit: the quantizer, and the codes (N x L) of the rows it was fitted to.
struct QuantizerFit {
  ResidualQuantizer quantizer;
  std::vector<Code> codes;
};

}  // namespace neume
