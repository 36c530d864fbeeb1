#pragma once
// Names of items (or users) as the user wrote them, integers or text, in the order of the rows they belong to.

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace neume {

/// One id a row: all integers or all text.
class ItemIds {
 public:
  using Integers = std::vector<std::int64_t>;
  using Texts = std::vector<std::string>;

  ItemIds() = default;
  explicit ItemIds(Integers ids) : ids_(std::move(ids)) {}
  explicit ItemIds(Texts ids) : ids_(std::move(ids)) {}

  /// 0, 1, ..., count - 1: the ids of the rows of an NPY file.
  static ItemIds row_numbers(std::size_t count);

  std::size_t size() const;
  bool is_text() const { return std::holds_alternative<Texts>(ids_); }
  const Integers& integers() const { return std::get<Integers>(ids_); }
  const Texts& texts() const { return std::get<Texts>(ids_); }

  /// The id of one row as text, for messages and output.
  std::string name(std::size_t row) const;

  bool operator==(const ItemIds&) const = default;

 private:
  std::variant<Integers, Texts> ids_;
};

}  // namespace neume
