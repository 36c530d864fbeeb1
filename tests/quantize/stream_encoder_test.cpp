// Codes of a streamed catalogue are those of a catalogue in memory, in every method, for any threads and stretches.

#include "quantize/stream_encoder.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include <neume/error.hpp>

#include "data/table_writer.hpp"
#include "quantize/encoder.hpp"
#include "quantize/sample_catalogue.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

constexpr std::size_t kItems = 1500;

class StreamedCatalogue : public ::testing::Test {
 protected:
  StreamedCatalogue() {
    std::string pattern = (std::filesystem::temp_directory_path() / "neume-stream-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    std::vector<std::int64_t> ids(kItems);
    std::vector<std::uint8_t> has_text(kItems), has_audio(kItems);
    for (std::size_t i = 0; i < kItems; ++i) {
      ids[i] = static_cast<std::int64_t>(3 * i);
      has_text[i] = i % 7 != 0;
      has_audio[i] = i % 5 != 0;
    }
    const Matrix text = mixture_rows(kItems, 6, 30, 1), audio = mixture_rows(kItems, 9, 30, 2);
    data::TableWriter writer({{"item_id", data::ColumnType::int64},
                              {"text", data::ColumnType::float_list},
                              {"audio", data::ColumnType::float_list}});
    const std::vector<data::ColumnData> columns{data::ColumnData(std::span<const std::int64_t>(ids)),
                                                data::ColumnData(text.view(), has_text),
                                                data::ColumnData(audio.view(), has_audio)};
    writer.append(columns);
    const std::string file = folder_ + "/items.parquet";
    writer.finish(file);
    sources_ = {{"text", file + ":text"}, {"audio", file + ":audio"}};
    catalogue_ = data::open_catalogue(sources_);
  }
  ~StreamedCatalogue() override { std::filesystem::remove_all(folder_); }

  data::CatalogueStream open() const {
    data::StreamOptions options;
    options.folder = folder_;
    return {sources_, options};
  }

  std::string folder_;
  std::vector<data::ModalitySource> sources_;
  data::Catalogue catalogue_;
};

TEST_F(StreamedCatalogue, CodesAreThoseOfTheCatalogueInMemory) {
  for (const QuantizerMethod method : {QuantizerMethod::psrq, QuantizerMethod::rq, QuantizerMethod::pq}) {
    std::vector<FamilyFit> fits;
    for (const FamilyPlan& plan : {FamilyPlan::of_modality("audio"), FamilyPlan::joint(catalogue_)})
      fits.push_back(fit_family(catalogue_, plan, default_scaling(plan), small_options(method)));
    for (const std::size_t beam : {1u, 4u}) {
      const CodeFamily audio = encode_family(catalogue_, fits[0].quantizer, "audio", {beam});
      const CodeFamily joint = encode_family(catalogue_, fits[1].quantizer, "joint", {beam});
      for (const std::size_t threads : {1u, 3u}) {
        const Threads scope(threads);
        data::CatalogueStream stream = open();
        StreamEncoder encoder(stream, {&fits[0].quantizer, &fits[1].quantizer}, {beam});
        const std::size_t layers = audio.num_layers(), width = encoder.codes_per_item();
        ASSERT_EQ(width, 2 * layers);
        std::vector<std::uint64_t> present(2);
        for (std::size_t first = 0; first < kItems; first += 400) {
          const std::size_t count = std::min<std::size_t>(400, kItems - first);
          std::vector<Code> codes(count * width);
          stream.advance(first, count);
          encoder.encode(first, count, codes, present);
          for (std::size_t i = 0; i < count; ++i) {
            const std::span<const Code> row(codes.data() + i * width, width);
            ASSERT_TRUE(std::ranges::equal(row.first(layers), audio.of(first + i))) << first + i;
            ASSERT_TRUE(std::ranges::equal(row.subspan(layers), joint.of(first + i))) << first + i;
          }
        }
        EXPECT_EQ(present[0], kItems - (kItems + 6) / 7);
        EXPECT_EQ(present[1], kItems - kItems / 5);
      }
    }
  }
}

TEST_F(StreamedCatalogue, MisfitsAreNamed) {
  const FamilyFit fit = fit_family(catalogue_, FamilyPlan::joint(catalogue_), Scaling::rms, small_options());
  const std::vector<data::ModalitySource> both = sources_;
  sources_ = {both[0]};
  const data::CatalogueStream without = open();
  EXPECT_THROW(StreamEncoder(without, {&fit.quantizer}, {}), InvalidArgument);
  sources_ = {{"text", both[1].source}, {"audio", both[0].source}};
  const data::CatalogueStream swapped = open();
  EXPECT_THROW(StreamEncoder(swapped, {&fit.quantizer}, {}), InvalidArgument);
}

TEST_F(StreamedCatalogue, MeanSquaredErrorIsThatOfAllRowsAtOnce) {
  const FamilyFit fit = fit_family(catalogue_, FamilyPlan::of_modality("text"), Scaling::none, small_options());
  const double whole = reconstruct_family(catalogue_, fit.quantizer, fit.codes).mse.back();
  EXPECT_NEAR(mean_squared_error(catalogue_, fit.quantizer, fit.codes), whole, 1e-12 * whole);
}

}  // namespace
}  // namespace neume::quantize
