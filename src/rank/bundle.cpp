#include "rank/bundle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include <neume/error.hpp>

#include "base/file.hpp"
#include "data/options_json.hpp"
#include "data/safetensors.hpp"
#include "data/sids_file.hpp"
#include "rank/bundle_files.hpp"
#include "rank/evaluation.hpp"
#include "rank/model_file.hpp"
#include "rank/model_setup.hpp"
#include "rank/samples.hpp"

namespace neume::rank {

namespace {

using nlohmann::json;

json read_manifest(const BundleFiles& files) {
  if (!std::filesystem::exists(files.manifest())) {
    throw DataError(
        fmt::format("{}: not a finished ranker: there is no manifest.json, which training writes last; train again (it "
                    "continues from its checkpoint)",
                    files.folder.string()));
  }
  json manifest;
  try {
    manifest = json::parse(base::read_file(files.manifest()));
    if (manifest.at("kind") != "ranker") throw DataError("kind is not ranker");
    if (manifest.at("format_version") != kRankerFormatVersion) {
      throw DataError(
          fmt::format("format version {}, expected {}", manifest.at("format_version").dump(), kRankerFormatVersion));
    }
    for (const auto& [name, fingerprint] : manifest.at("files").items()) {
      if (base::fingerprint_of_file(files.folder / name) != fingerprint.get<std::string>()) {
        throw DataError(fmt::format("file {} is not the one that was written with it", name));
      }
    }
  } catch (const std::exception& error) {
    throw DataError(
        fmt::format("{}: not a manifest of a ranker: {}; train again", files.manifest().string(), error.what()));
  }
  return manifest;
}

}  // namespace

RankerBundle::RankerBundle(RankerBundle&&) noexcept = default;
RankerBundle::~RankerBundle() = default;

RankerBundle RankerBundle::load(const std::filesystem::path& folder) {
  const BundleFiles files(folder);
  const json manifest = read_manifest(files);
  RankerBundle bundle;
  bundle.options_.describe(data::OptionsFromJson(manifest.at("options")));
  bundle.options_.validate();
  const SemanticIds sids = data::read_semantic_ids(files.sids());
  bundle.items_ = data::IdIndex(sids.items);
  const data::LogReading reading{{folder, bundle.options_.shuffle_rows}};
  const auto log = data::read_interactions(files.history().string(), bundle.items_, bundle.users_, {}, reading);
  bundle.histories_ = data::Histories(log, bundle.users_.size(), bundle.options_.seed);
  if (!bundle.options_.features.empty()) {
    bundle.features_ = data::FeatureSet::load(files.features(), files.item_features(), sids.items.size());
  }
  bundle.codes_ = std::make_unique<ItemCodes>(select_codes(sids, bundle.options_));
  bundle.content_ = std::make_unique<Content>();
  bundle.network_ = make_network(bundle.options_,
                                 {*bundle.codes_, *bundle.content_, bundle.features_.layout(), bundle.users_.size()});
  const data::SafetensorsFile file(files.parameters());
  read_parameters(file, bundle.network_->parameters(), ParameterCopies::Part::values, "");
  bundle.network_->parameters_changed();
  bundle.item_counts_.resize(sids.items.size());
  file.read("item_interactions", std::span<std::uint32_t>(bundle.item_counts_));
  return bundle;
}

RankerMetrics RankerBundle::evaluate(const data::Interactions& log, std::size_t cold_threshold,
                                     const ProgressFn& progress) {
  const Samples samples(log, histories_,
                        {items_.size(), options_.history, options_.negatives, options_.seed, false, &features_});
  RankerMetrics metrics = evaluate_samples(*network_, samples, {item_counts_, cold_threshold}, progress);
  metrics.skipped_rows = log.num_skipped;
  return metrics;
}

std::vector<std::uint32_t> RankerBundle::history(std::uint32_t user) const {
  std::vector<std::uint32_t> items;
  histories_.append({user, static_cast<std::uint32_t>(items_.size())}, options_.history, items);
  return items;
}

std::vector<float> RankerBundle::score_catalogue(std::uint32_t user) {
  const auto seen = history(user);
  std::vector<float> logits(items_.size());
  Batch batch;
  for (std::size_t begin = 0; begin < items_.size(); begin += batch.size()) {
    batch.clear();
    const std::size_t end = std::min(items_.size(), begin + network_->max_batch());
    for (std::size_t item = begin; item < end; ++item) {
      batch.history.insert(batch.history.end(), seen.begin(), seen.end());
      features_.append_unknown_log(batch.categories, batch.numbers);
      features_.append_item(item, batch.categories, batch.numbers);
      batch.add(static_cast<std::uint32_t>(item), 0.0f, user < histories_.num_users() ? user : Batch::kNoUser);
    }
    network_->score(batch, std::span(logits).subspan(begin, batch.size()));
  }
  return logits;
}

std::vector<ScoredItem> RankerBundle::rank(std::uint32_t user, std::size_t top,
                                           std::span<const std::uint32_t> exclude) {
  const auto logits = score_catalogue(user);
  std::vector<ScoredItem> ranked;
  for (std::uint32_t item = 0; item < logits.size(); ++item) {
    if (!std::ranges::binary_search(exclude, item)) ranked.push_back({item, logits[item]});
  }
  const auto better = [](const ScoredItem& a, const ScoredItem& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.item < b.item;
  };
  const auto middle = ranked.begin() + static_cast<std::ptrdiff_t>(std::min(top, ranked.size()));
  std::partial_sort(ranked.begin(), middle, ranked.end(), better);
  ranked.erase(middle, ranked.end());
  return ranked;
}

eval::RankingSummary RankerBundle::rank_catalogue(const data::Interactions& log,
                                                  const std::vector<std::size_t>& cutoffs, const ProgressFn& progress) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> relevant;  // ordered, so that sums have one order
  for (std::size_t i = 0; i < log.size(); ++i) {
    if ((!log.has_labels() || log.labels[i] != 0) && !histories_.is_positive(log.users[i], log.items[i])) {
      relevant[log.users[i]].push_back(log.items[i]);
    }
  }
  eval::RankingAverage average(cutoffs);
  std::int64_t done = 0;
  for (auto& [user, items] : relevant) {
    std::ranges::sort(items);
    items.erase(std::unique(items.begin(), items.end()), items.end());
    auto logits = score_catalogue(user);
    std::vector<float> candidates = logits;
    for (const std::uint32_t seen : histories_.positives(user))
      candidates[seen] = -std::numeric_limits<float>::infinity();
    std::vector<std::uint32_t> ranks;
    std::ranges::sort(candidates, std::greater<>());
    for (const std::uint32_t item : items) {
      const auto worse = std::ranges::upper_bound(candidates, logits[item], std::greater<>());
      ranks.push_back(static_cast<std::uint32_t>(worse - candidates.begin()) - 1);  // ties count against it
    }
    // Positives that tie with each other share the last places of their tie.
    std::ranges::sort(ranks);
    for (std::size_t i = ranks.size(); i-- > 1;) ranks[i - 1] = std::min(ranks[i - 1], ranks[i] - 1);
    average.add(ranks);
    if (progress) progress({"rank the catalogue", ++done, static_cast<std::int64_t>(relevant.size()), "users", ""});
  }
  return average.summary();
}

}  // namespace neume::rank
