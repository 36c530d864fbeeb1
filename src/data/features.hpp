#pragma once
// Further inputs of a ranker: columns of the logs or of a table of items, as rows of embedding tables or as numbers.

#include <cstddef>
#include <string>
#include <vector>

namespace neume::data {

/// The inputs that a sample carries, in their order: those of the logs, then those of the items.
struct FeatureLayout {
  /// A categorical feature: its values are rows of a table. Row 0 stands for missing and unknown values.
  struct Category {
    std::string name;
    std::size_t rows = 0;
  };
  std::vector<Category> categories;
  std::vector<std::string> numbers;  ///< standardised by the training log's mean and deviation; missing values are 0

  bool empty() const { return categories.empty() && numbers.empty(); }
};

}  // namespace neume::data
