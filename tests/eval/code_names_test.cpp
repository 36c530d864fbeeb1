// Names of codes: the log-odds formula worked by hand, the rules of names, and typical items.

#include "eval/code_names.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include <neume/error.hpp>

#include "base/random.hpp"

namespace neume::eval {
namespace {

using Items = std::vector<std::uint32_t>;

ItemTags tags_of(std::vector<std::string> names, const std::vector<Items>& of_items) {
  ItemTags tags{.names = std::move(names), .offsets = {0}, .tags = {}};
  for (const Items& item : of_items) {
    tags.tags.insert(tags.tags.end(), item.begin(), item.end());
    tags.offsets.push_back(tags.tags.size());
  }
  return tags;
}

/// `codes[i]` is the only code of item i.
CodeFamily one_layer(std::vector<Code> codes, std::size_t k = 8) {
  return {.name = "text", .codebook_sizes = {k}, .codes = std::move(codes)};
}

std::vector<std::string> names_of(const CodeGroups& groups) {
  std::vector<std::string> names;
  for (const CodeGroup& group : groups.groups) names.push_back(group.name);
  return names;
}

TEST(CodeNames, LogOddsWorkedByHand) {
  // Code 0: three items, "metal" on all, "rock" on one. Code 3: five items, "rock" on four, one without tags.
  const CodeFamily family = one_layer({0, 0, 0, 3, 3, 3, 3, 3});
  const ItemTags tags = tags_of({"rock", "metal"}, {{1}, {1, 0}, {1}, {0}, {0}, {0}, {0}, {}});
  const CodeGroups found = name_codes(family, 1, tags, {.prior_total = 4.0, .least_z = 0.0});
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.left_out, 0u);
  const CodeGroup& metal = found.groups[0];
  EXPECT_EQ(metal.codes, std::vector<Code>{0});
  EXPECT_EQ(metal.items, 3u);
  ASSERT_EQ(metal.tags.size(), 1u);  // rock is on one item only, and rarer than elsewhere
  // Catalogue: rock 5, metal 3 of 8 tags; prior 4 * 3/8 = 1.5. Group: 3 of 4 tags. Background: 0 of 4.
  const double difference = std::log((3 + 1.5) / (4 + 4 - 3 - 1.5)) - std::log((0 + 1.5) / (4 + 4 - 0 - 1.5));
  const double z = difference / std::sqrt(1 / (3 + 1.5) + 1 / (0 + 1.5));
  EXPECT_EQ(metal.tags[0].tag, 1u);
  EXPECT_EQ(metal.tags[0].count, 3u);
  EXPECT_DOUBLE_EQ(metal.tags[0].share, 1.0);
  EXPECT_DOUBLE_EQ(metal.tags[0].background_share, 0.0);
  EXPECT_NEAR(metal.tags[0].z, z, 1e-13);
  const CodeGroup& rock = found.groups[1];
  EXPECT_EQ(rock.codes, std::vector<Code>{3});
  EXPECT_DOUBLE_EQ(rock.tags[0].share, 0.8);
  EXPECT_DOUBLE_EQ(rock.tags[0].background_share, 1.0 / 3.0);
}

TEST(CodeNames, JoinsTheStrongestTags) {
  // 20 items each. Code 0 is finnish metal, code 1 is jazz.
  std::vector<Code> codes;
  std::vector<Items> of_items;
  for (int i = 0; i < 20; ++i) {
    codes.push_back(0);
    of_items.push_back(i < 15 ? Items{0, 1, 2} : Items{0});
    codes.push_back(1);
    of_items.push_back({3});
  }
  const ItemTags tags = tags_of({"finnish", "metal", "finnish metal", "jazz"}, of_items);
  const CodeGroups found = name_codes(one_layer(codes), 1, tags, {.prior_total = 10.0});
  // "finnish metal" is as strong as "metal", but repeats the words that are there.
  EXPECT_EQ(names_of(found), (std::vector<std::string>{"finnish, metal", "jazz"}));
  EXPECT_EQ(found.groups[0].tags.size(), 3u);
  EXPECT_GE(found.groups[0].tags[0].z, found.groups[0].tags[1].z);
  EXPECT_EQ(found.groups[0].tags[1].tag, 1u);  // equal z: the lower number first
  EXPECT_EQ(found.groups[0].tags[2].tag, 2u);
}

TEST(CodeNames, NamesWithoutAnExcess) {
  // Every code has the same mixture, so nothing stands out; a strict least_z makes sure.
  const ItemTags tags = tags_of({"a", "b", "c"}, {{0}, {0}, {1}, {0}, {1}, {2}, {}, {}});
  const CodeFamily family = one_layer({0, 0, 0, 1, 1, 1, 2, 2});
  const CodeGroups found = name_codes(family, 1, tags, {.least_z = 100.0});
  EXPECT_EQ(names_of(found), (std::vector<std::string>{"mostly a", "mixed", "untagged"}));
  EXPECT_TRUE(found.groups[0].tags.empty());
}

TEST(CodeNames, HalfIsMostlyAndTiesGoToTheFirstTag) {
  const ItemTags tags = tags_of({"a", "b"}, {{1}, {0}});
  EXPECT_EQ(names_of(name_codes(one_layer({0, 0}), 1, tags)), std::vector<std::string>{"mostly a"});
}

TEST(CodeNames, PrefixesAreComparedWithinTheirParent) {
  // All of prefix (0) is metal. Within it, (0,0) is finnish and (0,1) is not: metal tells nothing there.
  CodeFamily family{.name = "text", .codebook_sizes = {2, 2}, .codes = {}};
  std::vector<Items> of_items;
  for (int i = 0; i < 30; ++i) {
    family.codes.insert(family.codes.end(), {0, 0, 0, 1, 1, 0});
    of_items.insert(of_items.end(), {{0, 1}, {0, 2}, {3}});
  }
  const ItemTags tags = tags_of({"metal", "finnish", "american", "jazz"}, of_items);
  const CodeGroups depth1 = name_prefixes(family, 1, tags);
  ASSERT_EQ(depth1.groups.size(), 2u);
  EXPECT_EQ(depth1.groups[0].tags[0].tag, 0u);
  const CodeGroups depth2 = name_prefixes(family, 2, tags);
  ASSERT_EQ(depth2.groups.size(), 3u);
  EXPECT_EQ(depth2.groups[0].codes, (std::vector<Code>{0, 0}));
  EXPECT_EQ(depth2.groups[0].layer, 2u);
  EXPECT_EQ(depth2.groups[0].name, "finnish");
  EXPECT_EQ(depth2.groups[1].name, "american");
  EXPECT_DOUBLE_EQ(depth2.groups[0].tags[0].background_share, 0.0);
  // (1,0) is all of its parent: nothing to differ from.
  EXPECT_EQ(depth2.groups[2].name, "mostly jazz");
  EXPECT_TRUE(depth2.groups[2].tags.empty());
  // The code 0 of layer 2 alone is half finnish metal and half jazz; code 1 is american metal.
  const CodeGroups codes = name_codes(family, 2, tags);
  ASSERT_EQ(codes.groups.size(), 2u);
  EXPECT_EQ(codes.groups[0].items, 60u);
  EXPECT_EQ(codes.groups[0].codes, std::vector<Code>{0});
  EXPECT_EQ(codes.groups[1].tags[0].tag, 2u);
}

TEST(CodeNames, RandomGroupsOfACommonLabelStayMostlyUnnamed) {
  base::Random random(3);
  std::vector<Code> codes;
  std::vector<Items> of_items;
  for (std::size_t i = 0; i < 6400; ++i) {
    codes.push_back(static_cast<Code>(random.index(64)));
    of_items.push_back({static_cast<std::uint32_t>(random.index(5))});
  }
  const CodeGroups found = name_codes(one_layer(codes, 64), 1, tags_of({"a", "b", "c", "d", "e"}, of_items));
  std::size_t excesses = 0;
  for (const CodeGroup& group : found.groups) excesses += group.tags.size();
  // 320 pairs of code and label, of which chance puts 2.5% above 1.96 without a prior: 8. The prior only lowers it.
  EXPECT_LE(excesses, 16u);
}

TEST(CodeNames, LargestGroupsAreKept) {
  const CodeFamily family = one_layer({5, 1, 1, 2, 2, 7, 7, 7});
  const ItemTags tags = tags_of({"a"}, std::vector<Items>(8, Items{0}));
  const CodeGroups found = name_codes(family, 1, tags, {.max_groups = 2});
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.left_out, 2u);
  EXPECT_EQ(found.groups[0].codes, std::vector<Code>{1});  // as large as code 2, which comes later
  EXPECT_EQ(found.groups[1].codes, std::vector<Code>{7});
  // The only tag there is stands out nowhere.
  EXPECT_EQ(found.groups[1].name, "mostly a");
}

TEST(CodeNames, RepeatedTagsCountOnceAndCodelessItemsNever) {
  const CodeFamily family = one_layer({0, 0, 1, kNoCode});
  const ItemTags tags = tags_of({"a", "b"}, {{0, 0, 0}, {1}, {1}, {0}});
  const CodeGroups found = name_codes(family, 1, tags, {.prior_total = 1.0, .least_z = -100.0, .least_count = 1});
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.groups[0].items, 2u);
  for (const TagExcess& tag : found.groups[0].tags) EXPECT_EQ(tag.count, 1u);
  EXPECT_DOUBLE_EQ(found.groups[0].tags[0].share, 0.5);
}

TEST(CodeNames, EdgeCasesAndErrors) {
  const CodeFamily family = one_layer({0, 1});
  const ItemTags none = tags_of({}, {{}, {}});
  EXPECT_EQ(names_of(name_codes(family, 1, none)), (std::vector<std::string>{"untagged", "untagged"}));
  EXPECT_TRUE(name_codes(one_layer({}), 1, tags_of({}, {})).groups.empty());
  EXPECT_THROW(name_codes(family, 0, none), InvalidArgument);
  EXPECT_THROW(name_prefixes(family, 2, none), InvalidArgument);
  EXPECT_THROW(name_codes(family, 1, tags_of({}, {{}})), InvalidArgument);
  EXPECT_THROW(name_codes(family, 1, tags_of({"a"}, {{1}, {}})), InvalidArgument);
  EXPECT_THROW(name_codes(family, 1, ItemTags{{"a"}, {0, 2, 1}, {0}}), InvalidArgument);
  EXPECT_THROW(name_codes(family, 1, none, {.prior_total = 0.0}), InvalidArgument);
}

TEST(TypicalItems, NearestToTheMean) {
  // Code 0: items 0..3 at 0, 1, 2, 9 (mean 3): distances 3, 2, 1, 6. Code 1: item 4. Item 5 has no row.
  const CodeFamily family = one_layer({0, 0, 0, 0, 1, 1});
  const ItemTags tags = tags_of({}, std::vector<Items>(6));
  CodeGroups groups = name_codes(family, 1, tags);
  Matrix rows(5, 1);
  const float positions[] = {7, 9, 2, 1, 0};
  std::ranges::copy(positions, rows.flat().begin());
  find_typical(groups, family, Items{4, 3, 2, 1, 0}, rows.view(), 2);
  EXPECT_EQ(groups.groups[0].typical, (Items{2, 1}));
  EXPECT_EQ(groups.groups[1].typical, Items{4});
  find_typical(groups, family, {}, Matrix(0, 1).view(), 2);  // replaces, does not append
  EXPECT_TRUE(groups.groups[0].typical.empty());
}

TEST(TypicalItems, OfPrefixesAndOfDeepCodes) {
  const CodeFamily family{.name = "text", .codebook_sizes = {2, 2}, .codes = {0, 0, 0, 1, 1, 0, 1, 0}};
  const ItemTags tags = tags_of({}, std::vector<Items>(4));
  Matrix rows(4, 1);
  const float positions[] = {0, 5, 1, 2};
  std::ranges::copy(positions, rows.flat().begin());
  CodeGroups prefixes = name_prefixes(family, 2, tags, {.max_groups = 1});
  find_typical(prefixes, family, Items{0, 1, 2, 3}, rows.view(), 9);
  ASSERT_EQ(prefixes.groups.size(), 1u);
  EXPECT_EQ(prefixes.groups[0].typical, (Items{2, 3}));  // (1,0): equally far, so in their order
  CodeGroups codes = name_codes(family, 2, tags);
  find_typical(codes, family, Items{0, 1, 2, 3}, rows.view(), 1);
  EXPECT_EQ(codes.groups[0].typical, Items{2});  // code 0: 0, 1, 2
  EXPECT_EQ(codes.groups[1].typical, Items{1});
  codes.groups.push_back(prefixes.groups[0]);
  EXPECT_THROW(find_typical(codes, family, Items{0, 1, 2, 3}, rows.view(), 1), InvalidArgument);
  EXPECT_THROW(find_typical(prefixes, family, Items{0}, rows.view(), 1), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
