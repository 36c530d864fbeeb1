#include "code_reading.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "eval/code_names.hpp"

namespace neume::app {

namespace {

constexpr std::size_t kTypicalItems = 5;
constexpr std::size_t kDeepestPrefix = 3;

Json group_json(const eval::CodeGroup& group, const ItemInfo& info) {
  Json json{{"codes", group.codes},
            {"items", group.items},
            {"name", group.name},
            {"tags", Json::array()},
            {"typical", Json::array()}};
  for (const eval::TagExcess& tag : group.tags)
    json["tags"].push_back({{"tag", info.tags.names[tag.tag]},
                            {"count", tag.count},
                            {"share", tag.share},
                            {"background_share", tag.background_share},
                            {"z", tag.z}});
  for (const std::uint32_t item : group.typical) json["typical"].push_back(info.names[item]);
  return json;
}

/// An untagged catalogue as the naming wants it.
eval::ItemTags tags_for(const ItemInfo& info) {
  if (info.has_tags()) return info.tags;
  return {{}, std::vector<std::size_t>(info.names.size() + 1, 0), {}};
}

}  // namespace

Json reading_json(const CodeFamily& family, const ItemInfo& info, const FamilyRows* rows, std::size_t max_groups) {
  const eval::ItemTags tags = tags_for(info);
  eval::NamingOptions options;
  options.max_groups = max_groups;
  std::size_t left_out = 0;
  const auto groups_json = [&](eval::CodeGroups groups) {
    if (rows != nullptr) eval::find_typical(groups, family, rows->items, rows->rows.view(), kTypicalItems);
    left_out += groups.left_out;
    Json json = Json::array();
    for (const eval::CodeGroup& group : groups.groups) json.push_back(group_json(group, info));
    return json;
  };
  Json reading{{"tree", Json::array()}, {"layer_codes", Json::array()}};
  for (std::size_t depth = 1; depth <= std::min(kDeepestPrefix, family.num_layers()); ++depth)
    for (Json& group : groups_json(eval::name_prefixes(family, depth, tags, options)))
      reading["tree"].push_back(std::move(group));
  for (std::size_t layer = 1; layer <= family.num_layers(); ++layer)
    reading["layer_codes"].push_back(groups_json(eval::name_codes(family, layer, tags, options)));
  reading["left_out"] = left_out;
  return reading;
}

TextTable reading_table(const Json& reading, std::size_t count) {
  std::vector<const Json*> groups;
  for (const Json& group : reading.at("layer_codes").at(0)) groups.push_back(&group);
  std::ranges::stable_sort(groups, std::ranges::greater{},
                           [](const Json* group) { return group->at("items").get<std::size_t>(); });
  TextTable table({"code", "name", "typical", "items"}, 3);
  for (std::size_t i = 0; i < std::min(count, groups.size()); ++i) {
    const Json& group = *groups[i];
    const auto typical = group.at("typical").get<std::vector<std::string>>();
    table.add({fmt::to_string(group.at("codes").at(0).get<int>()), group.at("name"),
               fmt::format("{}", fmt::join(typical.begin(),
                                           typical.begin() +
                                               static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, typical.size())),
                                           "; ")),
               fmt::to_string(group.at("items").get<std::size_t>())});
  }
  return table;
}

}  // namespace neume::app
