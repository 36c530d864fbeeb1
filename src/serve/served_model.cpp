#include "serve/served_model.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "quantize/codebook_folder.hpp"
#include "rank/bundle.hpp"
#include "serve/new_items.hpp"

namespace neume::serve {

namespace {

using nlohmann::json;
using quantize::Codebook;
using rank::FamilyLayout;

/// Numbers are written with as few digits as bring the same float back.
std::string embeddings_text(const Embeddings& embeddings) {
  std::string text;
  for (const auto& [modality, values] : embeddings) {
    text += fmt::format("{}{}:[{}]", text.empty() ? "" : ",", json(modality).dump(), fmt::join(values, ","));
  }
  return fmt::format("{{\"embeddings\":{{{}}}}}", text);
}

const FamilyLayout* find_family(const rank::ItemCodes& codes, const std::string& name) {
  const auto found = std::ranges::find(codes.families(), name, &FamilyLayout::name);
  return found == codes.families().end() ? nullptr : &*found;
}

/// Whether the ranker's family is the codebook's with the layer that --resolve suffix adds. Throws DataError where it
/// is neither the codebook's nor that.
bool has_suffix(const FamilyLayout& family, const Codebook& codebook, const ModelFolders& folders) {
  const std::vector<std::size_t> sizes = codebook.quantizer.codebook_sizes();
  const bool begins_alike = family.codebook_sizes.size() >= sizes.size() &&
                            std::equal(sizes.begin(), sizes.end(), family.codebook_sizes.begin());
  if (!begins_alike || family.codebook_sizes.size() > sizes.size() + 1) {
    throw DataError(
        fmt::format("{}: family {}: the ranker {} was trained with codes of sizes [{}], these codebooks "
                    "have [{}]; give those that made its semantic IDs",
                    folders.codebooks.string(), family.name, folders.model.string(),
                    fmt::join(family.codebook_sizes, ", "), fmt::join(sizes, ", ")));
  }
  return family.codebook_sizes.size() > sizes.size();
}

}  // namespace

class ServedModel::Impl {
 public:
  explicit Impl(const ModelFolders& given)
      : folders_(locate(given)), bundle_(rank::RankerBundle::load(folders_.model)), scorer_(bundle_) {
    std::string manifests = base::read_file(folders_.model / "manifest.json");
    if (!folders_.codebooks.empty()) {
      codebooks_ = quantize::load_codebooks(folders_.codebooks);
      const auto fingerprints = quantize::codebook_fingerprints(folders_.codebooks);
      for (std::size_t f = 0; f < codebooks_.size(); ++f) fingerprints_[codebooks_[f].name] = fingerprints[f];
      check_codebooks();
      manifests += base::read_file(folders_.codebooks / "manifest.json");
    }
    version_ = base::fingerprint(std::as_bytes(std::span(manifests)));
  }

  void check_codebooks();
  void check_takes_new_items() const;
  CodesByFamily encode(const Embeddings& embeddings) const;
  void check_codes(const CodesByFamily& codes) const;
  std::string stored_value(const Embeddings& embeddings, const CodesByFamily& codes) const;
  CodesByFamily codes_of_embeddings(const Embeddings& embeddings) const;
  CodesByFamily codes_of_value(const json& value) const;
  std::vector<Code> side_by_side(const CodesByFamily& codes) const;

  const rank::ItemCodes& layout() const { return bundle_.codes(); }

  ModelFolders folders_;
  rank::RankerBundle bundle_;
  rank::RequestScorer scorer_;
  std::vector<Codebook> codebooks_;
  std::map<std::string, std::string> fingerprints_;  // of the codebook files, by family
  std::vector<std::string> suffixed_;                // families of the ranker whose codes end in a suffix
  std::string version_;
  NewItems new_items_;

 private:
  void check_modalities(const Embeddings& embeddings) const;
};

void ServedModel::Impl::check_codebooks() {
  // qarm makes its codes of aligned vectors by itself: no codebook can be theirs.
  if (bundle_.options().model == RankerModel::qarm) return;
  for (const FamilyLayout& family : layout().families()) {
    const auto codebook = std::ranges::find(codebooks_, family.name, &Codebook::name);
    if (codebook == codebooks_.end()) {
      std::vector<std::string> names;
      for (const Codebook& known : codebooks_) names.push_back(known.name);
      throw DataError(fmt::format("{}: no codebook of family {}, which the ranker {} reads; found {}",
                                  folders_.codebooks.string(), family.name, folders_.model.string(),
                                  fmt::join(names, ", ")));
    }
    if (has_suffix(family, *codebook, folders_)) suffixed_.push_back(family.name);
  }
}

void ServedModel::Impl::check_takes_new_items() const {
  const std::string_view name = kRankerModelNames[static_cast<std::size_t>(bundle_.options().model)];
  if (bundle_.options().permute_items) {
    throw InvalidArgument("this model was trained with --permute-items, a control: codes of new items mean nothing");
  }
  if (!scorer_.scores_new_items()) {
    throw InvalidArgument(fmt::format("this model ({}{}) cannot rank items by their codes alone", name,
                                      layout().families().empty() ? " without code families" : ""));
  }
}

void ServedModel::Impl::check_modalities(const Embeddings& embeddings) const {
  if (codebooks_.empty()) throw InvalidArgument("this model has no codebooks, so it cannot encode; give codes");
  if (embeddings.empty()) throw InvalidArgument("embeddings: expected at least one modality, found none");
  std::map<std::string, std::size_t> widths;
  for (const Codebook& codebook : codebooks_) {
    const InputShape& shape = codebook.quantizer.shape();
    for (std::size_t b = 0; b < shape.block_names.size(); ++b) widths[shape.block_names[b]] = shape.block_widths[b];
  }
  for (const auto& [modality, values] : embeddings) {
    const auto width = widths.find(modality);
    if (width == widths.end()) {
      std::vector<std::string> names;
      names.reserve(widths.size());
      for (const auto& entry : widths) names.push_back(entry.first);
      throw InvalidArgument(
          fmt::format("embeddings: no codebook reads modality {}; known: {}", modality, fmt::join(names, ", ")));
    }
    if (values.size() != width->second) {
      throw InvalidArgument(
          fmt::format("embeddings.{}: expected {} numbers, found {}", modality, width->second, values.size()));
    }
    const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
    if (bad != values.end()) {
      throw InvalidArgument(fmt::format("embeddings.{}[{}]: expected a finite number in single precision", modality,
                                        bad - values.begin()));
    }
  }
}

CodesByFamily ServedModel::Impl::encode(const Embeddings& embeddings) const {
  check_modalities(embeddings);
  CodesByFamily codes;
  for (const auto& [name, quantizer] : codebooks_) {
    std::vector<float> row;
    for (const std::string& block : quantizer.shape().block_names) {
      const auto values = embeddings.find(block);
      if (values != embeddings.end()) row.insert(row.end(), values->second.begin(), values->second.end());
    }
    if (row.size() != quantizer.width()) continue;  // every block has its width, so one is missing
    try {
      codes[name] = quantizer.encode(ConstMatrixView{row.data(), 1, row.size(), row.size()});
    } catch (const DataError& error) {
      throw InvalidArgument(fmt::format("embeddings: family {}: {}", name, error.what()));
    }
  }
  return codes;
}

void ServedModel::Impl::check_codes(const CodesByFamily& codes) const {
  if (codes.empty()) throw InvalidArgument("codes: expected those of at least one family, found none");
  for (const auto& [name, of_family] : codes) {
    const FamilyLayout* family = find_family(layout(), name);
    if (family == nullptr) {
      std::vector<std::string> names;
      for (const FamilyLayout& known : layout().families()) names.push_back(known.name);
      throw InvalidArgument(
          fmt::format("codes: the model reads no family {}; known: {}", name, fmt::join(names, ", ")));
    }
    if (of_family.size() != family->num_layers()) {
      throw InvalidArgument(
          fmt::format("codes.{}: expected {} codes, found {}", name, family->num_layers(), of_family.size()));
    }
    for (std::size_t l = 0; l < of_family.size(); ++l) {
      if (of_family[l] < family->codebook_sizes[l]) continue;
      throw InvalidArgument(fmt::format("codes.{}[{}]: expected a code below {}, found {}", name, l,
                                        family->codebook_sizes[l], of_family[l]));
    }
  }
}

std::string ServedModel::Impl::stored_value(const Embeddings& embeddings, const CodesByFamily& codes) const {
  check_takes_new_items();
  if (!embeddings.empty()) {
    static_cast<void>(codes_of_embeddings(embeddings));
    return embeddings_text(embeddings);
  }
  check_codes(codes);
  json value = {{"codes", codes}};
  for (const auto& [family, of_family] : codes) {
    const auto known = fingerprints_.find(family);
    if (known != fingerprints_.end()) value["codebooks"][family] = known->second;
  }
  return value.dump();
}

CodesByFamily ServedModel::Impl::codes_of_embeddings(const Embeddings& embeddings) const {
  if (!suffixed_.empty()) {
    throw InvalidArgument(
        fmt::format("codes of family {} end in a suffix (--resolve suffix), which depends on all items together: a new "
                    "item must come with its codes",
                    suffixed_.front()));
  }
  CodesByFamily codes = encode(embeddings);
  std::erase_if(codes, [&](const auto& entry) { return find_family(layout(), entry.first) == nullptr; });
  if (codes.empty()) {
    throw InvalidArgument("embeddings: no family that the model reads can be made of these modalities");
  }
  return codes;
}

CodesByFamily ServedModel::Impl::codes_of_value(const json& value) const {
  check_takes_new_items();
  if (value.contains("embeddings")) return codes_of_embeddings(value.at("embeddings").get<Embeddings>());
  CodesByFamily codes = value.at("codes").get<CodesByFamily>();
  check_codes(codes);
  if (!value.contains("codebooks")) return codes;
  for (const auto& [family, made_by] : value.at("codebooks").items()) {
    const auto known = fingerprints_.find(family);
    if (known == fingerprints_.end() || made_by == known->second) continue;
    throw InvalidArgument(fmt::format("codes.{}: they are of other codebooks (fingerprint {}, this model's {})", family,
                                      made_by.dump(), known->second));
  }
  return codes;
}

std::vector<Code> ServedModel::Impl::side_by_side(const CodesByFamily& codes) const {
  std::vector<Code> row(layout().stride(), kNoCode);
  for (const auto& [name, of_family] : codes) {
    const FamilyLayout* family = find_family(layout(), name);
    std::ranges::copy(of_family, row.begin() + static_cast<std::ptrdiff_t>(family->first_column));
  }
  return row;
}

ServedModel::ServedModel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServedModel::~ServedModel() = default;

std::shared_ptr<ServedModel> ServedModel::load(const ModelFolders& folders) {
  return std::shared_ptr<ServedModel>(new ServedModel(std::make_unique<Impl>(folders)));
}

const ModelFolders& ServedModel::folders() const {
  return impl_->folders_;
}

const std::string& ServedModel::version() const {
  return impl_->version_;
}

const rank::RankerBundle& ServedModel::bundle() const {
  return impl_->bundle_;
}

const rank::RequestScorer& ServedModel::scorer() const {
  return impl_->scorer_;
}

bool ServedModel::has_codebooks() const {
  return !impl_->codebooks_.empty();
}

CodesByFamily ServedModel::encode(const Embeddings& embeddings) const {
  return impl_->encode(embeddings);
}

std::string ServedModel::stored_value(const Embeddings& embeddings, const CodesByFamily& codes) const {
  return impl_->stored_value(embeddings, codes);
}

void ServedModel::add_item(const store::StoredItem& item) {
  if (impl_->bundle_.items().find(item.item_id)) return;
  try {
    impl_->new_items_.add(item.item_id, impl_->side_by_side(impl_->codes_of_value(json::parse(item.value))));
  } catch (const json::exception& error) {
    throw InvalidArgument(fmt::format("item {}: what the store holds of it is not what a server keeps there: {}",
                                      item.item_id, error.what()));
  }
}

std::optional<rank::RequestItem> ServedModel::find(std::string_view item_id) const {
  if (const auto row = impl_->bundle_.items().find(item_id)) return rank::RequestItem{*row, {}};
  const std::span<const Code> codes = impl_->new_items_.find(item_id);
  if (codes.empty()) return std::nullopt;
  return rank::RequestItem{rank::RequestItem::kNoRow, codes};
}

CodesByFamily ServedModel::codes_of(const rank::RequestItem& item) const {
  const rank::ItemCodes& layout = impl_->layout();
  std::vector<std::uint32_t> rows(layout.stride());
  if (item.row != rank::RequestItem::kNoRow) layout.rows_of(item.row, rows.data());
  CodesByFamily codes;
  for (const FamilyLayout& family : layout.families()) {
    std::vector<Code> of_family(family.num_layers());
    std::size_t first_row = 0;  // of the layer in the family's table
    bool has = true;
    for (std::size_t l = 0; l < of_family.size(); ++l) {
      const std::size_t column = family.first_column + l;
      const bool known = item.row != rank::RequestItem::kNoRow;
      has = has && (known ? rows[column] != rank::ItemCodes::kNoRow : item.codes[column] != kNoCode);
      of_family[l] = known ? static_cast<Code>(rows[column] - first_row) : item.codes[column];
      first_row += family.codebook_sizes[l];
    }
    if (has) codes[family.name] = std::move(of_family);
  }
  return codes;
}

std::size_t ServedModel::num_new_items() const {
  return impl_->new_items_.size();
}

std::vector<std::string> ServedModel::new_items() const {
  return impl_->new_items_.ids();
}

std::vector<float> ServedModel::reference_logits(const rank::ScoreRequest& request) {
  rank::RankerBundle& bundle = impl_->bundle_;
  rank::Network<float>& network = bundle.network();
  std::vector<float> logits(request.candidates.size());
  rank::Batch batch;
  batch.clear();
  std::size_t scored = 0;
  const auto score = [&] {
    network.score(batch, std::span(logits).subspan(scored, batch.size()));
    scored += batch.size();
    batch.clear();
  };
  for (const rank::RequestItem& candidate : request.candidates) {
    for (const rank::RequestItem& item : request.history) batch.history.push_back(item.row);
    bundle.features().append_unknown_log(batch.categories, batch.numbers);
    bundle.features().append_item(candidate.row, batch.categories, batch.numbers);
    batch.add(candidate.row, 0.0f, request.user);
    if (batch.size() == network.max_batch()) score();
  }
  if (batch.size() > 0) score();
  return logits;
}

}  // namespace neume::serve
