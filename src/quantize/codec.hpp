#pragma once
// What stands between a mapped row x (see <neume/quantizer.hpp>) and its codes: one class for each way to code a row.
// Quantizer maps rows, cuts them into blocks and spreads the blocks over threads; a codec sees one block at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/progress.hpp>
#include <neume/quantizer.hpp>

namespace neume::quantize {

/// Rows of a block. Every product has exactly this many (zeros fill the last block of a range): an element of the
/// result then depends on its own row alone, wherever the row stands.
inline constexpr std::size_t kBlockRows = 128;

/// Two squared distances are the same but for rounding where they differ by less than this share of the larger one.
inline constexpr double kTieGap = 1e-5;

/// A named matrix of a codebook file. A vector is a matrix of one row.
struct NamedMatrix {
  std::string name;
  Matrix values;
};

/// The best IDs found for each row of a block, best first: codes count x beam x L, costs count x beam. Unused places
/// hold kNoCode and infinity.
struct SearchResult {
  std::size_t beam;
  Code* codes;
  double* costs;
};

/// Mapped rows (N x d) with their codes (N x L), and which of them to leave out (N; 1 = left out).
struct CodedRows {
  ConstMatrixView rows;
  std::span<const Code> codes;
  std::span<const std::uint8_t> is_left_out;
};

/// Immutable; every function may be called from several threads, each with a scratch of its own.
class Codec {
 public:
  /// Working memory of one thread. Each codec has its own kind.
  class Scratch {
   public:
    virtual ~Scratch() = default;
  };

  virtual ~Codec() = default;

  /// d, of the rows that come in.
  virtual std::size_t width() const = 0;
  virtual std::vector<std::size_t> codebook_sizes() const = 0;
  std::size_t num_layers() const { return codebook_sizes().size(); }

  virtual std::unique_ptr<Scratch> make_scratch() const = 0;

  /// Codes of a block: `rows` is kBlockRows x d, of which the first `count` are real and the rest zero; they may be
  /// overwritten. `codes` is count x L.
  virtual void encode(Scratch& scratch, float* rows, std::size_t count, Code* codes) const = 0;

  /// The best IDs of the rows of a block, by beam search. With a beam of 1 the codes are those of encode, but where two
  /// codewords are equally near within rounding.
  virtual void search(Scratch& scratch, const float* rows, std::size_t count, const SearchResult& out) const = 0;

  /// Approximations of rows by their first `depth` codes, `codes` count x L and within their codebooks, count at most
  /// kBlockRows, into `rows` (count x d).
  virtual void decode(Scratch& scratch, const Code* codes, std::size_t count, std::size_t depth, float* rows) const = 0;

  /// True where, in the first layer in which the IDs `a` and `b` (L codes each, none of them kNoCode) of a row (d
  /// floats) differ, both codewords are equally near but for rounding.
  virtual bool is_tie(Scratch& scratch, std::span<const float> row, const Code* a, const Code* b) const = 0;

  /// A codec of the same shape whose codewords are the means of the rows that have their codes, those left out not
  /// counted. A code without such rows becomes a copy of the first code that has some. Nothing where codewords are no
  /// means (rqvae).
  virtual std::unique_ptr<const Codec> with_means(const CodedRows& fitted) const = 0;

  /// The same codec with other names for its codes: code j of layer l is called new_names[l][j]. Nothing for rqvae.
  virtual std::unique_ptr<const Codec> renamed(std::span<const std::vector<Code>> new_names) const = 0;

  /// What the codebook file holds, in its order.
  virtual std::vector<NamedMatrix> tensors() const = 0;
};

/// Where a codec's tensors come from when a codebook file is read.
class TensorReader {
 public:
  virtual ~TensorReader() = default;
  /// The tensor of that name as rows x cols, every value finite. Throws DataError (with the path) where it is missing
  /// or has another shape.
  virtual Matrix read(const std::string& name, std::size_t rows, std::size_t cols) = 0;
};

/// A codec with the codes (N x L) of the rows that it was fitted to; they are what encode would give.
struct CodecFit {
  std::unique_ptr<const Codec> codec;
  std::vector<Code> codes;
  std::vector<LayerReport> reports;  ///< one a layer
};

/// Encodes N mapped rows (N x d without padding) block by block, on all threads: the codes N x L.
std::vector<Code> encode_mapped(const Codec& codec, ConstMatrixView rows);

}  // namespace neume::quantize
