// Unique addresses where items share IDs.

#include "quantize/collisions.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include <neume/error.hpp>

#include "quantize/encoder.hpp"
#include "quantize/sample_catalogue.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

std::vector<Code> id_of(const CodeFamily& family, std::size_t item) {
  return {family.of(item).begin(), family.of(item).end()};
}

/// Distinct IDs of the items that have one, and how many items that is.
std::pair<std::size_t, std::size_t> distinct(const CodeFamily& family) {
  std::set<std::vector<Code>> ids;
  std::size_t items = 0;
  for (std::size_t i = 0; i < family.num_items(); ++i) {
    if (!family.has(i)) continue;
    ++items;
    ids.insert(id_of(family, i));
  }
  return {ids.size(), items};
}

// Items with IDs (1,2), (0,0), (1,2), none, (1,2): the three get 0, 1, 2 in their order, the lonely one 0.
TEST(Suffix, NumbersTheItemsOfAnId) {
  const CodeFamily family{"text", {3, 3}, {1, 2, 0, 0, 1, 2, kNoCode, kNoCode, 1, 2}};
  const CodeFamily longer = with_suffix(family);
  EXPECT_EQ(longer.codebook_sizes, (std::vector<std::size_t>{3, 3, 3}));
  EXPECT_EQ(longer.codes, (std::vector<Code>{1, 2, 0, 0, 0, 0, 1, 2, 1, kNoCode, kNoCode, kNoCode, 1, 2, 2}));
  EXPECT_EQ(distinct(longer), (std::pair<std::size_t, std::size_t>{4, 4}));
}

TEST(Suffix, NoItems) {
  EXPECT_EQ(with_suffix({"text", {3, 3}, {}}).codebook_sizes, (std::vector<std::size_t>{3, 3, 1}));
}

data::Catalogue one_modality(Matrix rows, std::size_t missing_every = 0) {
  data::Catalogue catalogue;
  catalogue.items = ItemIds::row_numbers(rows.rows());
  catalogue.modalities.push_back(modality("text", std::move(rows), missing_every));
  return catalogue;
}

// One layer, codewords -10, 0, 10 (the means of -10 -10, 0 0, 10 10); then the rows -1, 1, 9.5 arrive. Rows -1 and 1
// share code 0 and are equally far, so the first stays; the other asks for 10 (distance 81), which 9.5 holds and keeps
// because it was alone, then for -10.
TEST(Reassign, AHandWorkedCase) {
  Matrix fitted(6, 1), rows(3, 1);
  for (std::size_t i = 0; i < 6; ++i) fitted.row(i)[0] = -10.0f + 10.0f * static_cast<float>(i / 2);
  rows.row(0)[0] = -1.0f;
  rows.row(1)[0] = 1.0f;
  rows.row(2)[0] = 9.5f;
  QuantizerOptions options = small_options(QuantizerMethod::vq);
  options.codes = {3};
  const FamilyFit fit =
      fit_family(one_modality(std::move(fitted)), FamilyPlan::of_modality("text"), Scaling::none, options);
  const data::Catalogue fresh = one_modality(std::move(rows));
  const CodeFamily shared = encode_family(fresh, fit.quantizer, "text");
  EXPECT_EQ(shared.codes[0], shared.codes[1]);
  const Reassignment result = reassign(fresh, fit.quantizer, shared);
  EXPECT_EQ(result.moved, 1u);
  EXPECT_EQ(result.moved_in_layer, 1u);
  EXPECT_EQ(result.family.codes[0], shared.codes[0]);
  EXPECT_EQ(result.family.codes[2], shared.codes[2]);
  EXPECT_EQ(result.family.codes[1], fit.codes.codes[0]);  // the code of -10
}

TEST(Reassign, EveryIdOnceAndLonelyItemsStay) {
  for (const auto method : {QuantizerMethod::psrq, QuantizerMethod::rq, QuantizerMethod::pq}) {
    const data::Catalogue catalogue = one_modality(mixture_rows(700, 8, 60, 1), 9);
    QuantizerOptions options = small_options(method);
    options.codes = {10};
    const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, options);
    const Reassignment result = reassign(catalogue, fit.quantizer, fit.codes);
    const auto [before, items] = distinct(fit.codes);
    EXPECT_EQ(distinct(result.family), (std::pair<std::size_t, std::size_t>{items, items}));
    EXPECT_EQ(result.moved, items - before);
    EXPECT_LE(result.moved_in_layer, result.moved);
    std::map<std::vector<Code>, std::size_t> sharing;
    for (std::size_t i = 0; i < 700; ++i) ++sharing[id_of(fit.codes, i)];
    std::size_t changed = 0;
    for (std::size_t i = 0; i < 700; ++i) {
      EXPECT_EQ(result.family.has(i), fit.codes.has(i));
      changed += id_of(result.family, i) != id_of(fit.codes, i) ? 1 : 0;
      if (fit.codes.has(i) && sharing[id_of(fit.codes, i)] == 1) {
        EXPECT_EQ(id_of(result.family, i), id_of(fit.codes, i));
      }
    }
    EXPECT_EQ(changed, result.moved);
    for (const std::size_t threads : {1u, 3u}) {
      const Threads scope(threads);
      EXPECT_EQ(reassign(catalogue, fit.quantizer, fit.codes).family.codes, result.family.codes);
    }
  }
}

// Items that come later get IDs that nobody holds, and those that hold one do not come into it.
TEST(Reassign, HeldIdsAreNotGivenAway) {
  const data::Catalogue catalogue = one_modality(mixture_rows(400, 8, 60, 1));
  QuantizerOptions options = small_options(QuantizerMethod::rq);
  options.codes = {10};
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, options);
  CodeFamily early = fit.codes, late = fit.codes;
  for (std::size_t i = 0; i < 400; ++i) std::fill_n((i < 300 ? late : early).codes.begin() + i * 3, 3, kNoCode);
  const CodeFamily held = reassign(catalogue, fit.quantizer, early).family;
  const CodeFamily added = reassign(catalogue, fit.quantizer, late, held).family;
  std::map<std::vector<Code>, std::size_t> sharing, fresh;
  for (std::size_t i = 0; i < 300; ++i) ++sharing[id_of(held, i)];
  for (std::size_t i = 300; i < 400; ++i) ++fresh[id_of(late, i)];
  for (std::size_t i = 300; i < 400; ++i) {
    if (!sharing.contains(id_of(late, i)) && fresh[id_of(late, i)] == 1) {
      EXPECT_EQ(id_of(added, i), id_of(late, i)) << "a free ID of one item alone";
    }
  }
  for (std::size_t i = 300; i < 400; ++i) {
    EXPECT_TRUE(added.has(i));
    ++sharing[id_of(added, i)];
  }
  EXPECT_EQ(sharing.size(), 400u);
  for (std::size_t i = 0; i < 300; ++i) EXPECT_FALSE(added.has(i));
}

// 27 items for 27 IDs, all rows equal: the beam cannot tell them apart, and every ID is given away in the end.
TEST(Reassign, AFullHouse) {
  Matrix rows(27, 4);
  for (std::size_t i = 0; i < 3; ++i) rows.row(i)[i] = 1.0f;  // three distinct rows, so that k = 3 can be fitted
  QuantizerOptions options = small_options(QuantizerMethod::rq);
  options.codes = {3};
  const data::Catalogue catalogue = one_modality(std::move(rows));
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, options);
  const Reassignment result = reassign(catalogue, fit.quantizer, fit.codes);
  EXPECT_EQ(distinct(result.family), (std::pair<std::size_t, std::size_t>{27, 27}));
}

TEST(Reassign, MoreItemsThanIdsIsAnError) {
  const data::Catalogue catalogue = one_modality(mixture_rows(28, 4, 20, 1));
  QuantizerOptions options = small_options(QuantizerMethod::rq);
  options.codes = {3};
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, options);
  EXPECT_THROW(reassign(catalogue, fit.quantizer, fit.codes), InvalidArgument);
}

}  // namespace
}  // namespace neume::quantize
