#pragma once
// Stage 1: quantizers that turn an embedding into a semantic ID (c_1, ..., c_L). Every one of them first maps a row to
// x = (row - mean) * scale, column by column.
//
//   psrq, rq, vq   layer 1   C_1 = kmeans(X);                              c_1 = nearest(x, C_1);    r_2 = x - C_1[c_1]
//                  layer l   C_l = kmeans([R_l, lambda * (X - R_l)]);      c_l = nearest([r_l, lambda (x - r_l)], C_l)
//                            r_{l+1} = r_l - (residual half of C_l[c_l])
//   pq             the columns of x cut into L sub-vectors x^1 .. x^L;     c_l = nearest(x^l, C_l), C_l = kmeans(X^l)
//   opq            pq of x R, where the rotation R is learnt with the codebooks
//   rqvae          rq of a latent vector z = encoder(x); an approximation of x is decoder(sum of codewords)
//
// lambda = 1 is PSRQ (arXiv 2508.20359, section 3.2), lambda = 0 is residual quantization, one layer is VQ. The paper
// writes "R_{l+1} = R_l - NearestRep(R_l, C_l)" although C_l has 2d columns; the reading above follows its figure 2b.
// PQ: Jegou, Douze, Schmid 2011. OPQ: Ge, He, Ke, Sun 2013. RQ-VAE: Zeghidour et al. 2021; Rajput et al. 2023.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <neume/fit_statistics.hpp>
#include <neume/matrix.hpp>
#include <neume/options.hpp>
#include <neume/progress.hpp>
#include <neume/semantic_ids.hpp>

namespace neume {

namespace quantize {
class Codec;
}

enum class QuantizerMethod { psrq, rq, vq, pq, opq, rqvae };
inline constexpr ChoiceNames<6> kQuantizerMethodNames{"psrq", "rq", "vq", "pq", "opq", "rqvae"};

/// How each modality (a block of columns) is scaled before the mean is taken away.
enum class Scaling {
  none,  ///< as given (the paper to the letter)
  rms,   ///< divided by the root mean squared norm of its centred rows: every modality weighs the same
  l2     ///< every row divided by its own norm
};
inline constexpr ChoiceNames<3> kScalingNames{"none", "rms", "l2"};

/// The network of `rqvae`, and how it is trained: encoder d -> hidden -> latent with relu between, the decoder its
/// mirror image; loss = |x - decoder(q)|^2 + sum over layers of |sg(r_l) - e_l|^2 + commitment |r_l - sg(e_l)|^2 with
/// gradients passed straight through the quantizer. The middle term is not descended: codewords are moving averages of
/// the r_l that chose them, its minimum (van den Oord et al. 2017, appendix A.1).
struct RqVaeOptions {
  std::vector<std::size_t> hidden = {512, 256, 128};
  std::size_t latent_width = 32;
  std::size_t epochs = 0;
  std::size_t batch_size = 256;
  double learning_rate = 1e-3;
  double commitment = 0.25;

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.list("rqvae-hidden", hidden, {1, 65536}, "rqvae: hidden widths of the encoder; the decoder mirrors them");
    visit.number("rqvae-latent-width", latent_width, {1, 65536}, "rqvae: width of the latent vector that is quantized");
    visit.number("rqvae-epochs", epochs, {0, 100000},
                 "rqvae: passes over the rows; 0: 150, or what 500 to 10,000 steps take, at least 2");
    visit.number("rqvae-batch-size", batch_size, {1, 65536}, "rqvae: rows a step");
    visit.number("rqvae-learning-rate", learning_rate, {0, 1e6}, "rqvae: step size of Adam");
    visit.number("rqvae-commitment", commitment, {0, 1000}, "rqvae: weight beta of the commitment loss");
  }
};

/// What `fit` needs to know. `codes` has one entry for all layers or one a layer.
struct QuantizerOptions {
  QuantizerMethod method = QuantizerMethod::psrq;
  std::size_t layers = 3;
  std::vector<std::size_t> codes = {256};
  double prefix_weight = 1.0;
  bool choose_prefix_weight = false;
  double prefix_weight_share = 0.97;
  bool balanced = false;
  std::size_t iterations = 25;
  double tolerance = 1e-5;
  std::uint64_t seed = 1;
  RqVaeOptions rqvae{};

  template <class Visitor>
  void describe(Visitor&& visit) {
    visit.choice("method", method, kQuantizerMethodNames,
                 "quantizer: psrq keeps the prefix in view, rq does not, vq has one layer, pq cuts the columns into "
                 "sub-vectors, opq rotates them first, rqvae quantizes what a network makes of them");
    visit.number("layers", layers, {1, 16}, "number of layers L (vq: 1; pq, opq: sub-vectors)");
    visit.list("codes", codes, {1, 65535}, "codes per layer k: one number, or one a layer");
    visit.number_or_auto("prefix-weight", prefix_weight, choose_prefix_weight, {0, 1000},
                         "weight lambda of the prefix in psrq; 1 is the paper, 0 is rq; auto: the largest that keeps "
                         "enough of rq's explained variance, found by search");
    visit.number("prefix-weight-share", prefix_weight_share, {0, 1},
                 "with --prefix-weight auto: the share of rq's explained variance that is enough");
    visit.flag("balanced", balanced, "rq, vq: clusters of equal size, at most ceil(N/k) of the fitted rows each");
    visit.number("iterations", iterations, {1, 10000}, "Lloyd iterations a layer, at most");
    visit.number("tolerance", tolerance, {0, 1}, "a layer stops when its objective falls by less than this share");
    visit.number("seed", seed, {0, 9007199254740992.0}, "seed of the initial centroids");
    rqvae.describe(visit);
  }

  /// Throws InvalidArgument with the field, the range and the value found.
  void validate() const;

  /// The k of every layer, `layers` entries (one for vq).
  std::vector<std::size_t> codes_by_layer() const;

  /// lambda as used: prefix_weight for psrq, 0 for the other methods.
  double effective_prefix_weight() const;
};

/// What a fit did in one layer.
struct LayerReport {
  std::vector<double> objective;  ///< mean squared distance to the nearest centroid (2d-wide for psrq, of the
                                  ///< sub-vector for pq and opq, in the latent space for rqvae) at each assignment; the
                                  ///< last one belongs to the codes that fit returns
  std::size_t reseeded = 0;       ///< clusters that ran empty and were moved
  double seconds = 0.0;           ///< wall time of the layer: seeding, iterations, final assignment
};

/// Shape and scaling of the vectors that a quantizer accepts: columns in blocks, one a modality.
struct InputShape {
  std::vector<std::string> block_names;   ///< modality names; one entry unless the family is joint
  std::vector<std::size_t> block_widths;  ///< columns of each block; their sum is d
  Scaling scaling = Scaling::none;
};

/// How rows are encoded.
struct EncodeOptions {
  /// Best partial IDs that are kept from layer to layer. 1 takes the nearest codeword of each layer; more look further
  /// ahead, which helps the residual methods and cannot help pq and opq.
  std::size_t beam = 1;
};

/// What the codes of the first l layers keep of the rows, for l = 1 .. L. x is the row as the quantizer sees it (mean
/// taken away, scaled), y its approximation.
struct Reconstruction {
  std::vector<double> variance_explained;  ///< 1 - sum |x - y|^2 / sum |x|^2; 1 where the rows do not vary at all
  std::vector<double> mse;                 ///< mean of |x - y|^2 (summed over columns)
  std::vector<double> mean_cosine;         ///< mean of x . y / (|x| |y|); 0 where either is zero
};

struct QuantizerFit;

/// A file in which a fit keeps what it has finished (docs/formats/codebook.md, "Checkpoints"). A fit of the same rows,
/// shape and options that finds it goes on there and ends in the same bytes; any other fit starts over and replaces it.
/// The file stays when the fit is done: remove it once the quantizer is saved.
struct FitCheckpoint {
  std::filesystem::path file;                             ///< empty: nothing is kept
  std::function<void(const std::string& text)> on_found;  ///< told what will be done with a file that is there already
};

/// A fitted quantizer: the map of rows and the codebooks behind it. Immutable, so safe to share between threads.
class Quantizer {
 public:
  /// Fits codebooks to `rows` (N x d, no missing values), and leaves them as they are. Codes come out the same for any
  /// number of threads (<neume/execution.hpp>). Throws InvalidArgument for options out of range or a shape that does
  /// not fit the rows, DataError where layer 1 asks for more codes than there are distinct rows, or where a value is
  /// not finite or a row too large for single precision. Deeper layers may have fewer distinct residuals than codes:
  /// the codes that are left over stay unused. Layer l >= 2 of psrq holds l - 1 tables of k x k floats.
  ///
  /// Memory beyond `rows`: a copy of them (4 N d bytes; opq three), 2 N L bytes of codes, the codebooks, some 50 bytes
  /// a row (balanced: 800; pq: 4 d / L more). Time: little more than that of `iterations` products N x d by d x k a
  /// layer; balanced and rqvae take much longer.
  static QuantizerFit fit(ConstMatrixView rows, const InputShape& shape, const QuantizerOptions& options = {},
                          const ProgressFn& progress = {});

  /// The same, with `rows` as the workspace, so without the copy: fit(std::move(rows), ...). `checkpoint` is written
  /// after each layer (pq: sub-vector; opq: turn of the rotation; rqvae: now and then after an epoch).
  static QuantizerFit fit(Matrix rows, const InputShape& shape, const QuantizerOptions& options = {},
                          const ProgressFn& progress = {}, const FitCheckpoint& checkpoint = {});

  /// Fits new codebooks that go on from `before`: same method, L, k, lambda and blocks of columns, same mean and scale,
  /// every layer's k-means (in opq also the rotation) started where `before` stands. Then each layer's codes are
  /// renamed one to one, so that as many rows as can be keep the code that `before` gives them (optimal assignment; a
  /// residual does not depend on what its code is called, so layers are matched one by one). Throws as fit, and
  /// InvalidArgument where method, L, k, lambda or the width are others than those of `before`, or the method is rqvae,
  /// whose network would move under the codes.
  static QuantizerFit refit(const Quantizer& before, Matrix rows, const QuantizerOptions& options,
                            const ProgressFn& progress = {});

  /// An empty quantizer, to be assigned to. Its width is 0; all else throws InvalidArgument.
  Quantizer();
  ~Quantizer();
  Quantizer(Quantizer&&) noexcept;
  Quantizer& operator=(Quantizer&&) noexcept;

  /// Codes of `rows` (N x d, raw as given to fit) into `codes` (N x L, row-major). A row's codes depend on that row
  /// alone: not on the batch, its place in it, or the threads. On equal distances the lowest code wins. Throws
  /// InvalidArgument for another width or a wrong size of `codes`, DataError (with the row) for values that are not
  /// finite or too large. Safe to call from several threads.
  void encode(ConstMatrixView rows, std::span<Code> codes, const EncodeOptions& options = {}) const;

  /// The same, with the codes (N x L) as the result.
  std::vector<Code> encode(ConstMatrixView rows, const EncodeOptions& options = {}) const;

  /// The `beam` best IDs of every row that a search with that beam finds, best first: `codes` N x beam x L. Where there
  /// are fewer IDs than `beam`, the rest is kNoCode. `costs`, N x beam: the distance that the last layer measures
  /// (pq, opq: over all layers). Throws as encode.
  void search(ConstMatrixView rows, std::size_t beam, std::span<Code> codes, std::span<double> costs) const;

  /// Rows as the quantizer sees them, x = (row - mean) * scale: N x d into `mapped`. Throws as encode.
  void map(ConstMatrixView rows, MatrixView mapped) const;

  /// The approximation of each row by its codes, in the space of the raw rows: N x d into `rows`. Rows whose codes are
  /// kNoCode become NaN. With l2 scaling the result approximates the normalised row. Throws InvalidArgument for sizes
  /// that do not fit and codes outside their codebook.
  void decode(std::span<const Code> codes, MatrixView rows) const;

  /// The same, with the rows (N x d) as the result.
  Matrix decode(std::span<const Code> codes) const;

  /// What `codes` (N x L) keep of `rows` (raw, N x d), cumulatively by layer. Rows without codes are left out. For pq
  /// and opq the sub-vectors of later layers count as their mean. Throws as encode and decode do.
  Reconstruction reconstruction(ConstMatrixView rows, std::span<const Code> codes) const;

  /// Writes the safetensors file of docs/formats/codebook.md, atomically: a reader sees the old file or the new one.
  /// The same quantizer gives the same bytes. Throws DataError where it cannot be written.
  void save(const std::filesystem::path& path) const;
  /// Throws DataError with the path for anything that is not a codebook of a known version.
  static Quantizer load(const std::filesystem::path& path);

  std::size_t width() const { return mean_.size(); }
  std::size_t num_layers() const { return codebook_sizes().size(); }
  std::vector<std::size_t> codebook_sizes() const;
  const InputShape& shape() const { return shape_; }
  const QuantizerOptions& options() const { return options_; }
  const std::vector<LayerReport>& reports() const { return reports_; }
  std::span<const float> mean() const { return mean_; }
  std::span<const float> scale() const { return scale_; }
  /// What the fit remembers of its rows. Nothing for rqvae, for fewer than 100 rows, and from files older than
  /// version 3.
  const std::optional<FitStatistics>& statistics() const { return statistics_; }

  /// What turns a mapped row into codes. Its class is not among the installed headers: for neume's own code alone.
  const quantize::Codec& codec() const { return *codec_; }

 private:
  InputShape shape_;
  QuantizerOptions options_;
  std::vector<float> mean_;
  std::vector<float> scale_;
  std::vector<LayerReport> reports_;
  std::optional<FitStatistics> statistics_;
  std::unique_ptr<const quantize::Codec> codec_;
};

/// A prefix weight that was tried, and the variance that all layers together explain with it.
struct PrefixWeightTrial {
  double prefix_weight = 0.0;
  double variance_explained = 0.0;
};

/// How a prefix weight was chosen: the largest one tried whose variance explained is at least `needed`.
struct PrefixWeightChoice {
  double prefix_weight = 0.0;
  double needed = 0.0;                    ///< prefix_weight_share times what rq (weight 0) explains
  std::size_t rows = 0;                   ///< of the seeded sample that the trials were fitted to
  std::vector<PrefixWeightTrial> trials;  ///< by rising weight; the first one is rq
};

/// Result of a fit: the quantizer, and the codes (N x L) of the rows it was fitted to.
struct QuantizerFit {
  Quantizer quantizer;
  std::vector<Code> codes;
  std::optional<PrefixWeightChoice> prefix_weight_choice;  ///< where options.choose_prefix_weight asked for one; the
                                                           ///< quantizer's own options then hold the chosen weight
};

}  // namespace neume
