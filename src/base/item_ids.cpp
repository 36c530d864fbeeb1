#include <neume/item_ids.hpp>
#include <neume/semantic_ids.hpp>

#include <algorithm>
#include <numeric>

namespace neume {

ItemIds ItemIds::row_numbers(std::size_t count) {
  Integers ids(count);
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  return ItemIds(std::move(ids));
}

std::size_t ItemIds::size() const {
  return std::visit([](const auto& ids) { return ids.size(); }, ids_);
}

std::string ItemIds::name(std::size_t row) const {
  return is_text() ? texts()[row] : std::to_string(integers()[row]);
}

const CodeFamily* SemanticIds::find(const std::string& family) const {
  const auto found = std::find_if(families.begin(), families.end(), [&](const auto& f) { return f.name == family; });
  return found == families.end() ? nullptr : &*found;
}

}  // namespace neume
