#pragma once
// Codes of a streamed catalogue in all families at once: a block of rows is read, checked, mapped and coded in every
// family and layer while it is in cache.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <neume/quantizer.hpp>
#include <neume/semantic_ids.hpp>

#include "data/catalogue_stream.hpp"

namespace neume::quantize {

/// Encodes stretches of a catalogue. An item's codes are those that Quantizer::encode gives its row.
class StreamEncoder {
 public:
  /// `families` in the order in which their codes stand. Borrows both. Throws InvalidArgument unless the stream has the
  /// quantizers' modalities with their widths.
  StreamEncoder(const data::CatalogueStream& stream, std::vector<const Quantizer*> families,
                const EncodeOptions& options);
  ~StreamEncoder();

  /// Codes of an item in all families together.
  std::size_t codes_per_item() const { return codes_per_item_; }

  /// Codes of the items [first, first + count) of the stream's stretch: count x codes_per_item(), an item's families
  /// side by side, kNoCode where it lacks a modality. Adds to `present`, one a modality, how many of the items have it.
  /// Throws DataError for the first item that is wrong.
  void encode(std::size_t first, std::size_t count, std::span<Code> codes, std::span<std::uint64_t> present);

 private:
  struct Family;
  struct Workspace;

  std::unique_ptr<Workspace> take_workspace();
  void encode_block(Workspace& workspace, std::size_t first, std::size_t count, std::span<Code> codes) const;
  void map_rows(const Family& family, Workspace& workspace, std::size_t first, std::size_t count) const;
  void encode_family(const Family& family, Workspace& workspace, std::span<Code> codes) const;

  const data::CatalogueStream& stream_;
  EncodeOptions options_;
  std::vector<Family> families_;
  std::size_t codes_per_item_ = 0;
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace neume::quantize
