#include "rank/bundle.hpp"

#include <fmt/format.h>

#include <algorithm>
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

constexpr std::size_t kLogitsAtOnce = 1 << 17;       // of whole catalogues that lie in memory while users are ranked
constexpr std::size_t kOccurrencesAtOnce = 1 << 16;  // history items of a batch that is scored

/// The options that a network for scoring is built with: batches larger than those of training, so that threads meet
/// less often; not where a long history would make their memory large.
RankerOptions scoring_options(RankerOptions options) {
  options.batch_size = std::max(options.batch_size, kOccurrencesAtOnce / (options.history + 1));
  return options;
}

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
  bundle.content_ = std::make_unique<Content>();
  if (manifest.at("files").contains(files.content().filename().string())) {
    *bundle.content_ = read_content(files.content(), sids.items.size());
  }
  if (keeps_users(bundle.options_)) bundle.users_ = read_users(files.users());
  const data::LogReading reading{{folder, bundle.options_.shuffle_rows}};
  const auto log = data::read_interactions(files.history().string(), bundle.items_, bundle.users_, {}, reading);
  bundle.histories_ = std::make_unique<data::Histories>(log, bundle.users_.size(), bundle.options_.seed);
  for (std::size_t i = 0; log.has_time() && i < log.size(); ++i) {
    bundle.last_time_ = std::max(log.timestamps[i], bundle.last_time_.value_or(log.timestamps[i]));
  }
  if (!bundle.options_.features.empty()) {
    bundle.features_ = data::FeatureSet::load(files.features(), files.item_features(), sids.items.size());
  }
  bundle.codes_ = std::make_unique<ItemCodes>(select_codes(sids, bundle.options_));
  bundle.network_ = make_network(
      scoring_options(bundle.options_),
      {*bundle.codes_, *bundle.content_, bundle.features_.layout(), *bundle.histories_, bundle.users_.size()});
  const data::SafetensorsFile file(files.parameters());
  read_parameters(file, bundle.network_->parameters(), ParameterCopies::Part::values, "");
  bundle.network_->parameters_changed();
  bundle.network_->begin_epoch(bundle.network_->extra_epochs() + bundle.options_.epochs);
  bundle.item_counts_.resize(sids.items.size());
  file.read("item_interactions", std::span<std::uint32_t>(bundle.item_counts_));
  return bundle;
}

RankerMetrics RankerBundle::evaluate(const data::Interactions& log, const JudgingOptions& judging,
                                     const ProgressFn& progress) {
  const Samples samples(log, *histories_,
                        {items_.size(), options_.history, options_.negatives, options_.seed, false, &features_});
  JudgingOptions like_training = judging;
  like_training.batch_size = options_.batch_size;
  RankerMetrics metrics = evaluate_samples(*network_, samples, item_counts_, like_training, progress);
  metrics.skipped_rows = log.num_skipped;
  return metrics;
}

std::vector<std::uint32_t> RankerBundle::history(std::uint32_t user) const {
  return history(user, options_.history);
}

std::vector<std::uint32_t> RankerBundle::history(std::uint32_t user, std::size_t limit) const {
  std::vector<std::uint32_t> items;
  histories_->append({user, static_cast<std::uint32_t>(items_.size())}, limit, items);
  return items;
}

std::vector<float> RankerBundle::score_catalogue(std::uint32_t user) {
  return score_catalogues({&user, 1});
}

std::vector<float> RankerBundle::score_catalogues(std::span<const std::uint32_t> users) {
  std::vector<float> logits(users.size() * items_.size());
  std::size_t scored = 0;
  Batch batch;
  batch.clear();
  const auto score_batch = [&] {
    network_->score(batch, std::span(logits).subspan(scored, batch.size()));
    scored += batch.size();
    batch.clear();
  };
  for (const std::uint32_t user : users) {
    const auto seen = history(user);
    for (std::uint32_t item = 0; item < items_.size(); ++item) {
      batch.history.insert(batch.history.end(), seen.begin(), seen.end());
      features_.append_unknown_log(batch.categories, batch.numbers);
      features_.append_item(item, batch.categories, batch.numbers);
      batch.add(item, 0.0f, user < histories_->num_users() ? user : Batch::kNoUser);
      if (batch.size() == network_->max_batch()) score_batch();
    }
  }
  if (batch.size() > 0) score_batch();
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

RankerBundle::RelevantItems RankerBundle::relevant_items(const data::Interactions& log) const {
  RelevantItems relevant;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if ((!log.has_labels() || log.labels[i] != 0) && !histories_->is_positive(log.users[i], log.items[i])) {
      relevant[log.users[i]].push_back(log.items[i]);
    }
  }
  for (auto& [user, items] : relevant) {
    std::ranges::sort(items);
    items.erase(std::unique(items.begin(), items.end()), items.end());
  }
  return relevant;
}

eval::RankingSummary RankerBundle::rank_catalogue(const data::Interactions& log,
                                                  const std::vector<std::size_t>& cutoffs, const ProgressFn& progress) {
  const RelevantItems relevant = relevant_items(log);
  std::vector<std::uint32_t> users;
  for (const auto& [user, items] : relevant) users.push_back(user);
  const std::size_t at_once = std::max<std::size_t>(1, kLogitsAtOnce / std::max<std::size_t>(1, items_.size()));
  eval::RankingAverage average(cutoffs);
  for (std::size_t begin = 0; begin < users.size(); begin += at_once) {
    const std::size_t end = std::min(users.size(), begin + at_once);
    const auto logits = score_catalogues(std::span(users).subspan(begin, end - begin));
    for (std::size_t u = begin; u < end; ++u) {
      const auto of_user = std::span(logits).subspan((u - begin) * items_.size(), items_.size());
      average.add(eval::ranks_of_relevant(of_user, relevant.at(users[u]), histories_->positives(users[u])));
    }
    if (progress) {
      progress(
          {"rank the catalogue", static_cast<std::int64_t>(end), static_cast<std::int64_t>(users.size()), "users", ""});
    }
  }
  return average.summary();
}

}  // namespace neume::rank
