// A whole fit, and the encoding of new rows, on instruction sets below the machine's own: what is the same bytes, and
// which IDs may differ. A limit is for a process and for good, so every side is a process of its own: this program,
// started anew with FitInChild.WritesWhatItMakes as its only test.
//
// Within an instruction set all bytes are equal, for any number of threads, with the filter in eight bits and without.
// Between instruction sets sums of floats (of squared norms, the prefix tables of psrq, statistics of a fit) may
// differ in the last bit, and so may the codes of a near tie: two codewords whose squared distances to a row differ by
// at most 1e-6 of the larger one, about eight roundings of a float.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <neume/execution.hpp>
#include <neume/quantizer.hpp>

#include "base/file.hpp"
#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRows = 5000, kFitted = 4000, kWidth = 48, kLayers = 3;
constexpr double kNearTie = 1e-6;

/// Rows around centres of very unequal popularity, at unit length like the rows of text encoders.
Matrix make_rows() {
  Matrix rows = mixture_rows(kRows, kWidth, 700, 21);
  for (std::size_t i = 0; i < kRows; ++i) {
    double norm = 0.0;
    for (const float x : rows.row(i)) norm += double{x} * double{x};
    for (float& x : rows.row(i)) x = static_cast<float>(double{x} / std::sqrt(norm));
  }
  return rows;
}

QuantizerOptions fit_options(const std::string& method) {
  QuantizerOptions options = small_options(method == "rq" ? QuantizerMethod::rq : QuantizerMethod::psrq);
  options.codes = {96};  // enough for the filter in eight bits
  return options;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

TEST(FitInChild, WritesWhatItMakes) {
  const std::string out = variable("NEUME_TEST_OUT");
  if (out.empty()) GTEST_SKIP() << "for the tests below";
  if (variable("NEUME_TEST_SET") == "avx2") limit_instruction_set(InstructionSet::avx2);
  if (variable("NEUME_TEST_SET") == "avx512") limit_instruction_set(InstructionSet::avx512);
  set_num_threads(static_cast<std::size_t>(std::stoul(variable("NEUME_TEST_THREADS"))));
  const Matrix rows = make_rows();
  const QuantizerFit fit = Quantizer::fit(rows.view().slice(0, kFitted), one_block(kWidth, Scaling::rms),
                                          fit_options(variable("NEUME_TEST_METHOD")));
  fit.quantizer.save(out + "/codebook");
  const std::vector<Code> codes = fit.quantizer.encode(rows.view());
  base::write_file(out + "/codes", {reinterpret_cast<const char*>(codes.data()), codes.size() * sizeof(Code)});
}

class InstructionSets : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!__builtin_cpu_supports("avx2")) GTEST_SKIP() << "this machine has no AVX2";
    std::string pattern = (fs::temp_directory_path() / "neume-isa-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// The folder with what a process held to `set` (all instructions: "") made with so many threads.
  fs::path made_by(const std::string& set, int threads) const {
    const fs::path out = folder_ / (set + "-" + std::to_string(threads));
    fs::create_directories(out);
    const std::string self = fs::read_symlink("/proc/self/exe").string();
    const std::string command = "NEUME_TEST_OUT=" + out.string() + " NEUME_TEST_SET=" + set +
                                " NEUME_TEST_METHOD=" + GetParam() + " NEUME_TEST_THREADS=" + std::to_string(threads) +
                                " '" + self + "' --gtest_filter=FitInChild.WritesWhatItMakes > " +
                                (out / "log").string() + " 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << base::read_file(out / "log");
    return out;
  }

  static std::vector<Code> codes_in(const fs::path& made) {
    const std::string bytes = base::read_file(made / "codes");
    std::vector<Code> codes(bytes.size() / sizeof(Code));
    std::memcpy(codes.data(), bytes.data(), bytes.size());
    return codes;
  }

 private:
  fs::path folder_;
};

INSTANTIATE_TEST_SUITE_P(Methods, InstructionSets, testing::Values("rq", "psrq"),
                         [](const auto& method) { return std::string(method.param); });

void expect_same_bytes(const fs::path& a, const fs::path& b) {
  for (const char* file : {"codebook", "codes"})
    EXPECT_TRUE(base::read_file(a / file) == base::read_file(b / file)) << a << " and " << b << ": " << file;
}

TEST_P(InstructionSets, OneSetGivesTheSameBytesForAnyThreads) {
  for (const char* set : {"", "avx2"}) expect_same_bytes(made_by(set, 1), made_by(set, 2));
}

TEST_P(InstructionSets, TheFilterInEightBitsChangesNoByte) {
  expect_same_bytes(made_by("", 2), made_by("avx512", 2));
}

/// How far apart the squared distances of row `x` to codeword id[l] and to `other` of layer l are, as a share of the
/// larger one.
double gap_of(const Quantizer& quantizer, const oracle::Row& x, std::span<const Code> id, std::size_t l, Code other) {
  const double lambda = dynamic_cast<const quantize::ResidualCodec&>(quantizer.codec()).prefix_weight();
  oracle::Rows residual{x};
  for (std::size_t before = 0; before < l; ++before)
    oracle::subtract(residual, to_oracle(layer_of(quantizer, before), lambda), {id[before]});
  const oracle::Rows row = l > 0 && lambda > 0.0 ? oracle::wide_rows({x}, residual, lambda) : residual;
  const oracle::Rows codewords = to_oracle(layer_of(quantizer, l), lambda);
  const double a = oracle::squared_distance(row[0], codewords[id[l]]);
  const double b = oracle::squared_distance(row[0], codewords[other]);
  return std::abs(a - b) / std::max(a, b);
}

TEST_P(InstructionSets, IdsDifferInNearTiesAlone) {
  const fs::path best = made_by("", 2), avx2 = made_by("avx2", 2);
  const std::vector<Code> ids = codes_in(best), others = codes_in(avx2);
  ASSERT_EQ(ids.size(), kRows * kLayers);
  ASSERT_EQ(others.size(), ids.size());
  const Quantizer quantizer = Quantizer::load(best / "codebook");
  const oracle::Rows rows = transformed(quantizer, make_rows().view());
  std::size_t near_ties = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const std::span<const Code> id = std::span(ids).subspan(i * kLayers, kLayers);
    const std::span<const Code> other = std::span(others).subspan(i * kLayers, kLayers);
    const auto [at, other_at] = std::ranges::mismatch(id, other);
    if (at == id.end()) continue;
    ++near_ties;  // what follows a layer that differs has another residual
    EXPECT_LE(gap_of(quantizer, rows[i], id, static_cast<std::size_t>(at - id.begin()), *other_at), kNearTie)
        << "row " << i;
  }
  RecordProperty("near_ties", static_cast<int>(near_ties));
  EXPECT_LE(near_ties, kRows / 1000);
}

}  // namespace
}  // namespace neume
