// The same laws on instruction sets below the machine's own. oneDNN reads its limit from the environment once, so a
// child process runs the test again.

#include <dnnl.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <neume/quantizer.hpp>

#include "quantize/sample_rows.hpp"

namespace neume {
namespace {

/// Limits Highway as the environment asks, and says what the child must find.
void apply_limits() {
  const char* targets = std::getenv("NEUME_TEST_HIGHWAY_TARGETS");
  if (targets == nullptr) return;
  hwy::SetSupportedTargetsForTest(std::strtoll(targets, nullptr, 10));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  const std::string expected = std::getenv("NEUME_TEST_DNNL_ISA");
  ASSERT_EQ(std::to_string(static_cast<int>(dnnl_get_effective_cpu_isa())), expected) << "the limit did not take hold";
}

TEST(InstructionSet, FitAndEncodeAreRight) {
  apply_limits();
  const Matrix data = mixture_rows(900, 21, 60, 12);
  QuantizerOptions options = small_options();
  options.codes = {19};
  const QuantizerFit fit = fit_rows(data, options);
  EXPECT_EQ(encode_rows(fit.quantizer, data.view()), fit.codes);
  const oracle::Rows x = transformed(fit.quantizer, data.view());
  oracle::Rows residuals = x;
  for (std::size_t l = 0; l < 3; ++l) {
    const oracle::Rows rows = l > 0 ? oracle::wide_rows(x, residuals, 1.0) : residuals;
    const oracle::Rows centroids = to_oracle(layer_of(fit.quantizer, l), 1.0);
    const auto labels = oracle::assign(rows, centroids);
    for (std::size_t i = 0; i < labels.size(); ++i) ASSERT_EQ(fit.codes[i * 3 + l], labels[i]) << l << " " << i;
    oracle::subtract(residuals, centroids, labels);
  }
}

int run_limited(const std::string& dnnl_name, int dnnl_isa, std::int64_t highway_targets) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command = "ONEDNN_MAX_CPU_ISA=" + dnnl_name + " NEUME_TEST_DNNL_ISA=" + std::to_string(dnnl_isa) +
                              " NEUME_TEST_HIGHWAY_TARGETS=" + std::to_string(highway_targets) + " '" + self +
                              "' --gtest_filter=InstructionSet.FitAndEncodeAreRight > /dev/null 2>&1";
  return std::system(command.c_str());
}

TEST(InstructionSet, BaselineIsRight) {
  EXPECT_EQ(run_limited("SSE41", dnnl_cpu_isa_sse41, HWY_STATIC_TARGET), 0);
}

TEST(InstructionSet, Avx2IsRight) {
  if ((hwy::SupportedTargets() & HWY_AVX2) == 0) GTEST_SKIP() << "this machine has no AVX2";
  EXPECT_EQ(run_limited("AVX2", dnnl_cpu_isa_avx2, HWY_AVX2 | HWY_STATIC_TARGET), 0);
}

}  // namespace
}  // namespace neume
