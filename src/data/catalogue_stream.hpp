#pragma once
// A catalogue that is never whole in memory: its items are known, their embeddings pass by in stretches.
//
// The ids of all sources are read first, and joined as open_catalogue joins them. Then rows come
//   - from NPY files by position, in any order;
//   - from Parquet files in one query a file, which all of its modalities share, where the file's items follow the
//     order of the catalogue (some may be missing);
//   - otherwise (text formats, which are parsed only once, and Parquet in another order) from a file without a name
//     in `folder`, into which the rows were put aside as 32-bit floats when the stream was opened.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/progress.hpp>

#include "data/catalogue.hpp"
#include "data/streamed_items.hpp"

namespace neume::data {

struct StreamOptions {
  CatalogueOptions catalogue;
  /// For DuckDB's buffers (half) and the ids (half, beyond which they move to files without a name in `folder`).
  std::size_t memory_bytes = std::size_t{1} << 30;
  std::filesystem::path folder = ".";
  bool by_position = false;  ///< put every table aside, so that `catalogue` works
};

class CatalogueStream {
 public:
  /// Opens all sources and reads their ids. Throws what open_catalogue throws, but for values that are not finite and
  /// rows of another width: those come from `read`, and a modality without any embedding from `check_present`.
  CatalogueStream(std::span<const ModalitySource> sources, const StreamOptions& options,
                  const ProgressFn& progress = {});
  ~CatalogueStream();
  CatalogueStream(CatalogueStream&&) noexcept;

  const StreamedItems& items() const;
  std::size_t num_modalities() const;
  const std::string& name(std::size_t modality) const;
  std::size_t width(std::size_t modality) const;

  /// Items of a stretch: a power of two that depends on the widths alone, at most 64 MiB of embeddings.
  std::size_t stretch_items() const;

  /// Makes items [first, first + count) readable, at most a stretch. Stretches rise; the first may begin anywhere, but
  /// what lies before it in a Parquet file is read and passed over.
  void advance(std::size_t first, std::size_t count);

  /// Embeddings of `modality` of the items [first, first + rows.rows), all within the stretch, into `rows`
  /// (contiguous); where present[i] becomes 0, the item lacks it and row i holds anything. Thread-safe. Throws
  /// DataError with file, row, item, expected and found for the first row that is wrong.
  void read(std::size_t modality, std::size_t first, MatrixView rows, std::span<std::uint8_t> present) const;

  /// Throws DataError where no item at all has an embedding of `modality`: `num_present` were found.
  void check_present(std::size_t modality, std::size_t num_present) const;

  /// Hash of the sources: options, names, files with size and time of their last change (not their content).
  std::string fingerprint() const;

  /// All items, for reading in any order (StreamOptions::by_position); 8 bytes an item and modality beside the ids.
  /// Must not outlive this. An item that a source has without an embedding counts as having one.
  Catalogue catalogue() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::data
