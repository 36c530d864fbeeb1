// Families over a catalogue with missing modalities, and the proof that stored codes follow from codebooks.

#include "quantize/encoder.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include <neume/error.hpp>

#include "quantize/sample_catalogue.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

constexpr std::size_t kItems = 1000;

data::Catalogue two_modalities(std::size_t text_missing = 7, std::size_t audio_missing = 5) {
  data::Catalogue catalogue;
  ItemIds::Texts names;
  for (std::size_t i = 0; i < kItems; ++i) names.push_back("song-" + std::to_string(i));
  catalogue.items = ItemIds(std::move(names));
  catalogue.modalities.push_back(modality("text", mixture_rows(kItems, 6, 30, 1), text_missing));
  catalogue.modalities.push_back(modality("audio", mixture_rows(kItems, 9, 30, 2), audio_missing));
  return catalogue;
}

TEST(Encoder, ItemsWithoutTheModalityHaveNoCode) {
  const data::Catalogue catalogue = two_modalities();
  for (const FamilyPlan& plan : {FamilyPlan::of_modality("text"), FamilyPlan::joint(catalogue)}) {
    const FamilyFit fit = fit_family(catalogue, plan, default_scaling(plan), small_options());
    EXPECT_EQ(fit.codes.name, plan.name);
    ASSERT_EQ(fit.codes.num_items(), kItems);
    for (std::size_t i = 0; i < kItems; ++i) {
      const bool has = i % 7 != 0 && (plan.name == "text" || i % 5 != 0);
      for (const Code code : fit.codes.of(i)) ASSERT_EQ(code != kNoCode, has) << i;
    }
    EXPECT_EQ(fit.quantizer.shape().block_names, plan.modalities);
    EXPECT_EQ(fit.quantizer.shape().scaling, plan.name == "joint" ? Scaling::rms : Scaling::none);
  }
}

TEST(Encoder, EncodeFamilyRepeatsFitFamily) {
  const data::Catalogue catalogue = two_modalities();
  const FamilyPlan plan = FamilyPlan::joint(catalogue);
  const FamilyFit fit = fit_family(catalogue, plan, Scaling::rms, small_options());
  for (const std::size_t threads : {1u, 2u, 3u}) {
    const Threads scope(threads);
    const CodeFamily codes = encode_family(catalogue, fit.quantizer, "joint");
    EXPECT_EQ(codes.codes, fit.codes.codes);
    EXPECT_EQ(codes.codebook_sizes, fit.codes.codebook_sizes);
  }
}

TEST(Encoder, VerifyHoldsForTrueCodesAndFindsFalseOnes) {
  const data::Catalogue catalogue = two_modalities();
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, small_options());
  const VerifyOptions options{{1, 7, 128, 300}, {1, 2}};
  const std::size_t threads = base::num_threads();
  const VerifyReport good = verify_family(catalogue, fit.quantizer, fit.codes, options);
  EXPECT_EQ(base::num_threads(), threads);
  EXPECT_TRUE(good.holds());
  EXPECT_EQ(good.num_rows, kItems);
  EXPECT_GE(good.num_comparisons, 2 * 2 * 857u);
  EXPECT_FALSE(good.first_mismatch.has_value());

  CodeFamily wrong = fit.codes;
  wrong.codes[3 * 500 + 1] = static_cast<Code>((wrong.codes[3 * 500 + 1] + 1) % 16);
  std::fill_n(wrong.codes.begin() + 3 * 401, 3, kNoCode);  // has the modality
  std::fill_n(wrong.codes.begin() + 3 * 14, 3, Code{2});   // lacks it
  const VerifyReport bad = verify_family(catalogue, fit.quantizer, wrong, {{128}, {1}});
  EXPECT_EQ(bad.mismatches, 3u);
  EXPECT_EQ(bad.within_rounding, 0u);
  EXPECT_EQ(bad.first_mismatch, 14u);
}

TEST(Encoder, VerifyTellsRoundingFromError) {
  // Items at 0 stand exactly between the codewords -1 and 1; the stored codes chose the upper one.
  data::Catalogue catalogue;
  Matrix rows(9, 2);
  for (std::size_t i = 0; i < 8; ++i) rows.row(i)[0] = i % 2 == 0 ? -1.0f : 1.0f;
  catalogue.items = ItemIds::row_numbers(9);
  catalogue.modalities.push_back(modality("text", std::move(rows), 0));
  QuantizerOptions options = small_options(QuantizerMethod::vq);
  options.codes = {2};
  options.iterations = 1;
  FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, options);
  // Encode another catalogue whose item is the midpoint of the two codewords.
  Matrix middle(1, 2);
  for (std::size_t j = 0; j < 2; ++j)
    middle.row(0)[j] =
        (layer_of(fit.quantizer, 0).residual.row(0)[j] + layer_of(fit.quantizer, 0).residual.row(1)[j]) / 2 +
        fit.quantizer.mean()[j];
  data::Catalogue other;
  other.items = ItemIds::row_numbers(1);
  other.modalities.push_back(modality("text", std::move(middle), 0));
  CodeFamily stored = encode_family(other, fit.quantizer, "text");
  stored.codes[0] = 1 - stored.codes[0];
  const VerifyReport report = verify_family(other, fit.quantizer, stored, {{1}, {1}});
  EXPECT_EQ(report.mismatches, 1u);
  EXPECT_EQ(report.within_rounding, 1u);
}

TEST(Encoder, MisfitsAreNamed) {
  const data::Catalogue catalogue = two_modalities();
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::joint(catalogue), Scaling::rms, small_options());
  EXPECT_THROW(fit_family(catalogue, FamilyPlan::of_modality("image"), Scaling::none, small_options()),
               InvalidArgument);
  EXPECT_THROW(fit_family(catalogue, {"none", {}}, Scaling::none, small_options()), InvalidArgument);
  EXPECT_THROW(fit_family(two_modalities(1, 5), FamilyPlan::joint(catalogue), Scaling::rms, small_options()),
               DataError);
  data::Catalogue text_only;
  text_only.items = ItemIds::row_numbers(10);
  text_only.modalities.push_back(modality("text", mixture_rows(10, 6, 3, 1), 0));
  EXPECT_THROW(encode_family(text_only, fit.quantizer, "joint"), InvalidArgument);
  text_only.modalities.push_back(modality("audio", mixture_rows(10, 4, 3, 1), 0));
  EXPECT_THROW(encode_family(text_only, fit.quantizer, "joint"), InvalidArgument);
  CodeFamily stored = fit.codes;
  stored.codebook_sizes[0] = 17;
  EXPECT_THROW(verify_family(catalogue, fit.quantizer, stored), InvalidArgument);
  stored = fit.codes;
  stored.codes.resize(stored.codes.size() - 3);
  EXPECT_THROW(verify_family(catalogue, fit.quantizer, stored), InvalidArgument);
}

TEST(Encoder, ComplaintsAboutRowsNameTheItem) {
  data::Catalogue catalogue = two_modalities(0, 0);
  const FamilyFit fit = fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, small_options());
  Matrix broken = mixture_rows(kItems, 6, 30, 1);
  broken.row(640)[2] = std::nanf("");
  catalogue.modalities[0] = modality("text", std::move(broken), 7);
  for (const bool fitting : {true, false}) {
    try {
      if (fitting)
        fit_family(catalogue, FamilyPlan::of_modality("text"), Scaling::none, small_options());
      else
        encode_family(catalogue, fit.quantizer, "text");
      FAIL() << "expected DataError";
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find("item song-640: column 2"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace neume::quantize
