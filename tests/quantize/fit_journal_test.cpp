// A fit that was broken off and goes on from its checkpoint ends in the bytes of one that was left alone.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <neume/error.hpp>
#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;

using Case = MethodCase;

QuantizerOptions options_of(const Case& method) {
  RqVaeOptions rqvae;
  rqvae.hidden = {64};
  rqvae.latent_width = 8;
  rqvae.epochs = 150;
  rqvae.batch_size = 16;
  return method.options(rqvae);
}

struct Killed : std::runtime_error {
  Killed() : std::runtime_error("killed") {}
};

/// Throws at the `count`-th report.
ProgressFn killed_at(std::size_t count) {
  return [count, seen = std::size_t{0}](const ProgressUpdate&) mutable {
    if (++seen == count) throw Killed();
  };
}

class Checkpoint : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path file() const { return folder_ / "checkpoint.safetensors"; }

  FitCheckpoint place() {
    return {file(), [this](const std::string& text) { found_.push_back(text); }};
  }

  /// The bytes of the file that a fitted quantizer is saved in.
  std::string bytes_of(const QuantizerFit& fit) const {
    fit.quantizer.save(folder_ / "saved.safetensors");
    return base::read_file(folder_ / "saved.safetensors");
  }

  static QuantizerFit fit(const QuantizerOptions& options, const FitCheckpoint& checkpoint = {},
                          const ProgressFn& progress = {}, std::uint64_t seed = 5) {
    return Quantizer::fit(mixture_rows(500, 11, 40, seed), one_block(11, Scaling::rms), options, progress, checkpoint);
  }

  fs::path folder_ = fs::path(testing::TempDir()) / ("neume-checkpoint-" + std::to_string(getpid()));
  std::vector<std::string> found_;
};

INSTANTIATE_TEST_SUITE_P(Quantizers, Checkpoint,
                         testing::Values(Case{"psrq", QuantizerMethod::psrq}, Case{"rq", QuantizerMethod::rq},
                                         Case{"vq", QuantizerMethod::vq}, Case{"pq", QuantizerMethod::pq},
                                         Case{"opq", QuantizerMethod::opq}, Case{"rqvae", QuantizerMethod::rqvae},
                                         Case{"psrq_auto", QuantizerMethod::psrq,
                                              [](auto& o) { o.choose_prefix_weight = true; }},
                                         Case{"balanced", QuantizerMethod::rq, [](auto& o) { o.balanced = true; }}),
                         [](const auto& method) { return method.param.name; });

TEST_P(Checkpoint, AFitThatWasBrokenOffEndsInTheSameBytes) {
  const QuantizerOptions options = options_of(GetParam());
  const QuantizerFit whole = fit(options);
  const std::string expected = bytes_of(whole);
  std::size_t kills = 0;
  for (; kills < 60; ++kills) {
    const Threads scope(1 + kills % 3);
    try {
      fit(options, place(), killed_at(kills + 1));
      break;
    } catch (const Killed&) {
    }
  }
  EXPECT_GT(kills, 0u);
  const QuantizerFit resumed = fit(options, place());
  EXPECT_EQ(resumed.codes, whole.codes);
  EXPECT_EQ(bytes_of(resumed), expected);
  ASSERT_FALSE(found_.empty());
  for (const std::string& text : found_) EXPECT_EQ(text, "going on from its checkpoint");
  for (std::size_t l = 0; l < whole.quantizer.num_layers(); ++l)
    EXPECT_EQ(resumed.quantizer.reports()[l].objective, whole.quantizer.reports()[l].objective);
  ASSERT_EQ(resumed.prefix_weight_choice.has_value(), options.choose_prefix_weight);
  if (resumed.prefix_weight_choice) {
    EXPECT_EQ(resumed.prefix_weight_choice->trials.size(), whole.prefix_weight_choice->trials.size());
    EXPECT_EQ(resumed.prefix_weight_choice->rows, whole.prefix_weight_choice->rows);
  }
}

TEST_P(Checkpoint, AFinishedFitDoesNothingAgain) {
  const QuantizerOptions options = options_of(GetParam());
  const std::string expected = bytes_of(fit(options, place()));
  ASSERT_TRUE(fs::exists(file()));
  EXPECT_EQ(bytes_of(fit(options, place(), killed_at(1))), expected);
}

TEST_P(Checkpoint, OtherRowsOrOptionsStartOver) {
  const QuantizerOptions options = options_of(GetParam());
  QuantizerOptions other = options;
  other.seed = options.seed + 1;
  fit(other, place());
  const std::string expected = bytes_of(fit(options));
  EXPECT_EQ(bytes_of(fit(options, place())), expected);
  fit(options, place(), {}, 6);
  EXPECT_EQ(bytes_of(fit(options, place())), expected);
  ASSERT_EQ(found_.size(), 3u);
  for (const std::string& text : found_)
    EXPECT_EQ(text, "the checkpoint is of other data, settings or instructions: starting over");
}

TEST_P(Checkpoint, ADamagedFileStartsOver) {
  const QuantizerOptions options = options_of(GetParam());
  const std::string expected = bytes_of(fit(options, place()));
  const std::string good = base::read_file(file());
  std::string flipped = good;
  flipped[flipped.size() - 5] = static_cast<char>(flipped[flipped.size() - 5] ^ 1);
  for (const std::string& bad : {std::string(), good.substr(0, good.size() / 2), flipped, std::string("no tensors")}) {
    base::write_file(file(), bad);
    EXPECT_EQ(bytes_of(fit(options, place())), expected);
    EXPECT_NE(found_.back().find("the checkpoint cannot be used"), std::string::npos) << found_.back();
    fit(options, place());
    EXPECT_EQ(found_.back().find("cannot be used"), std::string::npos) << "the file is whole again: " << found_.back();
  }
}

TEST(CheckpointFile, ThatCannotBeWrittenEndsTheFit) {
  const fs::path file = fs::path(testing::TempDir()) / ("neume-no-folder-" + std::to_string(getpid()));
  base::write_file(file, "");
  EXPECT_THROW(Quantizer::fit(mixture_rows(100, 4, 9, 1), one_block(4), small_options(QuantizerMethod::rq), {},
                              {file / "checkpoint", {}}),
               DataError);
  fs::remove(file);
}

}  // namespace
}  // namespace neume
