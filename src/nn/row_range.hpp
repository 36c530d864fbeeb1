#pragma once

#include <cstddef>

namespace neume::nn {

/// Rows [begin, end) of a batch.
struct RowRange {
  std::size_t begin;
  std::size_t end;

  std::size_t size() const { return end - begin; }
};

}  // namespace neume::nn
