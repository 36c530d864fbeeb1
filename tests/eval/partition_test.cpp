// Groups of rows that agree.

#include "eval/partition.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <neume/error.hpp>

namespace neume::eval {
namespace {

using Rows = std::vector<std::uint32_t>;

Rows as_rows(std::span<const std::uint32_t> values) {
  return {values.begin(), values.end()};
}

TEST(Partition, RefinesInTheOrderOfValues) {
  const Rows first{5, 2, 5, 2, 9}, second{1, 1, 0, 1, 7};
  Partition partition(5);
  EXPECT_EQ(partition.num_groups(), 1u);
  partition.refine([&](std::uint32_t row) { return first[row]; });
  EXPECT_EQ(as_rows(partition.group_of()), (Rows{1, 0, 1, 0, 2}));
  partition.refine([&](std::uint32_t row) { return second[row]; });
  EXPECT_EQ(as_rows(partition.group_of()), (Rows{2, 0, 1, 0, 3}));
  EXPECT_EQ(partition.sizes(), (std::vector<std::size_t>{2, 1, 1, 1}));
  const GroupedRows groups = partition.grouped();
  EXPECT_EQ(groups.num_groups(), 4u);
  EXPECT_EQ(groups.rows, (Rows{1, 3, 2, 0, 4}));
  EXPECT_EQ(as_rows(groups.of(0)), (Rows{1, 3}));
}

TEST(Partition, OfNothing) {
  Partition partition(0);
  partition.refine([](std::uint32_t) { return 0u; });
  EXPECT_EQ(partition.num_groups(), 0u);
  EXPECT_TRUE(partition.sizes().empty());
  EXPECT_EQ(partition.grouped().num_groups(), 0u);
}

TEST(Partition, EntropyOfCounts) {
  EXPECT_EQ(entropy_of_counts({}), 0.0);
  EXPECT_EQ(entropy_of_counts(std::vector<std::size_t>{0, 7}), 0.0);
  EXPECT_NEAR(entropy_of_counts(std::vector<std::size_t>{2, 1, 1}), 1.5 * std::log(2.0), 1e-15);
}

TEST(Partition, CodedItems) {
  const CodeFamily family{.name = "text", .codebook_sizes = {2}, .codes = {0, kNoCode, 1}};
  EXPECT_EQ(coded_items(family), (Rows{0, 2}));
  EXPECT_NO_THROW(require_coded(family, Rows{2, 0, 2}));
  EXPECT_THROW(require_coded(family, Rows{1}), InvalidArgument);
  EXPECT_THROW(require_coded(family, Rows{3}), InvalidArgument);
}

}  // namespace
}  // namespace neume::eval
