#pragma once
// sids.parquet: item_id and one LIST<USMALLINT> column a code family (docs/formats/sids.md).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

namespace neume::data {

/// Semantic IDs that may be larger than memory: whoever has them gives some items' at a time.
class SidsSource {
 public:
  virtual ~SidsSource() = default;

  virtual std::size_t num_items() const = 0;
  virtual bool has_text_ids() const = 0;
  /// Names and codebook sizes, without codes.
  virtual const std::vector<CodeFamily>& families() const = 0;

  /// Ids of items [first, first + out.size()), in the form that has_text_ids() tells.
  virtual void read_ids(std::size_t first, std::span<std::int64_t> out) const = 0;
  virtual void read_ids(std::size_t first, std::span<std::string> out) const = 0;
  /// Codes of items [first, first + out.size() / L) in one family.
  virtual void read_codes(std::size_t family, std::size_t first, std::span<Code> out) const = 0;
};

/// Semantic IDs in memory, borrowed.
class SidsInMemory : public SidsSource {
 public:
  /// Throws InvalidArgument where a family's codes are not N x L.
  explicit SidsInMemory(const SemanticIds& sids);

  std::size_t num_items() const override { return sids_.items.size(); }
  bool has_text_ids() const override { return sids_.items.is_text(); }
  const std::vector<CodeFamily>& families() const override { return families_; }
  void read_ids(std::size_t first, std::span<std::int64_t> out) const override;
  void read_ids(std::size_t first, std::span<std::string> out) const override;
  void read_codes(std::size_t family, std::size_t first, std::span<Code> out) const override;

 private:
  const SemanticIds& sids_;
  std::vector<CodeFamily> families_;
};

/// Writes atomically, and reads `sids` twice. Memory: a row group. The same bytes as of the same IDs in memory.
void write_semantic_ids(const std::filesystem::path& path, const SidsSource& sids);
void write_semantic_ids_json(const std::filesystem::path& path, const SidsSource& sids);

/// Writes atomically. An item without a code in a family gets null there. The codebook sizes and the format version go
/// into the file's key-value metadata under "neume".
void write_semantic_ids(const std::filesystem::path& path, const SemanticIds& sids);

/// Throws DataError for a file that is not a sids file, a row whose list has another length, a code outside its
/// codebook, an id that occurs twice.
SemanticIds read_semantic_ids(const std::filesystem::path& path);

/// Writes `{"item": ..., "<family>": ["<a_12>", "<b_3>", "<c_7>"]}`, one JSON object a line; for the eyes and for
/// language models.
void write_semantic_ids_json(const std::filesystem::path& path, const SemanticIds& sids);

}  // namespace neume::data
