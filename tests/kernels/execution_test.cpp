// An instruction set that the process is held to holds for every kernel. The limit is for a process and for good, so
// each case is a process of its own.

#include <gtest/gtest.h>

#include <cstdlib>
#include <tuple>

#include <neume/execution.hpp>

#include "kernels/instruction_limit.hpp"
#include "kernels/int8_products.hpp"
#include "kernels/matmul.hpp"

namespace neume::kernels {
namespace {

constexpr int kInt8 = 1;
constexpr int kBf16 = 2;

int products_of_bytes_and_short_floats() {
  return (has_int8_products() ? kInt8 : 0) | (has_bf16_products() ? kBf16 : 0);
}

class LimitInstructionSet : public testing::Test {
 protected:
  void SetUp() override {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // starts the program anew: no work has begun there
    unsetenv("NEUME_MAX_ISA");
  }
};

TEST_F(LimitInstructionSet, Avx512TakesProductsOfBytesAway) {
  const int left = products_of_bytes_and_short_floats() & ~kInt8;
  const auto limited = [] {
    std::ignore = products_of_bytes_and_short_floats();  // an answer from before does not last
    limit_instruction_set(InstructionSet::avx512);
    std::exit(instruction_limit() == InstructionSet::avx512 ? products_of_bytes_and_short_floats() : -1);
  };
  EXPECT_EXIT(limited(), testing::ExitedWithCode(left), "");
}

TEST_F(LimitInstructionSet, Avx2TakesThoseOfShortFloatsToo) {
  const auto limited = [] {
    std::ignore = products_of_bytes_and_short_floats();
    limit_instruction_set(InstructionSet::avx2);
    std::exit(instruction_limit() == InstructionSet::avx2 ? products_of_bytes_and_short_floats() : -1);
  };
  EXPECT_EXIT(limited(), testing::ExitedWithCode(0), "");
}

TEST_F(LimitInstructionSet, TheEnvironmentVariableCountsTheLowerOneHolds) {
  const auto limited = [] {
    setenv("NEUME_MAX_ISA", "avx2", 1);
    limit_instruction_set(InstructionSet::avx512);
    std::exit(instruction_limit() == InstructionSet::avx2 ? products_of_bytes_and_short_floats() : -1);
  };
  EXPECT_EXIT(limited(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace neume::kernels
