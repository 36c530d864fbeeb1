// Matrix and its views.

#include <gtest/gtest.h>

#include <cstdint>

#include <neume/matrix.hpp>

namespace neume {
namespace {

TEST(Matrix, IsZeroedAndAligned) {
  const Matrix m(3, 5);
  for (const float x : m.flat()) EXPECT_EQ(x, 0.0f);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(m.data()) % 64, 0u);
}

TEST(Matrix, SliceSharesTheRows) {
  Matrix m(4, 2);
  m.view().slice(1, 3).row(1)[0] = 7.0f;
  EXPECT_EQ(m.row(2)[0], 7.0f);
}

TEST(Matrix, EmptyIsAllowed) {
  EXPECT_TRUE(Matrix(0, 8).empty());
  EXPECT_TRUE(Matrix().clone().empty());
}

}  // namespace
}  // namespace neume
