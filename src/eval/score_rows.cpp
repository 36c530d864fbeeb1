#include "eval/score_rows.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include <neume/error.hpp>

namespace neume::eval {

void require_same_length(std::size_t scores, std::size_t others, const char* what) {
  if (scores != others) {
    throw InvalidArgument(fmt::format("{} has {} rows, the scores have {}: give one a score", what, others, scores));
  }
}

void require_valid_labels(std::span<const std::uint8_t> labels) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] > 1) {
      throw InvalidArgument(fmt::format("label of row {}: expected 0 or 1, found {}", i, labels[i]));
    }
  }
}

void require_numbers(std::span<const float> scores) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (std::isnan(scores[i])) {
      throw InvalidArgument(fmt::format("score of row {} is not a number: the model that made it has diverged", i));
    }
  }
}

void require_valid(std::span<const float> scores, std::span<const std::uint8_t> labels) {
  require_same_length(scores.size(), labels.size(), "the column of labels");
  require_valid_labels(labels);
  require_numbers(scores);
}

void require_rows(std::size_t rows) {
  if (rows == 0) throw InvalidArgument("no rows: a mean over nothing has no value");
}

std::uint32_t order_key(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

double probability_of(float logit) {
  return 1.0 / (1.0 + std::exp(-static_cast<double>(logit)));
}

}  // namespace neume::eval
