#include "example_listener.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "data/sids_file.hpp"
#include "rank/bundle.hpp"

namespace neume::app {

namespace {

constexpr std::size_t kShown = 5;

/// Items as the user knows them.
class ItemNames {
 public:
  ItemNames(const ExampleInputs& inputs, const data::IdIndex& items)
      : items_(items), sids_(data::read_semantic_ids(inputs.sids)) {
    if (!inputs.items.names.empty()) {
      names_ = data::read_item_labels(inputs.items.names, items, inputs.items.options.item_column);
    }
  }

  Json describe(std::uint32_t item) const {
    Json json{{"item", items_.ids().name(item)}};
    if (!names_.of_item.empty() && names_.of_item[item] != data::ItemLabels::kNone) {
      json["name"] = names_.names[names_.of_item[item]];
    }
    for (const CodeFamily& family : sids_.families) {
      json["codes"][family.name] = family.has(item) ? Json(family.of(item)) : Json(nullptr);
    }
    return json;
  }

 private:
  const data::IdIndex& items_;
  SemanticIds sids_;
  data::ItemLabels names_;
};

std::optional<std::uint32_t> choose_user(const rank::RankerBundle& bundle, const data::Interactions& log) {
  std::optional<std::uint32_t> second_best;
  for (std::size_t row = 0; row < log.size(); ++row) {
    if (log.has_labels() && log.labels[row] == 0) continue;
    const std::size_t length = bundle.positives(log.users[row]).size();
    if (length >= kShown) return log.users[row];
    if (length > 0 && !second_best) second_best = log.users[row];
  }
  return second_best;
}

std::string item_text(const Json& item) {
  const std::string id = item.at("item");
  return item.contains("name") ? fmt::format("{} [{}]", item.at("name").get<std::string>(), id) : "item " + id;
}

}  // namespace

Json example_listener(const ExampleInputs& inputs) {
  rank::RankerBundle bundle = rank::RankerBundle::load(inputs.ranker);
  const data::Interactions log = data::read_interactions(inputs.test, bundle.items(), bundle.users(), inputs.log);
  const std::optional<std::uint32_t> user = choose_user(bundle, log);
  if (!user) return {{"user", nullptr}};
  const ItemNames names(inputs, bundle.items());
  Json json{{"user", bundle.users().ids().name(*user)}, {"history", Json::array()}, {"top", Json::array()}};
  const std::vector<std::uint32_t> history = bundle.history(*user);
  for (std::size_t i = history.size() - std::min(kShown, history.size()); i < history.size(); ++i) {
    json["history"].push_back(names.describe(history[i]));
  }
  for (const rank::ScoredItem& scored : bundle.rank(*user, kShown, bundle.positives(*user))) {
    Json entry = names.describe(scored.item);
    entry["logit"] = scored.logit;
    bool liked = false;
    for (std::size_t row = 0; row < log.size(); ++row) {
      liked |= log.users[row] == *user && log.items[row] == scored.item && (!log.has_labels() || log.labels[row] == 1);
    }
    entry["liked_in_test"] = liked;
    json["top"].push_back(std::move(entry));
  }
  return json;
}

std::string example_text(const Json& example) {
  std::string text = fmt::format("Listener {} liked, last of all:\n", example.at("user").get<std::string>());
  for (const Json& item : example.at("history")) text += fmt::format("    {}\n", item_text(item));
  text += fmt::format("and {} (seed {}) puts first, of all items not yet liked:\n",
                      example.at("ranker").get<std::string>(), example.at("seed").get<std::uint64_t>());
  for (const Json& item : example.at("top")) {
    text += fmt::format("    {}", item_text(item));
    for (const auto& [family, codes] : item.at("codes").items()) {
      if (codes.is_null()) continue;
      text += fmt::format("  {} ({})", family, fmt::join(codes.get<std::vector<int>>(), ", "));
    }
    text += item.at("liked_in_test").get<bool>() ? "  <- liked in the test log\n" : "\n";
  }
  text.pop_back();
  return text;
}

}  // namespace neume::app
