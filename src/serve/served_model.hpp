#pragma once
// A model that answers requests: a ranker's folder, the codebooks that made its semantic IDs, its scorer, and the items
// that came after its training.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "rank/request_scorer.hpp"
#include "serve/model_folders.hpp"
#include "store/store.hpp"

namespace neume::serve {

using Embeddings = std::map<std::string, std::vector<float>>;  ///< by modality
using CodesByFamily = std::map<std::string, std::vector<Code>>;

/// Safe to use from several threads. Items added later are seen by all of them.
class ServedModel {
 public:
  /// Throws DataError for folders that are broken or do not belong together (other code families, layers or k), and
  /// what locate() throws. Codebooks whose codes have one layer less than the ranker's belong to them (`encode
  /// --resolve suffix`), but then a new item must come with its codes: its suffix depends on all items together.
  static std::shared_ptr<ServedModel> load(const ModelFolders& folders);
  ~ServedModel();

  const ModelFolders& folders() const;  ///< as locate() found them
  /// 16 hexadecimal digits that belong to these files: the same folder has the same version, on every server.
  const std::string& version() const;
  const rank::RankerBundle& bundle() const;
  const rank::RequestScorer& scorer() const;
  bool has_codebooks() const;

  /// Codes of an item in every family whose modalities are there (the joint family wants all of them). Throws
  /// InvalidArgument for an unknown modality, another width, a number that is not finite, no codebooks.
  CodesByFamily encode(const Embeddings& embeddings) const;

  /// What POST /v1/items keeps in the store, as text, and back: embeddings if the item came with them (another model
  /// may have other codebooks), else codes. Throws InvalidArgument for codes that do not belong to this model's
  /// families.
  std::string stored_value(const Embeddings& embeddings, const CodesByFamily& codes) const;

  /// Makes an item known that the store holds: it is ranked from now on. One that training knew keeps its row and its
  /// codes. Throws InvalidArgument where this model can make no codes of it.
  void add_item(const store::StoredItem& item);

  /// An item that this model can rank, or nothing. The codes that it points to live as long as the model.
  std::optional<rank::RequestItem> find(std::string_view item_id) const;

  /// Codes of an item, by family; families that it lacks are left out.
  CodesByFamily codes_of(const rank::RequestItem& item) const;

  std::size_t num_new_items() const;
  /// Ids of the items that came after training, in order.
  std::vector<std::string> new_items() const;

  /// Logits of a request by the path that neume evaluate takes, for comparison: slow, of items with a row alone, and
  /// never while another thread calls it or the scorer.
  std::vector<float> reference_logits(const rank::ScoreRequest& request);

 private:
  class Impl;
  explicit ServedModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace neume::serve
