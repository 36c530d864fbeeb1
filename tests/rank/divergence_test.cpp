// Naming what is no longer finite.

#include "rank/divergence.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace neume::rank {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class DivergenceTest : public testing::Test {
 protected:
  DivergenceTest() : first_("first", 2, 3), second_("second", 1, 4), table_("table", 3, 2) {}

  std::vector<nn::ParameterView<float>> views() {
    std::vector<nn::ParameterView<float>> views{first_.view(), second_.view(), table_.view()};
    views[2].gradients.data = nullptr;  // a lazy table
    return views;
  }

  nn::Parameter<float> first_, second_, table_;
};

TEST_F(DivergenceTest, FiniteParametersAreNone) {
  EXPECT_EQ(describe_divergence(views()), std::nullopt);
}

TEST_F(DivergenceTest, NamesTheFirstGradient) {
  second_.gradients()[3] = kNan;
  first_.values()[0] = kNan;
  EXPECT_EQ(describe_divergence(views()), "second: gradient is nan (so in 1 of 3 tensors)");
  first_.gradients()[5] = -kInfinity;
  EXPECT_EQ(describe_divergence(views()), "first: gradient is infinite (so in 2 of 3 tensors)");
}

TEST_F(DivergenceTest, NamesAValueWhereNoGradientIsWrong) {
  table_.values()[5] = kInfinity;
  EXPECT_EQ(describe_divergence(views()), "table: value is infinite (so in 1 of 3 tensors)");
}

TEST_F(DivergenceTest, NamesTheLargestGradient) {
  EXPECT_EQ(describe_largest_gradient(views()), std::nullopt);
  first_.gradients()[1] = 2.5f;
  second_.gradients()[0] = -3.2e30f;
  table_.gradients()[0] = kInfinity;  // not seen: the table is lazy
  EXPECT_EQ(describe_largest_gradient(views()), "second: gradient of 3.2e+30, the largest");
}

}  // namespace
}  // namespace neume::rank
