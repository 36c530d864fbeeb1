#pragma once
// What semantic IDs carry: usage and spread of each layer's codes, what a layer adds to the layers before it, and how
// many items share an ID. All entropies are in nats. n = items that have a code; n(v) = how many of them have value v.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <neume/semantic_ids.hpp>

#include "eval/label_agreement.hpp"

namespace neume::eval {

/// An item without a label; equal to data::ItemLabels::kNone.
inline constexpr std::uint32_t kNoLabel = 0xFFFFFFFF;

/// Layer l of a family; c = c_l, k its codebook size, c_<l the codes of the layers before it (the prefix).
struct LayerQuality {
  std::size_t codebook_size = 0;  ///< k
  std::size_t codes_used = 0;     ///< codes with n(c) > 0
  std::size_t dead_codes = 0;     ///< k - codes_used
  double coverage = 0.0;          ///< codes_used / k
  double entropy = 0.0;           ///< H(c) = -sum_c n(c)/n ln(n(c)/n)
  double entropy_ratio = 0.0;     ///< H(c) / ln k; 0 for k = 1
  double perplexity = 0.0;        ///< e^H(c): the number of equally used codes with this entropy
  double gini = 0.0;  ///< sum_i (2i - k - 1) x_i / (k n), x = the k usage counts ascending, i = 1..k; 0 = even
  double conditional_entropy = 0.0;  ///< H(c_l | c_<l) = H(c_1..c_l) - H(c_1..c_{l-1}); for layer 1 H(c_1)

  /// I(c_l ; y | c_<l) = H(c_l | c_<l) - H(c_l | c_<l, y) over the items that have a code and a label y: what this
  /// layer tells of the label that the layers before it did not. Nothing where no labels were given.
  std::optional<double> conditional_information;
  /// The same with the labels permuted among the items of each prefix c_<l, which is what a layer tells by chance where
  /// it knows nothing of the label beyond its prefix. Deep prefixes hold few items each, so this is well above 0: only
  /// the excess over it is information. (Labels permuted over all items would be too strict a null: the true labels
  /// vary less within a prefix.)
  std::optional<double> conditional_information_null;

  /// Agreement with the labels over the same items, and with the labels permuted over all of them: of the groups that
  /// c_l alone makes, and of those that the prefix c_1..c_l makes. Nothing where no labels were given.
  std::optional<LabelAgreement> code_agreement;
  std::optional<LabelAgreement> code_agreement_null;
  std::optional<LabelAgreement> prefix_agreement;
  std::optional<LabelAgreement> prefix_agreement_null;
};

/// A family as a whole; an ID is the tuple (c_1, ..., c_L). "Collision" has two definitions in the literature, and both
/// are here: collision_rate counts IDs that are missing, shared_id_rate counts items that are not alone. Of three items
/// with IDs a, a, b the first is 1/3, the second 2/3.
struct SidQuality {
  std::string family;
  std::size_t items = 0;                       ///< n
  std::size_t items_without_code = 0;          ///< left out of everything here
  std::size_t labelled_items = 0;              ///< items with a code and a label
  std::size_t unique_sid = 0;                  ///< distinct IDs
  double no_collision_rate = 0.0;              ///< unique_sid / n
  double uniquely_identified_item_rate = 0.0;  ///< items alone in their ID / n
  double collision_rate = 0.0;                 ///< 1 - no_collision_rate
  double shared_id_rate = 0.0;                 ///< 1 - uniquely_identified_item_rate: items that share their ID / n
  double mean_group = 0.0;                     ///< n / unique_sid: items per ID that occurs
  std::size_t max_collision = 0;               ///< most items that share one ID
  double entropy = 0.0;                        ///< H(c_1..c_L) = sum over layers of conditional_entropy
  double entropy_ratio = 0.0;  ///< entropy / ln min(n, product of k): 1 where no ID could carry more; 0 if that is ln 1
  std::vector<LayerQuality> layers;
};

/// Judges one family. `labels` is empty, or has one entry an item (kNoLabel = none). `seed` drives the permutation of
/// the null. A family in which no item has a code gives zeros. O(L n log n), and with labels the cost of
/// label_agreement; at most 40 bytes an item of memory beside the family. Throws InvalidArgument where the codes are
/// not N x L, a code lies outside its codebook, or the number of labels is not N.
SidQuality judge(const CodeFamily& family, std::span<const std::uint32_t> labels = {}, std::uint64_t seed = 1);

/// The control row of every quality table: the family in which every layer repeats layer 1. Its deep layers score as
/// layer 1 in every per-layer figure but add nothing (conditional_entropy and conditional_information are 0).
CodeFamily copy_of_first_layer(const CodeFamily& family);

}  // namespace neume::eval
