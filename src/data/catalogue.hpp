#pragma once
// The items and their embeddings: one modality a source, all modalities on the same item rows.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <neume/item_ids.hpp>
#include <neume/matrix.hpp>

namespace neume::data {

/// NAME=SOURCE as on the command line. SOURCE is `file.npy` or `file.parquet:column` (also CSV, TSV, JSON; globs).
struct ModalitySource {
  std::string name;
  std::string source;

  /// Throws InvalidArgument where there is no '=', no name, a name that cannot be a file name, or a name
  /// that has a meaning of its own (joint, item, item_id).
  static ModalitySource parse(const std::string& text);
};

struct CatalogueOptions {
  std::string item_column = "item_id";
  bool zero_is_missing = false;  ///< treat an all-zero row as an item that lacks the modality
  std::size_t sample = 0;        ///< where not 0: of each modality, read a sample of at most so many embeddings
  std::uint64_t sample_seed = 1;
};

/// Embeddings of one modality on the rows of the catalogue. Values come from a memory map (NPY) or from memory
/// (tables).
class Modality {
 public:
  /// Where rows come from; one implementation for NPY, one for tables.
  class Rows {
   public:
    virtual ~Rows() = default;
    virtual void read(std::size_t row, std::span<float> out) const = 0;
  };

  Modality(std::string name, std::size_t width, std::unique_ptr<Rows> rows, std::vector<std::int64_t> row_of_item);

  const std::string& name() const { return name_; }
  std::size_t width() const { return width_; }
  std::size_t num_items() const { return row_of_item_.size(); }

  /// False where the item lacks this modality.
  bool has(std::size_t item) const { return row_of_item_[item] >= 0; }
  /// Items that have it.
  std::size_t num_embeddings() const;

  /// Copies the embeddings of `items` (all of which must have one) into `out`, items.size() x width. Thread-safe.
  void gather(std::span<const std::uint32_t> items, MatrixView out) const;

 private:
  std::string name_;
  std::size_t width_;
  std::unique_ptr<Rows> rows_;
  std::vector<std::int64_t> row_of_item_;  // -1 = missing
};

struct Catalogue {
  ItemIds items;
  std::vector<Modality> modalities;
  std::vector<std::size_t> source_sizes = {};  ///< by modality: embeddings in its source, of which it may hold a sample

  /// nullptr where there is none.
  const Modality* find(const std::string& name) const;

  /// Rows of the items that have every one of `names`.
  std::vector<std::uint32_t> items_with(std::span<const std::string> names) const;

  /// The modalities `names` side by side for `items`: items.size() x (sum of widths).
  Matrix gather(std::span<const std::string> names, std::span<const std::uint32_t> items) const;
};

/// Opens and validates all sources. Items are the union of the sources' items in order of first appearance; NPY rows
/// are items 0, 1, 2, ... A null embedding, or an item that only other modalities have, is missing in a modality.
///
/// With options.sample, sources with more embeddings are passed over once, and memory holds those that were drawn:
/// those items whose ids come first in a random order which depends on the seed alone. So every modality draws the same
/// items, as far as they have it, and those that have several are a sample of all that have. Rows that are not drawn,
/// and items without an embedding, are then left out and not looked at.
///
/// Throws DataError with file, row, column, item id, expected, found and what to do, for: a missing or broken file, an
/// unknown column, a value that is not finite, a row of another width, an id that occurs twice, a null id, an empty
/// table, NPY files of different row counts, a modality without any embedding.
Catalogue open_catalogue(std::span<const ModalitySource> sources, const CatalogueOptions& options = {});

/// Widths of the modalities, from the first embedding of each. Throws as open_catalogue for sources that it cannot find
/// one in.
std::vector<std::size_t> modality_widths(std::span<const ModalitySource> sources);

}  // namespace neume::data
