#pragma once
// Tests that run once for every instruction set that this machine has.

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cstdint>
#include <string>

namespace neume::kernels {

/// Forces the instruction set of its parameter while a test runs. Instantiate by NEUME_FOR_EVERY_INSTRUCTION_SET.
class InstructionSetTest : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override { hwy::SetSupportedTargetsForTest(GetParam()); }
  void TearDown() override { hwy::SetSupportedTargetsForTest(0); }
};

}  // namespace neume::kernels

#define NEUME_FOR_EVERY_INSTRUCTION_SET(suite)                                                                 \
  INSTANTIATE_TEST_SUITE_P(EveryInstructionSet, suite, testing::ValuesIn(hwy::SupportedAndGeneratedTargets()), \
                           [](const auto& target) { return std::string(hwy::TargetName(target.param)); })
