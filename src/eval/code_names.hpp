#pragma once
// What codes mean: the tags that are over-represented among the items of a code or of a prefix, a short name made of
// them, and the items closest to the group's mean.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <neume/matrix.hpp>
#include <neume/semantic_ids.hpp>

namespace neume::eval {

/// The tags of N items: those of item i are tags[offsets[i] .. offsets[i + 1]), numbers into `names`. A tag that an
/// item repeats counts once. A label column is the case of at most one tag an item.
struct ItemTags {
  std::vector<std::string> names;
  std::vector<std::size_t> offsets;  ///< N + 1, rising, from 0 to tags.size()
  std::vector<std::uint32_t> tags;
};

/// A tag that a group's items have more often than those of its background.
struct TagExcess {
  std::uint32_t tag = 0;
  std::size_t count = 0;          ///< items of the group with the tag
  double share = 0.0;             ///< count / items of the group
  double background_share = 0.0;  ///< the same in the background
  double z = 0.0;                 ///< weighted log-odds ratio in standard deviations, see name_codes

  /// How well the tag names the group: it should be both unusual elsewhere and true of many of the group's items. By z
  /// alone, a phrase that one listener gave to a fifth of the items comes before their genre.
  double strength() const { return share * z; }
};

/// The items with one prefix, or with one code in one layer.
struct CodeGroup {
  std::size_t layer = 0;    ///< 1-based: depth of the prefix, or the layer of the code
  std::vector<Code> codes;  ///< c_1..c_layer, or c_layer alone
  std::size_t items = 0;
  std::vector<TagExcess> tags;         ///< strongest first
  std::vector<std::uint32_t> typical;  ///< items nearest to the group's mean; filled by find_typical
  std::string name;
};

struct CodeGroups {
  std::vector<CodeGroup> groups;  ///< by rising codes
  std::size_t left_out = 0;       ///< groups beyond NamingOptions::max_groups
};

struct NamingOptions {
  double prior_total = 100.0;  ///< a_0: pseudo-counts of the prior, in tags
  double least_z = 1.96;
  std::size_t least_count = 2;
  std::size_t max_tags = 5;
  std::size_t max_groups = 0;  ///< keep this many of the largest groups (ties: lowest codes); 0 keeps all
};

/// Describes every code that occurs in layer `layer` (1-based), against all items with another code there.
///
/// Strength of tag w in group i against background j: the weighted log-odds ratio with an informative Dirichlet prior
/// (Monroe, Colaresi, Quinn 2008, eq. 15-22). With y_w items that have w, n = sum of y over tags, and the prior
/// a_w = a_0 (share of w among all tags of coded items):
///
///     d = ln((y_w^i + a_w) / (n^i + a_0 - y_w^i - a_w)) - ln((y_w^j + a_w) / (n^j + a_0 - y_w^j - a_w))
///     z = d / sqrt(1 / (y_w^i + a_w) + 1 / (y_w^j + a_w))
///
/// Tags with z >= least_z and count >= least_count are kept; z is not corrected for the number of tags tried. The name
/// joins the strongest tag (by share times z) and up to two more that have at least half its strength and neither
/// contain nor are part of one already there ("finnish, metal"). Without such a tag it is "mostly X" where the most
/// frequent tag X is on at least half of the items, else "mixed"; "untagged" where no item of the group has a tag.
/// Items without a code count nowhere.
///
/// Throws InvalidArgument for a layer that the family lacks, tags that do not fit the family's items or themselves, and
/// options out of range. O(n log n + all tags), 24 bytes an item and 16 a tag name beside the result.
CodeGroups name_codes(const CodeFamily& family, std::size_t layer, const ItemTags& tags,
                      const NamingOptions& options = {});

/// The same for every prefix c_1..c_depth, against the other items of its parent prefix c_1..c_{depth-1}; at depth 1
/// against all other items. The only child of its parent has nothing to differ from, and so no tags above the others.
CodeGroups name_prefixes(const CodeFamily& family, std::size_t depth, const ItemTags& tags,
                         const NamingOptions& options = {});

/// Fills `typical` of every group with the (at most) `count` items whose rows are nearest (Euclidean) to the mean of
/// the group's rows, nearest first, ties to the lowest position in `items`. Row i of `rows` belongs to item items[i];
/// items without a row do not take part, and a group without rows gets none. `groups` is what one call of name_codes or
/// name_prefixes returned. Throws InvalidArgument where items and rows differ in number, an item has no code, or the
/// groups are of different layers. O(n (d + log n)) on all threads.
void find_typical(CodeGroups& groups, const CodeFamily& family, std::span<const std::uint32_t> items,
                  ConstMatrixView rows, std::size_t count);

}  // namespace neume::eval
