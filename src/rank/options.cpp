// Validation of the ranker's options.

#include <fmt/format.h>

#include <neume/error.hpp>
#include <neume/ranker.hpp>

#include "base/range_check.hpp"
#include "kernels/attention.hpp"

namespace neume {

void RankerOptions::validate() const {
  RankerOptions copy = *this;
  copy.describe(base::RangeCheck{});
  const auto check_grain = [](std::string_view name, std::size_t value) {
    if (value % kernels::kAttentionGrain != 0) {
      throw InvalidArgument(
          fmt::format("{}: expected a multiple of {}, found {}", name, kernels::kAttentionGrain, value));
    }
  };
  if (without != Ablation::none && model != RankerModel::mcca) {
    throw InvalidArgument(fmt::format("without: only mcca has the part {}; leave it out, or use --model mcca",
                                      kAblationNames[static_cast<std::size_t>(without)]));
  }
  check_grain("embedding-width", embedding_width);
  check_grain("attention-hidden", attention_hidden);
}

}  // namespace neume
