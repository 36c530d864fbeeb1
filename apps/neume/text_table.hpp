#pragma once
// Tables of text: aligned for a terminal, and as Markdown.

#include <string>
#include <vector>

namespace neume::app {

/// The first `num_labels` columns are flush left, the others flush right.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header, std::size_t num_labels = 1)
      : rows_{std::move(header)}, num_labels_(num_labels) {}

  /// Throws InternalError where the number of cells is not that of the header.
  void add(std::vector<std::string> cells);

  /// Lines joined by newlines, without one at the end.
  std::string plain() const;
  std::string markdown() const;

 private:
  std::vector<std::size_t> widths() const;

  std::vector<std::vector<std::string>> rows_;
  std::size_t num_labels_;
};

}  // namespace neume::app
