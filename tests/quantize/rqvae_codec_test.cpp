// The fitted RQ-VAE against plain loops in double, and the laws of its training: codes that encode gives again, the
// same bytes for any number of threads, no dependence on the scale of the rows, errors that say what to do.

#include "quantize/rqvae_codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <neume/error.hpp>

#include "data/npy.hpp"
#include "quantize/fit_journal.hpp"
#include "quantize/rqvae_training.hpp"
#include "quantize/sample_rows.hpp"

namespace neume::quantize {
namespace {

/// A fit that keeps no checkpoint.
CodecFit fit_rqvae(ConstMatrixView rows, const QuantizerOptions& options, const ProgressFn& progress = {}) {
  FitJournal not_kept;
  return RqVaeCodec::fit(rows, options, progress, not_kept);
}

QuantizerOptions rqvae_options() {
  QuantizerOptions options = small_options(QuantizerMethod::rqvae);
  options.codes = {8};
  options.rqvae.hidden = {24, 12};
  options.rqvae.latent_width = 5;
  options.rqvae.epochs = 60;
  options.rqvae.batch_size = 100;
  return options;
}

/// Rows without their mean, as a codec wants them.
Matrix centred_rows(std::size_t rows, std::size_t width, std::uint64_t seed) {
  Matrix data = mixture_rows(rows, width, 12, seed);
  for (std::size_t j = 0; j < width; ++j) {
    double mean = 0.0;
    for (std::size_t i = 0; i < rows; ++i) mean += double{data.row(i)[j]} / static_cast<double>(rows);
    for (std::size_t i = 0; i < rows; ++i) data.row(i)[j] -= static_cast<float>(mean);
  }
  return data;
}

std::vector<float> bytes_of(const Codec& codec, const std::string& but = "") {
  std::vector<float> all;
  for (const NamedMatrix& tensor : codec.tensors()) {
    if (tensor.name != but) all.insert(all.end(), tensor.values.flat().begin(), tensor.values.flat().end());
  }
  return all;
}

/// The codec's tensors, applied by plain loops in double.
class Oracle {
 public:
  explicit Oracle(const Codec& codec) : tensors_(codec.tensors()) {}

  const Matrix& tensor(const std::string& name) const {
    return std::ranges::find(tensors_, name, &NamedMatrix::name)->values;
  }
  double unit() const { return double{*tensor("unit").data()}; }

  std::vector<double> run(const std::string& name, std::size_t layers, std::vector<double> x) const {
    for (std::size_t l = 0; l < layers; ++l) {
      const Matrix& weights = tensor(name + "." + std::to_string(l) + ".weight");
      std::vector<double> y;
      for (std::size_t o = 0; o < weights.rows(); ++o) {
        double sum = double{tensor(name + "." + std::to_string(l) + ".bias").data()[o]};
        for (std::size_t i = 0; i < x.size(); ++i) sum += double{weights.row(o)[i]} * x[i];
        y.push_back(l + 1 < layers ? std::max(sum, 0.0) : sum);
      }
      x = y;
    }
    return x;
  }

  std::vector<double> latent(std::span<const float> row) const {
    std::vector<double> x(row.begin(), row.end());
    for (double& value : x) value /= unit();
    return run("encoder", 3, x);
  }

  std::span<const float> codeword(std::size_t layer, Code code) const {
    return tensor("layer" + std::to_string(layer) + ".centroids").row(code);
  }

 private:
  std::vector<NamedMatrix> tensors_;
};

TEST(RqVaeCodec, CodesAndApproximationsAreThoseOfPlainLoops) {
  const Matrix rows = centred_rows(300, 10, 1);
  const CodecFit fit = fit_rqvae(rows.view(), rqvae_options(), {});
  const Oracle oracle(*fit.codec);
  const auto scratch = fit.codec->make_scratch();
  std::vector<double> objectives(3);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const Code* codes = fit.codes.data() + i * 3;
    std::vector<double> residual = oracle.latent(rows.row(i)), q(5);
    for (std::size_t l = 0; l < 3; ++l) {
      const auto distance = [&](std::size_t code) {
        double sum = 0.0;
        for (std::size_t j = 0; j < 5; ++j) sum += std::pow(residual[j] - double{oracle.codeword(l, code)[j]}, 2);
        return sum;
      };
      double nearest = distance(0);
      for (std::size_t code = 1; code < 8; ++code) nearest = std::min(nearest, distance(code));
      EXPECT_LE(distance(codes[l]), nearest + 1e-4 * (1.0 + nearest)) << "row " << i << " layer " << l;
      for (std::size_t j = 0; j < 5; ++j) {
        q[j] += double{oracle.codeword(l, codes[l])[j]};
        residual[j] -= double{oracle.codeword(l, codes[l])[j]};
        objectives[l] += residual[j] * residual[j] / static_cast<double>(rows.rows());
      }
    }
    std::vector<float> decoded(10);
    fit.codec->decode(*scratch, codes, 1, 3, decoded.data());
    const std::vector<double> expected = oracle.run("decoder", 3, q);
    for (std::size_t j = 0; j < 10; ++j) EXPECT_NEAR(double{decoded[j]}, oracle.unit() * expected[j], 1e-4);
  }
  for (std::size_t l = 0; l < 3; ++l) EXPECT_NEAR(fit.reports[l].objective.back(), objectives[l], 1e-4 * objectives[l]);
}

TEST(RqVaeCodec, ANearestCodewordIsThereForEveryRowOfABlockAlone) {
  const Matrix rows = centred_rows(300, 10, 2);
  const CodecFit fit = fit_rqvae(rows.view(), rqvae_options(), {});
  EXPECT_EQ(encode_mapped(*fit.codec, rows.view()), fit.codes);
  for (const std::size_t batch : {1, 7, 129}) {
    for (std::size_t begin = 0; begin < rows.rows(); begin += batch) {
      const std::size_t end = std::min(rows.rows(), begin + batch);
      const std::vector<Code> codes = encode_mapped(*fit.codec, rows.view().slice(begin, end));
      EXPECT_TRUE(std::equal(codes.begin(), codes.end(), fit.codes.begin() + static_cast<std::ptrdiff_t>(begin * 3)));
    }
  }
}

TEST(RqVaeCodec, SameBytesForAnyNumberOfThreads) {
  const Matrix rows = centred_rows(700, 10, 3);
  QuantizerOptions options = rqvae_options();
  options.rqvae.batch_size = 250;  // four blocks of rows a step
  options.rqvae.hidden = {150, 12};
  options.rqvae.epochs = 10;
  std::vector<CodecFit> fits;
  for (const std::size_t count : {1, 2, 3}) {
    const Threads threads(count);
    fits.push_back(fit_rqvae(rows.view(), options, {}));
  }
  for (const CodecFit& fit : fits) {
    EXPECT_EQ(fit.codes, fits[0].codes);
    EXPECT_EQ(bytes_of(*fit.codec), bytes_of(*fits[0].codec));
    for (std::size_t l = 0; l < 3; ++l) EXPECT_EQ(fit.reports[l].objective, fits[0].reports[l].objective);
  }
  options.seed = 6;
  EXPECT_NE(bytes_of(*fit_rqvae(rows.view(), options, {}).codec), bytes_of(*fits[0].codec));
}

TEST(RqVaeCodec, TheScaleOfTheRowsIsTakenOut) {
  const Matrix rows = centred_rows(300, 10, 4);
  Matrix scaled = rows.clone();
  for (float& x : scaled.flat()) x *= 1024.0f;  // a power of two, so that no bit is rounded
  const CodecFit fit = fit_rqvae(rows.view(), rqvae_options(), {});
  const CodecFit scaled_fit = fit_rqvae(scaled.view(), rqvae_options(), {});
  EXPECT_EQ(scaled_fit.codes, fit.codes);
  EXPECT_EQ(bytes_of(*scaled_fit.codec, "unit"), bytes_of(*fit.codec, "unit"));
  std::vector<float> decoded(10), scaled_decoded(10);
  fit.codec->decode(*fit.codec->make_scratch(), fit.codes.data(), 1, 3, decoded.data());
  scaled_fit.codec->decode(*scaled_fit.codec->make_scratch(), fit.codes.data(), 1, 3, scaled_decoded.data());
  for (std::size_t j = 0; j < 10; ++j) EXPECT_EQ(scaled_decoded[j], 1024.0f * decoded[j]);
}

TEST(RqVaeCodec, EveryLayerAddsToTheApproximation) {
  const Matrix rows = mixture_rows(600, 10, 12, 5);
  const QuantizerFit fit = fit_rows(rows, rqvae_options());
  const auto explained = explained_variance(fit.quantizer, rows.view(), fit.codes);
  EXPECT_GT(explained[0], 0.4);
  EXPECT_GT(explained[1], explained[0] + 0.02);
  EXPECT_GT(explained[2], explained[1] + 0.005);
  for (std::size_t l = 0; l < 3; ++l) {
    std::set<Code> used;
    for (std::size_t i = 0; i < rows.rows(); ++i) used.insert(fit.codes[i * 3 + l]);
    EXPECT_EQ(used.size(), 8) << "layer " << l;
    EXPECT_EQ(fit.quantizer.reports()[l].objective.size(), 54 + 1) << "60 epochs without the warm-up, final codes";
  }
}

TEST(RqVaeCodec, ABeamFindsIdsInTheOrderOfTheirCost) {
  const Matrix rows = centred_rows(128, 10, 6);
  const CodecFit fit = fit_rqvae(rows.view(), rqvae_options(), {});
  const auto scratch = fit.codec->make_scratch();
  std::vector<Code> codes(128 * 4 * 3);
  std::vector<double> costs(128 * 4);
  fit.codec->search(*scratch, rows.data(), 128, {4, codes.data(), costs.data()});
  const Oracle oracle(*fit.codec);
  for (std::size_t i = 0; i < 128; ++i) {
    EXPECT_TRUE(std::is_sorted(costs.begin() + static_cast<std::ptrdiff_t>(i * 4),
                               costs.begin() + static_cast<std::ptrdiff_t>(i * 4 + 4)));
    const std::vector<double> latent = oracle.latent(rows.row(i));
    double best = 0.0;
    for (std::size_t j = 0; j < 5; ++j) {
      double left = latent[j];
      for (std::size_t l = 0; l < 3; ++l) left -= double{oracle.codeword(l, codes[i * 12 + l])[j]};
      best += left * left;
    }
    EXPECT_NEAR(costs[i * 4], best, 1e-4 * (1.0 + best)) << "row " << i;
  }
}

TEST(RqVaeCodec, IsTieTellsEqualIdsFromOthers) {
  const Matrix rows = centred_rows(128, 10, 7);
  const CodecFit fit = fit_rqvae(rows.view(), rqvae_options(), {});
  const auto scratch = fit.codec->make_scratch();
  const Code* codes = fit.codes.data();
  const Code other[] = {static_cast<Code>((codes[0] + 1) % 8), codes[1], codes[2]};
  EXPECT_TRUE(fit.codec->is_tie(*scratch, rows.row(0), codes, codes));
  EXPECT_FALSE(fit.codec->is_tie(*scratch, rows.row(0), codes, other));
}

TEST(RqVaeCodec, SavedAndLoadedItIsTheSame) {
  const Matrix rows = mixture_rows(300, 10, 12, 8);
  QuantizerOptions options = rqvae_options();
  options.codes = {8, 5, 3};
  const QuantizerFit fit = fit_rows(rows, options);
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "rqvae_codec_test.safetensors";
  fit.quantizer.save(file);
  const Quantizer loaded = Quantizer::load(file);
  std::filesystem::remove(file);
  EXPECT_EQ(bytes_of(loaded.codec()), bytes_of(fit.quantizer.codec()));
  EXPECT_EQ(loaded.codebook_sizes(), options.codes);
  EXPECT_EQ(loaded.options().rqvae.hidden, options.rqvae.hidden);
  EXPECT_EQ(encode_rows(loaded, rows.view()), fit.codes);
}

std::string message_of(const Matrix& rows, const QuantizerOptions& options) {
  try {
    fit_rqvae(rows.view(), options, {});
  } catch (const DataError& problem) {
    return problem.what();
  }
  return "no DataError";
}

TEST(RqVaeCodec, MoreCodesThanDistinctRows) {
  Matrix rows = centred_rows(20, 10, 9);
  for (std::size_t i = 5; i < 20; ++i) std::ranges::copy(rows.row(i % 5), rows.row(i).begin());
  EXPECT_NE(message_of(rows, rqvae_options()).find("layer 1 asks for 8 codes, but there are only 5 distinct rows"),
            std::string::npos);
  QuantizerOptions options = rqvae_options();
  options.codes = {5};
  const CodecFit fit = fit_rqvae(rows.view(), options, {});
  for (std::size_t i = 5; i < 20; ++i)
    EXPECT_TRUE(std::equal(fit.codes.begin() + static_cast<std::ptrdiff_t>(3 * i),
                           fit.codes.begin() + static_cast<std::ptrdiff_t>(3 * i + 3),
                           fit.codes.begin() + static_cast<std::ptrdiff_t>(3 * (i % 5))));
}

TEST(RqVaeCodec, ConstantRowsAndASingleRow) {
  QuantizerOptions options = rqvae_options();
  options.codes = {1};
  for (const std::size_t count : {std::size_t{1}, std::size_t{9}}) {
    const Matrix zeros(count, 4);
    const CodecFit fit = fit_rqvae(zeros.view(), options, {});
    EXPECT_EQ(fit.codes, std::vector<Code>(count * 3, 0));
    std::vector<float> decoded(4);
    fit.codec->decode(*fit.codec->make_scratch(), fit.codes.data(), 1, 3, decoded.data());
    for (const float x : decoded) EXPECT_NEAR(x, 0.0f, 0.2f) << "the decoder learns the rows: zero";
  }
  options.codes = {2};
  EXPECT_NE(message_of(Matrix(9, 4), options).find("there are only 1 distinct rows among 9"), std::string::npos);
}

TEST(RqVaeCodec, TrainingThatDivergesSaysSo) {
  QuantizerOptions options = rqvae_options();
  options.rqvae.learning_rate = 1e6;
  options.rqvae.hidden = {16, 16, 16, 16};
  const std::string message = message_of(centred_rows(300, 10, 10), options);
  EXPECT_NE(message.find("training diverged in step "), std::string::npos) << message;
  EXPECT_NE(message.find("lower --rqvae-learning-rate (now 1000000)"), std::string::npos) << message;
}

TEST(RqVaeCodec, ReportsProgress) {
  std::vector<std::int64_t> done;
  fit_rqvae(centred_rows(300, 10, 11).view(), rqvae_options(), [&](const ProgressUpdate& update) {
    EXPECT_EQ(update.stage, "rqvae");
    EXPECT_EQ(update.unit, "steps");
    EXPECT_EQ(update.total, 60 * 3);
    EXPECT_TRUE(update.detail.starts_with("loss ")) << update.detail;
    done.push_back(update.done);
  });
  ASSERT_FALSE(done.empty());
  EXPECT_EQ(done.front(), 1);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_LE(done.back(), 60 * 3);
}

TEST(RqVaePlan, EpochsByTheNumberOfRows) {
  const auto epochs = [](std::size_t rows) { return RqVaePlan(rows, RqVaeOptions{}).epochs; };
  EXPECT_EQ(epochs(1), 500);        // one step an epoch, at least 500 steps
  EXPECT_EQ(epochs(600), 167);      // 3 steps an epoch
  EXPECT_EQ(epochs(1425), 150);     // 6 steps an epoch
  EXPECT_EQ(epochs(100000), 25);    // 391 steps an epoch, at most 10,000 steps
  EXPECT_EQ(epochs(1000000), 2);    // 3,907 steps an epoch
  EXPECT_EQ(epochs(100000000), 2);  // no fewer
  RqVaeOptions options;
  options.epochs = 7;
  EXPECT_EQ(RqVaePlan(1425, options).num_steps(), 42);
}

TEST(RqVaePlan, StepsCoverTheRowsEvenly) {
  const RqVaePlan plan(1025, RqVaeOptions{});
  EXPECT_EQ(plan.steps_per_epoch, 5);
  EXPECT_EQ(plan.max_batch(), 205);
  EXPECT_EQ(plan.begin(0), 0);
  EXPECT_EQ(plan.begin(5), 1025);
  for (std::size_t step = 0; step < 5; ++step) EXPECT_EQ(plan.begin(step + 1) - plan.begin(step), 205);
}

// Text embeddings, a third of the default epochs to be quick: rq explains .58 of them, the default .63.
TEST(RqVaeCodec, RealTextDoesNotCollapse) {
  const std::filesystem::path file = std::filesystem::path(NEUME_SOURCE_DIR) / "../shared/data/lfm2k/text.npy";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is absent";
  const data::NpyFile npy(file);
  Matrix rows(npy.rows(), npy.cols());
  for (std::size_t i = 0; i < rows.rows(); ++i) npy.read_row(i, rows.row(i));
  QuantizerOptions options;
  options.method = QuantizerMethod::rqvae;
  options.codes = {64};
  options.rqvae.epochs = 50;
  const QuantizerFit fit = fit_rows(rows, options);
  for (std::size_t l = 0; l < 3; ++l) {
    std::set<Code> used;
    for (std::size_t i = 0; i < rows.rows(); ++i) used.insert(fit.codes[i * 3 + l]);
    EXPECT_GE(used.size(), 61) << "layer " << l;  // 95 % of 64
  }
  EXPECT_GT(explained_variance(fit.quantizer, rows.view(), fit.codes).back(), 0.40);
}

}  // namespace
}  // namespace neume::quantize
